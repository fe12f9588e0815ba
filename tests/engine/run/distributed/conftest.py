"""A real project with the small random model and a small dataset, to train over processes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.base import jobs, project
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Row, Store
from engine.base.work import register
from engine.data.rows import make, to_json
from engine.plan import plan
from engine.run import launch, metrics
from tests.engine.run.small import model as small_model

ROWS = 13  # with 2 a micro-batch: the last step of an epoch has too few for every process
SETTINGS = {
    "max_steps": 8,  # of 4 an epoch
    "micro_batch": 2,
    "accumulation": 2,
    "lora_rank": 4,
    "lora_dropout": 0.0,
    "checkpoint_every": 3,
    "validate_every": 4,
    "learning_rate": 1e-3,
    "precision": "fp32",
}


@dataclass(frozen=True)
class Bench:
    """A workspace with one project and one dataset."""

    store: Store
    folder: Path
    project: Project
    project_id: int

    def plan(self, **settings: Any) -> plan.Plan:
        return plan.propose(self.store, self.project, "bench", {**SETTINGS, **settings})

    def start(self, **settings: Any) -> tuple[int, int]:
        """Start a training as the interface does; return the run's and the job's id."""
        saved = plan.save(self.store, self.project_id, self.plan(**settings))
        return launch.submit(self.store, self.folder, self.project_id, self.project, saved)

    def queue(self, **settings: Any) -> tuple[int, int]:
        """Record a training that another launcher starts; return the run's and the job's id."""
        saved = plan.save(self.store, self.project_id, self.plan(**settings))
        run_id = launch._record(self.store, self.project_id, saved, "queued")
        project.save(self.project, launch.folder(self.store, run_id))
        args = {"run_id": run_id, "device": saved.device}
        job_id = jobs.enqueue(self.store, "train", self.folder, args, project_id=self.project_id)
        self.store.update("runs", run_id, {"job_id": job_id})
        return run_id, job_id

    def wait(self, job_id: int, seconds: float = 150) -> Row:
        """Wait until a job has ended; return its row."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = jobs.get(self.store, job_id)
            if job["state"] not in jobs.OPEN:
                return job
            time.sleep(0.02)
        pytest.fail(f"job {job_id} is at work after {seconds} s")

    def done(self, **settings: Any) -> int:
        """Train to the end; return the run's id."""
        run_id, job_id = self.start(**settings)
        job = self.wait(job_id)
        log = jobs.log_file(self.store, job_id)
        assert job["state"] == "done", (job["error"], job["fix"], log.read_text()[-3000:])
        return run_id

    def curve(self, run_id: int, name: str = "loss") -> list[float]:
        return [point.value for point in metrics.tail(self.store, run_id, name, 0)]

    def adapter(self, run_id: int) -> bytes:
        folder = launch.folder(self.store, run_id)
        return (folder / "adapter" / "adapter_model.safetensors").read_bytes()


def make_bench(folder: Path, model_dir: Path) -> Bench:
    """Make a workspace with the small model and the dataset."""
    small = small_model(folder / "model", model_dir)
    described = Project(
        "ranks",
        Objective("Answer kindly.", "Answer."),
        DataSettings(("messages.jsonl",)),
        base_model=str(small),
    )
    project.save(described, folder)
    store = Store(folder / "workspace")
    project_id = register(store, folder, described)
    _dataset(store, project_id)
    return Bench(store, folder, described, project_id)


@pytest.fixture(scope="module")
def bench(tmp_path_factory, model_dir):
    made = make_bench(tmp_path_factory.mktemp("ranks"), model_dir)
    yield made
    rows = made.store.rows("SELECT pid FROM jobs WHERE state IN ('queued', 'waiting', 'running')")
    for job in rows:
        os.kill(job["pid"], 9)


def _dataset(store: Store, project_id: int) -> None:
    rows = [
        make(f"Where is order {number}?{' Please tell me.' * (number % 4)}", f"It is at {number}.")
        for number in range(ROWS + 5)
    ]
    splits = {"train": rows[:ROWS], "validation": rows[ROWS:], "test": [], "golden": []}
    folder = store.workspace / "datasets" / "bench"
    folder.mkdir(parents=True)
    for split, part in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(to_json(row) + "\n" for row in part))
    (folder / "manifest.json").write_text("{}")
    store.insert(
        "datasets",
        {
            "id": "bench",
            "project_id": project_id,
            "form": "answer",
            "path": "datasets/bench",
            "rows_read": len(rows),
            "rows_kept": len(rows),
            **{split: len(part) for split, part in splits.items()},
            "tokens_train": 700,
            "tokens_longest": 80,
            "created": time.time(),
        },
    )
