"""One trial: its plan and its run, made once however often the sweep is killed, and its end."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass

from engine.base import jobs
from engine.base.errors import UsageError
from engine.base.store import Row, Store
from engine.base.work import Work
from engine.plan import plan as plans
from engine.run import launch
from engine.run.sweep import submit
from engine.run.sweep.records import Trial
from engine.run.sweep.submit import Sweep

_BY_SWEEP = "Tried by sweep {}."
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Started:
    """A trial's run and job, and how often it measures the validation loss."""

    run_id: int
    job_id: int
    points: int


def start(work: Work, row: Row, sweep: Sweep, trial: Trial) -> Started:
    """Bring a trial to work: submit its run, or go on with the one it has.

    Every step is recorded before the next, and what a kill left half done is found again by the
    plan's number: a plan belongs to one trial and has one run.
    """
    store = work.store
    plan_id = trial.plan_id
    if plan_id is None:
        why = _BY_SWEEP.format(row["id"])
        plan = submit.plan_of(
            store, sweep.project, sweep.dataset_id, {**sweep.settings, **trial.values}, why
        )
        plan_id = plans.save(store, work.project_id, plan).id
        store.update("sweep_trials", trial.id, {"plan_id": plan_id})
    assert plan_id is not None  # it was saved
    plan = plans.load(store, plan_id)
    found = _submitted(store, plan_id)
    if found is None:
        name = f"{sweep.project.name}-sweep{row['id']}-{trial.number}"
        found = launch.submit(
            store,
            work.project_dir,
            work.project_id,
            sweep.project,
            plan,
            name=name,
            accept=row["accepted"],
        )
    elif _begun(store, found[1])["state"] in ("stopped", "failed", "lost"):
        jobs.restart(store, found[1])
    store.update("sweep_trials", trial.id, {"run_id": found[0]})
    return Started(*found, submit.points(plan))


def stop(store: Store, job_id: int) -> None:
    """Stop a trial's job and wait for its end; one that ends by itself meanwhile is left alone."""
    if jobs.get(store, job_id)["state"] in jobs.OPEN:
        try:
            jobs.request(store, job_id, "stop")
        except UsageError:
            return  # it ended between the look and the request
    while jobs.get(store, job_id)["state"] in jobs.OPEN:
        time.sleep(_LOOK_SECONDS)


def clear(store: Store, trial: Trial, *, keep: bool) -> None:
    """Remove the files of a trial that has ended; its curves and its log stay.

    Args:
        store: The workspace's store.
        trial: The trial.
        keep: Whether it is the best so far, whose adapter stays with its last checkpoint.
    """
    if keep or trial.run_id is None:
        return
    folder = launch.folder(store, trial.run_id)
    for name in ("checkpoints", "adapter", "model"):
        shutil.rmtree(folder / name, ignore_errors=True)
    store.execute("DELETE FROM checkpoints WHERE run_id = ?", (trial.run_id,))
    store.update("runs", trial.run_id, {"adapter_sha256": None})


def _begun(store: Store, job_id: int) -> Row:
    """Return a job's row once it has a worker, or is known to have none."""
    while (job := jobs.get(store, job_id))["state"] == "queued" and job["pid"] is None:
        time.sleep(_LOOK_SECONDS)
    return job


def _submitted(store: Store, plan_id: int) -> tuple[int, int] | None:
    """Return the run and the job of a plan; a run that never got a job is taken back."""
    run_id = store.scalar("SELECT id FROM runs WHERE plan_id = ?", (plan_id,))
    if run_id is None:
        return None
    job_id = store.scalar(
        "SELECT id FROM jobs WHERE kind = 'train' AND json_extract(args, '$.run_id') = ?", (run_id,)
    )
    if job_id is None:
        store.execute("DELETE FROM runs WHERE id = ?", (run_id,))
        return None
    store.update("runs", run_id, {"job_id": job_id})
    return int(run_id), int(job_id)
