"""Jobs whose stage only waits (`benchmarks/queue_worker.py`), on a device lock of the test's own."""

from __future__ import annotations

import fcntl
import sys
import time
from pathlib import Path

import psutil
import pytest

from engine.base import jobs, project
from engine.base.hardware import machine
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store

WORKER = Path(__file__).parents[3] / "benchmarks" / "queue_worker.py"


class Queue:
    """A workspace with a project, and the jobs submitted to it."""

    def __init__(self, store, folder):
        self.store = store
        self.folder = folder

    def submit(self, kind="fit", steps=4, turn=jobs.AT_ONCE, **args):
        return jobs.submit(self.store, kind, self.folder, {"steps": steps, **args}, turn=turn)

    def until(self, job, seconds=20, **columns):
        """Wait until columns of a job have these values; return its row."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            row = jobs.get(self.store, job)
            if all(row[name] == value for name, value in columns.items()):
                return row
            time.sleep(0.03)
        raise AssertionError(f"{columns} expected, {dict(row)} found")

    def order(self):
        """The jobs in the order in which they began."""
        return [
            row["id"]
            for row in self.store.rows("SELECT id FROM jobs WHERE started > 0 ORDER BY started")
        ]


@pytest.fixture
def queue(tmp_path, monkeypatch):
    locks = tmp_path / "locks"
    locks.mkdir()
    monkeypatch.setenv("TMPDIR", str(locks))
    monkeypatch.setattr("tempfile.tempdir", str(locks))
    monkeypatch.setattr(jobs, "WORKER", (sys.executable, "-P", str(WORKER)))
    folder = tmp_path / "queue"
    folder.mkdir()
    described = Project(
        name="queue",
        objective=Objective(instruction="Wait.", prompt="Wait.", fields=("a",)),
        data=DataSettings(sources=("rows.jsonl",)),
    )
    project.save(described, folder)
    store = Store(tmp_path / "workspace")
    yield Queue(store, folder)
    for job in store.rows("SELECT pid FROM jobs WHERE state IN ('queued', 'waiting', 'running')"):
        if job["pid"] and psutil.pid_exists(job["pid"]):
            psutil.Process(job["pid"]).kill()
    store.close()


@pytest.fixture
def held(queue):
    """The device's lock, held by another program until it is closed."""
    with machine.device_lock(machine.read().device).open("a+") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        yield lock
