"""A sweep as people and machines read it: its trials, the best values, and what it really took."""

from __future__ import annotations

import shlex
from typing import Any

from engine.base import jobs
from engine.base.store import Store
from engine.run.sweep import axes, records
from engine.run.sweep.records import Trial


def show(store: Store, sweep_id: int) -> dict[str, Any]:
    """Return a sweep in full.

    A dict of `id`, `job`, `state`, `recipe`, `dataset`, `over`, `settings`, `sampler`, `planned`
    (trials), `trials`, `best` (None before the first trial has ended), `caution`, and
    `predicted_seconds` of all trials beside the `seconds` that they were at work.
    """
    row = records.get(store, sweep_id)
    found = records.trials(store, sweep_id)
    best = records.best(found)
    over = row["axes"].splitlines()
    order = [item.partition("=")[0] for item in over]
    return {
        "id": sweep_id,
        "job": row["job_id"],
        "state": jobs.get(store, row["job_id"])["state"],
        "recipe": row["recipe"],
        "dataset": row["dataset_id"],
        "over": over,
        "settings": row["settings"].splitlines(),
        "sampler": row["sampler"],
        "planned": row["trials"],
        "trials": [_trial(trial, order) for trial in found],
        "best": _best(best, order, row["settings"].splitlines()) if best else None,
        "caution": caution(len(found)) if best else None,
        "predicted_seconds": row["predicted_seconds"],
        "seconds": sum(trial.seconds for trial in found),
    }


def caution(trials: int) -> str:
    """Return why the best of several trials is not as good as it looks."""
    return (
        f"The best of {trials} trials was chosen by these validation rows, so it looks better on "
        "them than it is. The test rows were not used."
    )


def _trial(trial: Trial, order: list[str]) -> dict[str, Any]:
    best = trial.best
    return {
        "number": trial.number,
        "values": {name: trial.values[name] for name in order},
        "run": trial.run_id,
        "state": trial.state,
        "losses": [{"step": point.step, "loss": point.value} for point in trial.losses],
        "loss": best and best.value,
        "step": best and best.step,
        "seconds": trial.seconds,
        "error": trial.error or None,
    }


def _best(best: Trial, order: list[str], settings: list[str]) -> dict[str, Any]:
    """The best trial; its words hold what was the same in all trials too."""
    values = {name: best.values[name] for name in order}
    same = " ".join(f"--set {shlex.quote(item)}" for item in settings)
    return {
        "trial": best.number,
        "run": best.run_id,
        "values": values,
        "loss": best.loss,
        "step": best.best and best.best.step,
        "last_step": best.losses[-1].step,
        "last_loss": best.losses[-1].value,
        "words": f"{axes.options(values)} {same}".strip(),
    }
