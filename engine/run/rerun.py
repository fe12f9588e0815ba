"""A run once more: the recorded plan, dataset and project, and whether the result is the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engine.base import project
from engine.base.errors import UsageError
from engine.base.project import Project
from engine.base.store import Row, Store
from engine.plan import plan as plans
from engine.plan.plan import Plan
from engine.run import environment, launch, metrics


@dataclass(frozen=True)
class Repetition:
    """What repeats a run.

    Attributes:
        run: The row of the run to repeat.
        plan: Its plan.
        project: Its own copy of the project.
        differences: What has changed since then, as sentences; empty when the result should be
            equal to the byte.
    """

    run: Row
    plan: Plan
    project: Project
    differences: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """How a repetition compares with the run it repeats.

    Attributes:
        of: The run it repeats.
        equal: Whether both trained the same bytes; None before the end.
        loss_difference: The largest difference of the losses at a step, in nats; None without two
            curves.
    """

    of: int
    equal: bool | None
    loss_difference: float | None


def prepare(store: Store, run_id: int) -> Repetition:
    """Look whether a run can be repeated here, and what has changed.

    Raises:
        UsageError: It has not ended, or its dataset, rows, base model or project are not there any
            more as they were.
    """
    run = launch.get(store, run_id)
    if run["ended"] is None:
        raise UsageError(
            f"Run {run_id} has not ended, so there is nothing to repeat.",
            f"Go on with it: `tunesmith resume {run['job_id']}`.",
        )
    plan = plans.load(store, run["plan_id"])
    before, now = json.loads(run["environment"]), environment.read(store, plan)
    for key in environment.NEEDED:
        if key in before and before[key] != now[key]:
            raise UsageError(
                f"The {key.replace('_', ' ')} of run {run_id} changed after the training.",
                "Put back what was trained on, or start a new run: `tunesmith train`.",
                plan.dataset_id if key == "rows" else plan.model,
            )
    copy = project.load(launch.folder(store, run_id))
    return Repetition(run, plan, copy, tuple(environment.differences(before, now)))


def submit(store: Store, repetition: Repetition) -> tuple[int, int]:
    """Start the repetition; return the new run's id and its job's.

    Raises:
        UsageError: The project's folder is gone.
    """
    old = repetition.run
    place = store.row("SELECT id, path FROM projects WHERE id = ?", (old["project_id"],))
    args = store.scalar("SELECT args FROM jobs WHERE id = ?", (old["job_id"],))
    assert place is not None  # a foreign key
    run_id, job_id = launch.submit(
        store,
        project.find(Path(place["path"])),
        place["id"],
        repetition.project,
        repetition.plan,
        accept=json.loads(args or "{}").get("accept", ""),
    )
    store.update("runs", run_id, {"rerun_of": old["id"]})
    return run_id, job_id


def compare(store: Store, run_id: int) -> Comparison | None:
    """Compare a repetition with the run it repeats; None for a run that repeats none."""
    run = launch.get(store, run_id)
    if run["rerun_of"] is None:
        return None
    old = launch.get(store, run["rerun_of"])
    equal = None if run["ended"] is None else run["adapter_sha256"] == old["adapter_sha256"]
    one, other = (
        {
            point.step: point.value
            for point in metrics.tail(store, number, "loss", 0)
            if point.value is not None
        }
        for number in (old["id"], run_id)
    )
    gaps = [abs(one[step] - other[step]) for step in one.keys() & other.keys()]
    return Comparison(old["id"], equal, max(gaps, default=None))


def sentence(found: Comparison) -> str:
    """Return a comparison in words."""
    if found.equal is None:
        return f"It repeats run {found.of}, and has not ended."
    if found.equal:
        return f"It repeats run {found.of}: the same result, to the byte."
    gap = found.loss_difference
    far = "" if gap is None else f"; the losses differ by {gap:.2g} nats at most"
    return f"It repeats run {found.of}: another result{far}."
