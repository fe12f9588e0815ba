"""A store with rows as the stages write them, for the screens to show."""

from __future__ import annotations

import json
import os
import time

import pytest

from engine.base.jobs import started_at


class Records:
    """Writes the rows of runs, jobs and points."""

    def __init__(self, store):
        self.store = store
        self.now = time.time()
        at = {"created": self.now}
        self.project_id = store.insert(
            "projects",
            {"name": "desk", "path": "/p", "task": "extraction", "base_model": "m", **at},
        )
        counts = ("rows_read", "rows_kept", "train", "validation", "test", "golden")
        dataset = {**dict.fromkeys(counts, 100), "tokens_train": 9000, "tokens_longest": 90}
        store.insert(
            "datasets", {"id": "d", "project_id": self.project_id, "path": "d", **dataset, **at}
        )
        predicted = {"peak_bytes": 1_300_000_000, "seconds": 90, "joules": 1, "disk_bytes": 1}
        plan = {"dataset_id": "d", "recipe": "sft-lora", "method": "lora", "model": "m"}
        self.plan_id = store.insert(
            "plans",
            {
                "project_id": self.project_id,
                "device": "cpu",
                **plan,
                **{f"predicted_{name}": value for name, value in predicted.items()},
                **at,
            },
        )

    def job(self, kind="train", state="done", *, run_id=None, alive=True, **columns):
        """A job; one at work has this process as its worker, or a dead one."""
        at_work = {"pid": os.getpid(), "pid_started": started_at(os.getpid())}
        at_work |= {"started": self.now, "heartbeat": self.now}
        if not alive:
            at_work |= {"pid": 2**22 + 1, "pid_started": 1.0}
        open_columns = at_work if state in ("running", "waiting") else {"ended": self.now}
        args = {"project": "/p", **({"run_id": run_id} if run_id else {})}
        row = {"kind": kind, "project_id": self.project_id, "state": state, "created": self.now}
        return self.store.insert(
            "jobs", {**row, "args": json.dumps(args), **open_columns, **columns}
        )

    def run(self, name="desk-1", state="done", *, step=10, steps=10, score=None, alive=True, **job):
        """A run with its training job."""
        run_id = int(self.store.scalar("SELECT COALESCE(max(id), 0) + 1 FROM runs"))
        job_id = self.job("train", state, run_id=run_id, alive=alive, **job)
        row = {"id": run_id, "name": name, "project_id": self.project_id, "dataset_id": "d"}
        row |= {"plan_id": self.plan_id, "job_id": job_id, "model": "m", "method": "lora"}
        row |= {"path": "r", "step": step, "steps": steps, "created": self.now + run_id}
        self.store.insert("runs", row)
        if score is not None:
            self.score(run_id, score)
        return run_id

    def score(self, run_id, value):
        """The tuned model's exact match on the test rows."""
        row = {"project_id": self.project_id, "dataset_id": "d", "run_id": run_id, "rows": 100}
        row |= {"subject": "tuned", "split": "test", "model": "m", "seconds": 1.0}
        score_id = self.store.insert("scores", {**row, "created": self.now})
        metric = {"metric": "exact_match", "value": value, "low": 0.0, "high": 1.0, "n": 100}
        self.store.insert("score_metrics", {"score_id": score_id, **metric})

    def points(self, run_id, name, values, first=1):
        """Points of a series, one a step."""
        known = self.store.scalar(
            "SELECT id FROM series WHERE run_id = ? AND name = ?", (run_id, name)
        )
        series = known or self.store.insert("series", {"run_id": run_id, "name": name})
        self.store.insert_all(
            "points",
            [
                {"series_id": series, "step": first + at, "at": self.now, "value": value}
                for at, value in enumerate(values)
            ],
            replace=True,
        )

    def log(self, run_id, text, level="info"):
        """A line in the log of a run's training."""
        job_id = self.store.scalar("SELECT job_id FROM runs WHERE id = ?", (run_id,))
        line = {"job_id": job_id, "at": self.now, "level": level, "text": text}
        self.store.insert("job_log", line)


@pytest.fixture
def records(workspace):
    """The empty workspace's store, with a project, a dataset and a plan in it."""
    return Records(workspace)


@pytest.fixture
def screen_text():
    """What an app shows now, as lines of text."""

    def read(app):
        strips = app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    return read


@pytest.fixture
def shows(screen_text):
    """Wait until an app shows a text, at most some seconds."""

    async def wait(pilot, text, seconds=8.0):
        end = time.monotonic() + seconds
        while text not in screen_text(pilot.app):
            assert time.monotonic() < end, f"{text!r} never came:\n{screen_text(pilot.app)}"
            await pilot.pause(0.05)

    return wait
