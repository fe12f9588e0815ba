"""The line of jobs before a device: who stands where, who may begin, and what each waits for.

Nobody minds the line: each waiting worker reads it from the store. A job begins when it holds its
device's kernel lock and, in the same transaction that makes it `running`, no job stands before it
that lives and could begin as well. The order is that of one workspace; between workspaces on one
box the kernel lock alone decides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from engine.base.errors import UsageError
from engine.base.hours import Hours, allow
from engine.base.jobs import get, lives
from engine.base.store import Row, Store, Value

MOVES = ("first", "up", "down", "last")
_DOES = {
    "fit": "measures",
    "trial": "tries the base model",
    "train": "trains",
    "eval": "evaluates",
    "export": "exports",
}
_ORDER = "priority DESC, place, id"
# a job whose worker just starts has no device yet, and may turn out to be of any
_AHEAD = """
SELECT id, pid, pid_started, heartbeat, created, hours FROM jobs j
WHERE state IN ('queued', 'waiting') AND (device IS NULL OR device = :device)
  AND (-priority, place, id) < (-:priority, :place, :id)
  AND NOT EXISTS (SELECT 1 FROM job_needs n JOIN jobs d ON d.id = n.needs_id
    WHERE n.job_id = j.id AND d.state <> 'done')"""
_UNMET = """
SELECT d.id, d.state FROM job_needs n JOIN jobs d ON d.id = n.needs_id
WHERE n.job_id = ? AND d.state <> 'done' ORDER BY d.id"""


@dataclass(frozen=True)
class Place:
    """Where a job stands after a move.

    Attributes:
        position: Its place among the waiting jobs of its device, from 1.
        waiting: How many these are.
        priority: Its priority, which a move past other jobs may have changed.
    """

    position: int
    waiting: int
    priority: int


def obstacle(store: Store, job_id: int, device: str | None) -> str | None:
    """Return what keeps a job from beginning, in words that follow "waits for"; None if nothing.

    Args:
        store: The workspace's store.
        job_id: A job that waits.
        device: The device that it waits for; None when it needs none.
    """
    needs = store.rows(_UNMET, (job_id,))
    if needs:
        return _needs(job_id, needs)
    job = store.row("SELECT * FROM jobs WHERE id = ?", (job_id,))
    assert job is not None
    if not allow(job["hours"], time.time()):
        return Hours.parse(job["hours"]).opening
    if device is not None and (before := len(_ahead(store, job, device))):
        return f"its turn: {before} job{'s' if before > 1 else ''} before it"
    return None


def begin(store: Store, job_id: int, device: str) -> bool:
    """Make a job that holds its device's lock `running`, unless another one stands before it."""
    with store.transaction():
        job = store.row("SELECT * FROM jobs WHERE id = ?", (job_id,))
        assert job is not None
        if _ahead(store, job, device):
            return False
        begun: dict[str, Value] = {"state": "running", "started": time.time(), "waits_for": None}
        store.update("jobs", job_id, {**begun, "device": device})
    return True


def holder(store: Store, job_id: int, device: str, signed: str) -> str:
    """Return who has a device, as the lock's file is signed, in words that follow "waits for"."""
    job = store.row(
        "SELECT id, kind FROM jobs WHERE state = 'running' AND device = ? AND id <> ?",
        (device, job_id),
    )
    if job is not None:
        return f"job {job['id']}, which {_DOES.get(job['kind'], 'works')} on {device}"
    return f"{signed}, which has {device}" if signed else f"{device} to be free"


def move(store: Store, job_id: int, where: str) -> Place:
    """Change a waiting job's place in line.

    A job that is moved past others takes their priority where its own would not let it stand there.

    Args:
        store: The workspace's store.
        job_id: The job.
        where: One of `MOVES`.

    Raises:
        UsageError: The job is unknown or does not wait.
    """
    device = get(store, job_id)["device"]
    with store.transaction():
        line = store.rows(
            f"SELECT id, priority FROM jobs WHERE state IN ('queued', 'waiting') "  # noqa: S608
            f"AND (device IS NULL OR device = ? OR ? IS NULL) ORDER BY {_ORDER}",
            (device, device),
        )
        ids = [job["id"] for job in line]
        if job_id not in ids:
            raise UsageError(f"Job {job_id} does not wait in line.", "See `tunesmith jobs`.")
        old = ids.index(job_id)
        new = {"first": 0, "up": old - 1, "down": old + 1, "last": len(ids) - 1}[where]
        new = min(max(new, 0), len(ids) - 1)
        jobs = list(line)
        jobs.insert(new, jobs.pop(old))
        priority = jobs[new]["priority"]
        if new:
            priority = min(priority, jobs[new - 1]["priority"])
        if new + 1 < len(jobs):
            priority = max(priority, jobs[new + 1]["priority"])
        store.update("jobs", job_id, {"priority": priority})
        for place, job in enumerate(jobs, start=-len(jobs)):  # a new job's 0 comes after them
            store.update("jobs", job["id"], {"place": place})
    return Place(new + 1, len(jobs), priority)


def said(job_id: int, place: Place) -> str:
    """Say in one sentence where a job stands."""
    return (
        f"Job {job_id} is number {place.position} of {place.waiting} in line, "
        f"with priority {place.priority}."
    )


def positions(store: Store) -> Mapping[int, int]:
    """Return the place in its device's line, from 1, of every job that waits for its turn."""
    counts: dict[str | None, int] = {}
    found: dict[int, int] = {}
    for job in store.rows(
        f"SELECT id, device FROM jobs WHERE state IN ('queued', 'waiting') ORDER BY {_ORDER}"  # noqa: S608
    ):
        found[job["id"]] = counts[job["device"]] = counts.get(job["device"], 0) + 1
    return found


def _ahead(store: Store, job: Row, device: str) -> list[Row]:
    """The jobs before this one that live and could begin now, but for the device."""
    place = {name: job[name] for name in ("id", "priority", "place")}
    now = time.time()
    return [
        other
        for other in store.rows(_AHEAD, {**place, "device": device})
        if allow(other["hours"], now) and lives(other)
    ]


def _needs(job_id: int, needs: list[Row]) -> str:
    """Say what must be done first; what ended otherwise comes first, with the way out."""
    stuck = [job for job in needs if job["state"] in ("stopped", "paused", "failed", "lost")]
    job = (stuck or needs)[0]
    more = f" and {len(needs) - 1} more" if len(needs) > 1 else ""
    if not stuck:
        return f"job {job['id']}{more} to be done"
    state = "was lost" if job["state"] == "lost" else "failed"
    state = f"is {job['state']}" if job["state"] in ("stopped", "paused") else state
    return (
        f"job {job['id']}{more}, which {state}: `tunesmith resume {job['id']}` goes on with it, "
        f"`tunesmith stop {job_id}` drops this one"
    )
