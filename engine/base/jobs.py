"""Jobs: long work in processes of their own, owned by no screen.

A job is a row of `jobs`. The submitter starts `python -P -m engine.worker`, in a session of its
own; the worker waits for its device's kernel lock, works, and leaves a final state. A worker that
is gone without one is found by pid, start time and heartbeat, and its job marked `lost`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from engine.base import ranks
from engine.base.errors import UsageError
from engine.base.store import Row, Store

OPEN = ("queued", "waiting", "running")
HEARTBEAT_SECONDS = 2.0
SILENCE_SECONDS = 15.0


def submit(
    store: Store,
    kind: str,
    project: Path,
    args: Mapping[str, Any],
    *,
    project_id: int | None = None,
) -> int:
    """Record a job and start its worker; return the job's id at once. Arguments: see `enqueue`."""
    job_id = enqueue(store, kind, project, args, project_id=project_id)
    start(store, job_id)
    return job_id


def enqueue(
    store: Store,
    kind: str,
    project: Path,
    args: Mapping[str, Any],
    *,
    project_id: int | None = None,
) -> int:
    """Record a job that `start` is to follow at once; without it, the job counts as lost.

    Args:
        store: The workspace's store.
        kind: The stage to run; `engine.worker.STAGES` names them.
        project: The project's folder.
        args: The stage's arguments, plain JSON.
        project_id: The project's row, when there is one.

    Returns:
        The job's id.
    """
    return store.insert(
        "jobs",
        {
            "kind": kind,
            "project_id": project_id,
            "args": json.dumps({**args, "project": str(project)}),
            "created": time.time(),
        },
    )


def start(store: Store, job_id: int) -> None:
    """Start the worker process of a queued job, detached from this process and its terminal."""
    folder = log_file(store, job_id).parent
    folder.mkdir(parents=True, exist_ok=True)
    environment = ranks.unranked(os.environ)
    environment.pop("PYTHONPATH", None)
    with log_file(store, job_id).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.worker", str(store.workspace), str(job_id)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
            env=environment,
        )
    store.execute(
        "UPDATE jobs SET pid = ?, pid_started = ?, heartbeat = ? WHERE id = ? AND state = 'queued'",
        (process.pid, started_at(process.pid), time.time(), job_id),
    )


def restart(store: Store, job_id: int) -> None:
    """Put an ended job back in the queue and start a new worker; its stage resumes its own work.

    Raises:
        UsageError: The job is unknown, still at work, or finished.
    """
    job = get(store, job_id)
    if job["state"] in OPEN:
        raise UsageError(f"Job {job_id} is {job['state']}.", "Watch it with `tunesmith watch`.")
    if job["state"] == "done":
        raise UsageError(f"Job {job_id} is done; there is nothing to resume.", "Start a new one.")
    store.execute(
        "UPDATE jobs SET state = 'queued', request = NULL, error = NULL, error_where = NULL, "
        "fix = NULL, exit_code = NULL, started = NULL, ended = NULL, pid = NULL WHERE id = ?",
        (job_id,),
    )
    start(store, job_id)


def request(store: Store, job_id: int, what: str) -> None:
    """Ask a job to `stop` or to write a `checkpoint`; it obeys at its next step.

    Raises:
        UsageError: The job is unknown or not at work.
    """
    job = get(store, job_id)
    if job["state"] not in OPEN:
        raise UsageError(f"Job {job_id} is {job['state']}, not at work.", "See `tunesmith jobs`.")
    store.update("jobs", job_id, {"request": what})


def get(store: Store, job_id: int) -> Row:
    """Return a job's row, its state true to its process; raise `UsageError` if unknown."""
    mark_lost(store)
    row = store.row("SELECT * FROM jobs WHERE id = ?", (job_id,))
    if row is None:
        raise UsageError(f"There is no job {job_id}.", "See `tunesmith jobs`.")
    return row


def mark_lost(store: Store) -> int:
    """Mark every job whose process is gone as lost; return how many there were."""
    lost = 0
    for job in store.rows(
        "SELECT id, pid, pid_started, heartbeat, created FROM jobs "
        "WHERE state IN ('queued', 'waiting', 'running')"
    ):
        if not _alive(job):
            lost += store.execute(
                "UPDATE jobs SET state = 'lost', ended = COALESCE(heartbeat, created), "
                "error = 'The worker process is gone.', fix = ? "
                "WHERE id = ? AND pid IS ? AND state IN ('queued', 'waiting', 'running')",
                (f"Resume it with `tunesmith resume {job['id']}`.", job["id"], job["pid"]),
            )
    return lost


def log_file(store: Store, job_id: int) -> Path:
    """Return the file that takes whatever a job's process prints."""
    return store.workspace / "jobs" / f"{job_id}.log"


def started_at(pid: int) -> float | None:
    """Return when a process started, in seconds since the epoch; None when it is gone."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def _alive(job: Row) -> bool:
    """A reused pid is told from the worker by its start time."""
    if job["pid"] is None:
        return bool(time.time() - job["created"] < SILENCE_SECONDS)
    started = started_at(job["pid"])
    if started is None:
        return False
    return job["pid_started"] is None or abs(started - job["pid_started"]) < 1.0
