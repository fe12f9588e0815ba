"""Jobs: long work in processes of their own, owned by no screen.

A job is a row of `jobs`. The submitter starts `python -P -m engine.worker`, in a session of its
own; the worker waits for its turn and its device's kernel lock (`turns.py`), works, and leaves a
final state. A worker that is gone without one is found by pid, start time and heartbeat, and its
job marked `lost`. A kernel lock on the job's log sees to it that a job has one worker at a time.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from engine.base import death, ranks
from engine.base.errors import UsageError
from engine.base.store import Row, Store

OPEN = ("queued", "waiting", "running")
HEARTBEAT_SECONDS = 2.0
SILENCE_SECONDS = 15.0
WORKER = (sys.executable, "-P", "-m", "engine.worker")
# What a training frees it takes again at the next step: the C library keeps it, in huge pages.
# Without that, page faults take 7 to 18 % of a step on a CPU (docs/training.md).
_MALLOC = ":".join(
    (
        "glibc.malloc.hugetlb=1",
        f"glibc.malloc.trim_threshold={2**33}",
        f"glibc.malloc.mmap_threshold={2**33}",
    )
)


@dataclass(frozen=True)
class Turn:
    """When a job may begin.

    Attributes:
        priority: Jobs of a higher one go first.
        needs: Jobs that must be done first.
        hours: The hours of the day in which it may work, as `22:00-07:00`; None for all.
    """

    priority: int = 0
    needs: tuple[int, ...] = ()
    hours: str | None = None


AT_ONCE = Turn()


def submit(
    store: Store,
    kind: str,
    project: Path,
    args: Mapping[str, Any],
    *,
    project_id: int | None = None,
    turn: Turn = AT_ONCE,
) -> int:
    """Record a job and start its worker; return the job's id at once. Arguments: see `enqueue`."""
    job_id = enqueue(store, kind, project, args, project_id=project_id, turn=turn)
    start(store, job_id)
    return job_id


def enqueue(
    store: Store,
    kind: str,
    project: Path,
    args: Mapping[str, Any],
    *,
    project_id: int | None = None,
    turn: Turn = AT_ONCE,
) -> int:
    """Record a job that `start` is to follow at once; without it, the job counts as lost.

    Args:
        store: The workspace's store.
        kind: The stage to run; `engine.worker.STAGES` names them.
        project: The project's folder.
        args: The stage's arguments, plain JSON.
        project_id: The project's row, when there is one.
        turn: When it may begin; with `needs` it opens a transaction of its own.

    Returns:
        The job's id.

    Raises:
        UsageError: It needs a job that there is not.
    """
    row = {
        "kind": kind,
        "project_id": project_id,
        "args": json.dumps({**args, "project": str(project)}),
        "priority": turn.priority,
        "hours": turn.hours,
        "created": time.time(),
    }
    if not turn.needs:
        return store.insert("jobs", row)
    for needed in turn.needs:
        get(store, needed)
    with store.transaction():
        job_id = store.insert("jobs", row)
        store.write_all("job_needs", [{"job_id": job_id, "needs_id": n} for n in turn.needs])
    return job_id


def start(store: Store, job_id: int) -> None:
    """Start the worker process of a queued job, detached from this process and its terminal.

    Who starts it may be killed before its pid is written, or after the worker wrote it itself.
    """
    folder = log_file(store, job_id).parent
    folder.mkdir(parents=True, exist_ok=True)
    environment = ranks.unranked(os.environ)
    environment.pop("PYTHONPATH", None)
    environment.setdefault("GLIBC_TUNABLES", _MALLOC)
    with log_file(store, job_id).open("ab") as log:
        signs = {"log_begins": log.tell(), "kills_before": death.kills_for_memory()}
        store.update("jobs", job_id, signs)
        process = subprocess.Popen(
            [*WORKER, str(store.workspace), str(job_id)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
            env=environment,
        )
    store.execute(
        "UPDATE jobs SET pid = ?, pid_started = ?, heartbeat = ? "
        "WHERE id = ? AND state = 'queued' AND pid IS NULL",
        (process.pid, started_at(process.pid), time.time(), job_id),
    )


def claim(store: Store, job_id: int) -> IO[bytes] | None:
    """Make this process the worker of a job that has not begun.

    Returns:
        The open file whose kernel lock says so, to be held until this process ends; None when
        another process is the job's worker, or when the job has begun or ended meanwhile.
    """
    log = log_file(store, job_id).open("ab")
    while not try_lock(log.fileno()):
        job = get(store, job_id)
        if job["state"] not in OPEN or job["pid"] not in (None, os.getpid()):
            log.close()
            return None
        time.sleep(0.1)  # the worker before this one has said its last word and is about to end
    mine = store.execute(
        "UPDATE jobs SET state = CASE state WHEN 'lost' THEN 'queued' ELSE state END, pid = ?, "
        "pid_started = ?, heartbeat = ?, error = NULL, fix = NULL, ended = NULL "
        "WHERE id = ? AND state IN ('queued', 'waiting', 'lost')",
        (os.getpid(), started_at(os.getpid()), time.time(), job_id),
    )
    return log if mine else None


def restart_lost(store: Store) -> list[int]:
    """Restart every job that was lost, the first in line first; return their ids."""
    mark_lost(store)
    restarted = []
    for job in store.rows(
        "SELECT id FROM jobs WHERE state = 'lost' ORDER BY priority DESC, place, id"
    ):
        try:
            restart(store, job["id"])
        except UsageError:  # somebody else was faster
            continue
        restarted.append(int(job["id"]))
    return restarted


def restart(store: Store, job_id: int) -> None:
    """Put an ended job back in its place in line and start a new worker.

    Its stage resumes its own work.

    Raises:
        UsageError: The job is unknown, still at work, or finished.
    """
    job = get(store, job_id)
    if job["state"] in OPEN:
        raise UsageError(f"Job {job_id} is {job['state']}.", "Watch it with `tunesmith watch`.")
    if job["state"] == "done":
        raise UsageError(f"Job {job_id} is done; there is nothing to resume.", "Start a new one.")
    mine = store.execute(
        "UPDATE jobs SET state = 'queued', request = NULL, error = NULL, error_where = NULL, "
        "fix = NULL, exit_code = NULL, started = NULL, ended = NULL, pid = NULL, heartbeat = ? "
        "WHERE id = ? AND state = ? AND ended IS ?",
        (time.time(), job_id, job["state"], job["ended"]),
    )
    if not mine:
        raise UsageError(f"Job {job_id} was resumed by somebody else.", "See `tunesmith jobs`.")
    start(store, job_id)


def request(store: Store, job_id: int, what: str) -> None:
    """Ask a job to `stop`, to `pause` or to write a `checkpoint`; it obeys at its next step.

    Raises:
        UsageError: The job is unknown or not at work.
    """
    job = get(store, job_id)
    if job["state"] not in OPEN:
        raise UsageError(f"Job {job_id} is {job['state']}, not at work.", "See `tunesmith jobs`.")
    store.execute(
        "UPDATE jobs SET request = :what WHERE id = :id AND (:what <> 'checkpoint' "
        "OR request IS NULL)",  # who stops saves a checkpoint anyway
        {"what": what, "id": job_id},
    )


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
        "SELECT id, kind, pid, pid_started, heartbeat, created, log_begins, kills_before FROM jobs "
        "WHERE state IN ('queued', 'waiting', 'running')"
    ):
        if not _alive(job):
            error, fix = _cause(store, job)
            lost += store.execute(
                "UPDATE jobs SET state = 'lost', ended = COALESCE(heartbeat, created), "
                "waits_for = NULL, error = ?, fix = ? "
                "WHERE id = ? AND pid IS ? AND state IN ('queued', 'waiting', 'running')",
                (error, fix, job["id"], job["pid"]),
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


def lives(job: Row) -> bool:
    """Say whether a job's worker is there and beats, or may still be on its way."""
    silence = time.time() - (job["heartbeat"] or job["created"])
    return bool(silence < SILENCE_SECONDS) and _alive(job)


def try_lock(descriptor: int) -> bool:
    """Take the kernel lock of an open file, unless another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(job: Row) -> bool:
    """A reused pid is told from the worker by its start time."""
    if job["pid"] is None:
        return bool(time.time() - (job["heartbeat"] or job["created"]) < SILENCE_SECONDS)
    started = started_at(job["pid"])
    if started is None:
        return False
    return job["pid_started"] is None or abs(started - job["pid_started"]) < 1.0


def _cause(store: Store, job: Row) -> tuple[str, str]:
    """Return why a job's worker is gone, as far as there are signs of it, and the way out."""
    fix = f"Resume it with `tunesmith resume {job['id']}`."
    log = log_file(store, job["id"])
    if sign := death.of_memory(log, job["log_begins"], job["kills_before"]):
        smaller = ", or train with less: `--set micro_batch=1`." if job["kind"] == "train" else "."
        return sign, f"Free some memory, then r{fix[1:-1]}{smaller}"
    return death.GONE, fix
