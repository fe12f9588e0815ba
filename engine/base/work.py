"""What a stage holds while it works: progress, log, requests, heartbeat, device lock."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from engine.base import ranks
from engine.base.hardware import machine
from engine.base.jobs import HEARTBEAT_SECONDS, get, started_at
from engine.base.project import Project, load
from engine.base.store import Store


class Stopped(Exception):  # noqa: N818 - not an error: the user asked for it
    """The user asked the job to stop, and it did, with its work saved."""


class Work:
    """A job, seen from inside its worker.

    Attributes:
        store: The workspace's store.
        job_id: The job's row.
        args: The arguments it was submitted with.
        project_dir: The project's folder.
        project: The project as it stood when the work began.
        project_id: The project's row.
        device: `cpu` or `gpu0`, once `device_lock` was entered.
    """

    def __init__(self, store: Store, job_id: int) -> None:
        job = get(store, job_id)
        self.store = store
        self.job_id = job_id
        self.kind: str = job["kind"]
        self.args: dict[str, Any] = json.loads(job["args"])
        self.project_dir = Path(self.args["project"])
        self.project: Project = load(self.project_dir)
        self.project_id = register(store, self.project_dir, self.project)
        self.device = _device(self.args.get("device"))
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
        """Say that the work begins now; time spent waiting does not count."""
        self.store.update("jobs", self.job_id, {"state": "running", "started": time.time()})

    def progress(self, done: int, total: int, note: str) -> None:
        """Say how far the work is; `note` names the present step in a few words."""
        self.store.update("jobs", self.job_id, {"done": done, "total": total, "note": note})

    def log(self, text: str, level: str = "info") -> None:
        """Add a line to the job's log."""
        self.store.insert(
            "job_log", {"job_id": self.job_id, "at": time.time(), "level": level, "text": text}
        )

    def requested(self) -> str | None:
        """Return what the user asked for: `stop`, `checkpoint` or None."""
        value: str | None = self.store.scalar(
            "SELECT request FROM jobs WHERE id = ?", (self.job_id,)
        )
        return value

    def answered(self) -> None:
        """Take back the request that was obeyed."""
        self.store.update("jobs", self.job_id, {"request": None})

    def check_stop(self) -> None:
        """Raise `Stopped` when the user asked for it; call it between units of work."""
        if self.requested() == "stop":
            raise Stopped

    @contextmanager
    def device_lock(self, others: Sequence[str] = ()) -> Iterator[None]:
        """Hold this job's device, and others with it; the kernel frees them when the process dies.

        Two jobs that want several take them in the same order, so neither waits for the other.
        """
        with ExitStack() as stack:
            for device in sorted({self.device, *others}):
                lock = stack.enter_context(machine.device_lock(device).open("w"))
                if _try_lock(lock.fileno()):
                    continue
                self.store.update("jobs", self.job_id, {"state": "waiting", "device": device})
                while not _try_lock(lock.fileno()):
                    self.check_stop()
                    time.sleep(0.3)
            self.store.update("jobs", self.job_id, {"device": self.device})
            self.begin()
            yield

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Beat in a thread of its own, so that a busy worker still shows that it lives."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT_SECONDS):
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


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
