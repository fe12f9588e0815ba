"""Launching: from a plan to a row of `runs`, a folder, and a job in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from engine.base import gates, jobs
from engine.base import project as projects
from engine.base.errors import UsageError
from engine.base.jobs import AT_ONCE, Turn
from engine.base.project import Project
from engine.base.store import Row, Store
from engine.plan import document
from engine.plan.plan import Plan


def submit(
    store: Store,
    project_dir: Path,
    project_id: int,
    project: Project,
    plan: Plan,
    *,
    name: str | None = None,
    then: Sequence[str] = (),
    accept: str = "",
    turn: Turn = AT_ONCE,
) -> tuple[int, int]:
    """Record a run and start its training job.

    Args:
        store: The workspace's store.
        project_dir: The project's folder.
        project_id: The project's row.
        project: The project as it stands now.
        plan: A saved plan, whose fit gate the caller has enforced.
        name: The run's name; by default the project's name and a number.
        then: Kinds of the jobs that follow when the training is done.
        accept: Why a failed gate was overridden, here and in the jobs that follow.
        turn: When the training may begin.

    Returns:
        The run's id and the job's id.

    Raises:
        UsageError: The plan was never saved.
    """
    if plan.id is None:
        raise UsageError("This plan is not in the store.", "Save it before starting a run.")
    run_id = _record(store, project_id, plan, name or default_name(store, project_id, project))
    place = folder(store, run_id)
    projects.save(project, place)  # what is trained stays as it is, whatever is edited meanwhile
    document.write(store, project, plan, place)
    job_id = jobs.submit(
        store,
        "train",
        project_dir,
        {"run_id": run_id, "then": list(then), "accept": accept, "device": plan.device},
        project_id=project_id,
        turn=turn,
    )
    store.update("runs", run_id, {"job_id": job_id})
    if accept and plan.gate.result == "fail":
        gates.record(
            store,
            project_id,
            plan.gate,
            subject=f"run {run_id}",
            job_id=job_id,
            accepted=accept,
        )
    return run_id, job_id


def get(store: Store, run_id: int) -> Row:
    """Return a run's row; raise `UsageError` if there is no such run."""
    row = store.row("SELECT * FROM runs WHERE id = ?", (run_id,))
    if row is None:
        raise UsageError(f"There is no run {run_id}.", "See `tunesmith runs`.")
    return row


def folder(store: Store, run_id: int) -> Path:
    """Return the folder of a run: its project and plan, checkpoints, adapter and exports."""
    return store.workspace / str(get(store, run_id)["path"])


def _record(store: Store, project_id: int, plan: Plan, name: str) -> int:
    with store.transaction():
        run_id = store.insert(
            "runs",
            {
                "name": name,
                "project_id": project_id,
                "dataset_id": plan.dataset_id,
                "plan_id": plan.id,
                "model": plan.model,
                "method": plan.method,
                "path": "",
                "steps": plan["steps"],
                "created": time.time(),
            },
        )
        store.update("runs", run_id, {"path": f"runs/{run_id}"})
    return run_id


def default_name(store: Store, project_id: int, project: Project) -> str:
    """Return the name of a project's next run: the project's, and a number."""
    count = store.scalar("SELECT count(*) FROM runs WHERE project_id = ?", (project_id,))
    return f"{project.name}-{count + 1}"
