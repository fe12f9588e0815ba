"""From a request to a sweep: what it tries, how long that takes, whether it can be judged."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.base import gates, jobs
from engine.base import project as projects
from engine.base.errors import UsageError
from engine.base.project import Project
from engine.base.store import Row, Store
from engine.plan import plan as plans
from engine.plan import recipe
from engine.plan.plan import Plan
from engine.plan.recipe import Scalar, Value
from engine.run.sweep import axes as axis
from engine.run.sweep.axes import Axis

POINTS = 6  # validations of a trial: from the second on it may be stopped
TRIALS = 12  # where nobody says how many
_LEAST_POINTS = 2
_FINE = "Six points of a run are enough to stop a trial early."


@dataclass(frozen=True)
class Sweep:
    """What a sweep is to do.

    Attributes:
        project: The project, with the recipe that is swept.
        dataset_id: The dataset of every trial.
        axes: What is tried.
        settings: What is the same in every trial.
        sampler: `grid` where every combination is tried, else `tpe`.
        trials: How many trials there will be.
        seconds: Predicted time of all trials, none stopped early.
    """

    project: Project
    dataset_id: str
    axes: tuple[Axis, ...]
    settings: Mapping[str, Scalar]
    sampler: str
    trials: int
    seconds: float


def prepare(
    store: Store,
    project: Project,
    dataset_id: str,
    over: Sequence[str],
    settings: Mapping[str, Scalar],
    trials: int | None = None,
    accept: str = "",
) -> Sweep:
    """Return what a sweep would do; nothing is written.

    Args:
        store: The workspace's store.
        project: The project, with the recipe that is swept.
        dataset_id: Whose validation rows judge the trials.
        over: What is tried, as `--over` texts.
        settings: What is the same in every trial.
        trials: How many trials at most; None for 12.
        accept: Why a fit gate that says no is overridden.

    Raises:
        UsageError: There is nothing to compare, or nothing to compare by.
        GateError: A trial would not fit.
    """
    _require_optuna()
    _require_validation(store, dataset_id)
    axes = axis.parse(over, recipe.load(project.recipe))
    both = next((one.name for one in axes if one.name in settings), None)
    if both:
        raise UsageError(f"{both} is both set and swept.", "Leave its --set out.", "--set")
    number = axis.combinations(axes)
    if number < 2:
        raise UsageError(
            "There is nothing to compare.",
            "Name two values at least: `--over learning_rate=1e-4,3e-4`.",
            "--over",
        )
    most = TRIALS if trials is None else trials
    if most < 2:
        raise UsageError("A sweep compares two trials at least.", "Raise it.", "--trials")
    sampler = "grid" if number <= most else "tpe"
    count = int(min(number, most))
    tried = axis.grid(axes, project.seed) if sampler == "grid" else axis.corners(axes)
    proposed = [plan_of(store, project, dataset_id, {**settings, **values}) for values in tried]
    for plan, values in zip(proposed, tried, strict=True):
        gates.enforce(plan.gate, accept)
        _require_points(plan, values)
    seconds = count * statistics.fmean(plan.seconds for plan in proposed)
    return Sweep(project, dataset_id, axes, settings, sampler, count, seconds)


def submit(
    store: Store, project_dir: Path, project_id: int, sweep: Sweep, accept: str = ""
) -> tuple[int, int]:
    """Record a sweep and start its job; return the ids of both.

    The project is kept with the sweep, so that editing it changes no later trial.
    """
    sweep_id = store.insert(
        "sweeps",
        {
            "project_id": project_id,
            "dataset_id": sweep.dataset_id,
            "recipe": sweep.project.recipe,
            "axes": "\n".join(map(str, sweep.axes)),
            "settings": "\n".join(f"{k}={plans.text(v)}" for k, v in sweep.settings.items()),
            "sampler": sweep.sampler,
            "trials": sweep.trials,
            "seed": sweep.project.seed,
            "accepted": accept,
            "predicted_seconds": sweep.seconds,
            "created": time.time(),
        },
    )
    projects.save(sweep.project, folder(store, sweep_id))
    job_id = jobs.submit(store, "sweep", project_dir, {"sweep_id": sweep_id}, project_id=project_id)
    store.update("sweeps", sweep_id, {"job_id": job_id})
    return sweep_id, job_id


def folder(store: Store, sweep_id: int) -> Path:
    """Return the folder that keeps a sweep's project."""
    return store.workspace / "sweeps" / str(sweep_id)


def of(store: Store, row: Row) -> Sweep:
    """Return what a recorded sweep is to do."""
    project = projects.load(folder(store, row["id"]))
    return Sweep(
        project,
        row["dataset_id"],
        axis.parse(row["axes"].splitlines(), recipe.load(project.recipe)),
        recipe.assignments(row["settings"].splitlines()),
        row["sampler"],
        row["trials"],
        row["predicted_seconds"],
    )


def plan_of(
    store: Store, project: Project, dataset_id: str, values: Mapping[str, Scalar], why: str = ""
) -> Plan:
    """Return a trial's plan, with validations close enough to stop it early.

    Args:
        store: The workspace's store.
        project: The project, with the recipe that is swept.
        dataset_id: The dataset.
        values: The trial's settings.
        why: The reason of the values that are tried, for the plan.
    """
    given = "validate_every" in values or "validate_every" in project.settings
    asked = values if given else {**values, "validate_every": 1 / POINTS}
    plan = plans.propose(store, project, dataset_id, asked)
    reasons = {name: why for name in values if why}
    if not given:
        reasons["validate_every"] = _FINE
    told = {name: Value(plan[name], reason) for name, reason in reasons.items()}
    return replace(plan, values={**plan.values, **told})


def points(plan: Plan) -> int:
    """Return how often a plan measures the validation loss."""
    return int(plan["steps"] // plan["validate_every"])


def _require_validation(store: Store, dataset_id: str) -> None:
    if not store.scalar("SELECT validation FROM datasets WHERE id = ?", (dataset_id,)):
        raise UsageError(
            f"Dataset {dataset_id} has no validation rows, by whose loss trials are compared.",
            "Keep some back (`data: validation: 0.1` in project.yaml): `tunesmith data build`.",
            "validation",
        )


def _require_points(plan: Plan, values: Mapping[str, Scalar]) -> None:
    if points(plan) < _LEAST_POINTS:
        raise UsageError(
            f"A trial of {axis.words(values)} has {plan['steps']} steps and measures its "
            f"validation loss every {plan['validate_every']}: too seldom to compare trials.",
            "Train for more steps, or measure more often.",
            "validate_every",
        )


def _require_optuna() -> None:
    """Optuna is an extra; its absence is told here and not by a failed job."""
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise UsageError(
            "Sweeps need the package optuna, which is not installed.",
            "Install it: `pip install 'tunesmith[sweep]'`.",
            "optuna",
        )
