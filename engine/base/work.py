"""What a stage holds while it works: its turn, progress, log, requests, heartbeat, device lock."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from engine.base import ranks, turns
from engine.base.errors import TunesmithError
from engine.base.hardware import machine
from engine.base.hours import allow
from engine.base.jobs import HEARTBEAT_SECONDS, get, started_at, try_lock
from engine.base.project import Project, load
from engine.base.store import Store, Value

_POLL_SECONDS = 0.3
# Kinds of jobs that go on from where they were: they give way when their hours end. The others,
# which would begin anew every night, finish what they began.
_RESUMABLE = ("train",)


class Stopped(Exception):  # noqa: N818 - not an error: the job was asked to give way
    """The job was asked to stop, to pause or to wait for its hours; it did, its work saved."""


class Afresh(Exception):  # noqa: N818 - not an error: the job goes on in a new process
    """The job is to go on in a fresh process, with what it has recorded for it."""


class Work:
    """A job, seen from inside its worker.

    Attributes:
        store: The workspace's store.
        job_id: The job's row.
        args: The arguments it was submitted with.
        project_dir: The project's folder.
        project: The project as it stood when the work began.
        project_id: The project's row.
        device: The device it uses if it needs one: `cpu` or `gpu0`.
        terminated: Whether the system told this process to end.
    """

    def __init__(self, store: Store, job_id: int) -> None:
        job = get(store, job_id)
        self.store = store
        self.job_id = job_id
        self.kind: str = job["kind"]
        self.args: dict[str, Any] = json.loads(job["args"])
        named = Path(self.args["project"])
        self.project_dir = store.workspace / named  # in a bundle the name is relative
        self.project: Project = load(self.project_dir)
        self.project_id = register(store, named, self.project)
        self.device = _device(self.args.get("device"))
        self.terminated = False
        self._lock: IO[str] | None = None
        self._others: list[IO[str]] = []
        pid = ranks.supervisor() or os.getpid()  # whose life is the job's
        store.update(
            "jobs",
            job_id,
            {
                "pid": pid,
                "pid_started": started_at(pid),
                "heartbeat": time.time(),
                "project_id": self.project_id,
            },
        )

    def begin(self) -> None:
        """Say that the work begins now: time spent waiting does not count, nor an old fault."""
        begun: dict[str, Value] = {"state": "running", "started": time.time(), "waits_for": None}
        ended: dict[str, Value] = {"ended": None, "error": None, "error_where": None, "fix": None}
        self.store.update("jobs", self.job_id, {**begun, **ended})

    def progress(self, done: int, total: int, note: str) -> None:
        """Say how far the work is; `note` names the present step in a few words."""
        self.store.update("jobs", self.job_id, {"done": done, "total": total, "note": note})

    def log(self, text: str, level: str = "info") -> None:
        """Add a line to the job's log."""
        self.store.insert(
            "job_log", {"job_id": self.job_id, "at": time.time(), "level": level, "text": text}
        )

    def requested(self) -> str | None:
        """Return what the job must do now: `stop`, `pause`, `checkpoint` or None.

        A training is to pause, as if the user asked for it, when its hours are over.
        """
        if self.terminated:
            return "stop"
        asked = self.asked()
        if asked not in ("stop", "pause") and not allow(self.hours, time.time()):
            return "pause"
        return asked

    def asked(self) -> str | None:
        """Return what the user asked for: `stop`, `pause`, `checkpoint` or None."""
        value: str | None = self.store.scalar(
            "SELECT request FROM jobs WHERE id = ?", (self.job_id,)
        )
        return value

    @property
    def hours(self) -> str | None:
        """The hours after which the job gives way; None for one that would have to begin anew."""
        if self.kind not in _RESUMABLE:
            return None
        hours: str | None = self.store.scalar("SELECT hours FROM jobs WHERE id = ?", (self.job_id,))
        return hours

    def answered(self) -> None:
        """Take back the request that was obeyed."""
        self.store.update("jobs", self.job_id, {"request": None})

    def waits(self, reason: str | None) -> None:
        """Say what a job that is at work waits for meanwhile; None when it goes on."""
        self.store.update("jobs", self.job_id, {"waits_for": reason})

    def check_stop(self) -> None:
        """Raise `Stopped` when the job must give way; call it between units of work."""
        if self.requested() in ("stop", "pause"):
            raise Stopped

    def wait_turn(self, *, needs_device: bool) -> None:
        """Wait until the job may begin, and begin; time spent waiting does not count.

        The device's lock is held until this process ends, because only then its memory is free.
        """
        if ranks.launched():  # who started this process holds the devices
            self.begin()
            return
        device = self.device if needs_device else None
        said: str | None = None
        while (reason := self._try_begin(device)) is not None:
            if reason != said:
                said = reason
                waits = {"state": "waiting", "device": device, "waits_for": reason}
                self.store.update("jobs", self.job_id, waits)
            time.sleep(_POLL_SECONDS)

    def _try_begin(self, device: str | None) -> str | None:
        """Begin if that is possible now; else return what the job waits for."""
        if self.terminated or self.asked() in ("stop", "pause"):
            raise Stopped
        reason = turns.obstacle(self.store, self.job_id, device)
        if reason is not None:
            return reason
        if device is None:
            self.begin()
            return None
        lock = machine.device_lock(device).open("a+", encoding="utf-8")
        if not try_lock(lock.fileno()):
            lock.seek(0)
            signed = lock.read()
            lock.close()
            return turns.holder(self.store, self.job_id, device, signed)
        if not turns.begin(self.store, self.job_id, device):
            lock.close()
            return turns.obstacle(self.store, self.job_id, device)
        lock.truncate(0)
        lock.write(f"job {self.job_id} of {self.store.workspace}")
        lock.flush()
        self._lock = lock
        return None

    @contextmanager
    def among_several(self) -> Iterator[None]:
        """Be the only job of this box that gathers several devices: two cannot block each other."""
        with machine.device_lock("several").open("w") as lock:
            while not try_lock(lock.fileno()):
                self.check_stop()
                time.sleep(_POLL_SECONDS)
            yield

    def hold(self, devices: Sequence[str]) -> None:
        """Hold further devices until this process ends; wait for each of them."""
        for device in devices:
            lock = machine.device_lock(device).open("a+", encoding="utf-8")
            while not try_lock(lock.fileno()):
                self.waits(device)
                self.check_stop()
                time.sleep(_POLL_SECONDS)
            self._others.append(lock)
        self.waits(None)

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Beat in a thread of its own, so that a busy worker still shows that it lives."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT_SECONDS):
                with suppress(TunesmithError):  # a full disk is the stage's to tell
                    self.store.update("jobs", self.job_id, {"heartbeat": time.time()})

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def register(store: Store, folder: Path, project: Project) -> int:
    """Return the id of a project's row; make or update the row."""
    store.execute(
        "INSERT INTO projects (name, path, task, base_model, created) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT(path) DO UPDATE SET name = excluded.name, task = excluded.task, "
        "base_model = excluded.base_model",
        (project.name, str(folder), project.objective.task, project.base_model, time.time()),
    )
    return int(store.scalar("SELECT id FROM projects WHERE path = ?", (str(folder),)))


def _device(wanted: str | None) -> str:
    """Return the device that a plan was made for, else this box's first choice."""
    box = machine.read()
    there = any(gpu.device == wanted for gpu in box.gpus)
    return wanted if wanted and there else box.device
