"""A real project with a small dataset, ready for a short training of the embedded model."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.base import jobs, paths, project
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Row, Store
from engine.base.work import register
from engine.data.load.read import read
from engine.data.rows import Row as Example
from engine.data.rows import make, to_json
from engine.plan import plan
from engine.plan import recipe as recipes
from engine.run import launch

STEPS = 12
SHORT = {
    "max_steps": STEPS,  # of 7 an epoch, so that the second epoch's order matters too
    "micro_batch": 2,
    "accumulation": 1,
    "lora_rank": 4,
    "lora_dropout": 0.05,
    "checkpoint_every": 4,
    "validate_every": 6,
    "keep_checkpoints": 2,
}


@dataclass(frozen=True)
class Bench:
    """A workspace with one project and one dataset, and the runs made of them."""

    store: Store
    folder: Path
    project: Project
    project_id: int
    dataset_id: str
    steps: int = STEPS

    def start(
        self, recipe: str = "sft-lora", dataset_id: str = "", **settings: Any
    ) -> tuple[int, int]:
        """Start a training as the interface does; return the run's and the job's id."""
        chosen = replace(self.project, recipe=recipe)
        known = recipes.load(recipe).settings
        wanted = {name: value for name, value in SHORT.items() if name in known} | settings
        made = plan.propose(self.store, chosen, dataset_id or self.dataset_id, wanted)
        saved = plan.save(self.store, self.project_id, made)
        return launch.submit(self.store, self.folder, self.project_id, chosen, saved)

    def dataset(self, form: str, examples: list[Example]) -> str:
        """Make a dataset of another form from rows with right answers; return its id."""
        others = [*examples[1:], examples[0]]
        rows = [
            make(
                "" if form == "text" else one.prompt,
                f"{one.prompt} {one.completion}" if form == "text" else one.completion,
                form=form,
                rejected=other.completion if form == "preference" else "",
                label=form != "feedback" or bool(place % 3),
            )
            for place, (one, other) in enumerate(zip(examples, others, strict=True))
        ]
        return _dataset(self.store, self.project_id, rows, name=f"bench-{form}", form=form)

    def wait(self, job_id: int, seconds: float = 150) -> Row:
        """Wait until a job has ended; return its row."""
        for _ in self.poll(seconds):
            job = jobs.get(self.store, job_id)
            if job["state"] not in jobs.OPEN:
                return job
        raise AssertionError

    def poll(self, seconds: float = 150):
        """Go round until the caller leaves or the time is up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            yield
            time.sleep(0.005)
        pytest.fail(f"nothing after {seconds} s")

    def run_folder(self, run_id: int) -> Path:
        return launch.folder(self.store, run_id)


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """Sound rows of the demo's file."""
    rows = read(paths.recipes() / "demo" / "messages.jsonl")
    return list(itertools.islice((row for row in rows if isinstance(row, Example)), 20))


@pytest.fixture(scope="module")
def bench(tmp_path_factory, examples):
    folder = tmp_path_factory.mktemp("bench")
    described = Project(
        name="bench",
        objective=Objective(
            instruction="Read the support message. Answer with JSON: intent, order, urgent.",
            prompt="Sort the message.",
            fields=("intent", "order", "urgent"),
        ),
        data=DataSettings(sources=("messages.jsonl",)),
    )
    project.save(described, folder)
    store = Store(folder / "workspace")
    project_id = register(store, folder, described)
    dataset_id = _dataset(store, project_id, examples)
    yield Bench(store, folder, described, project_id, dataset_id)
    for job in store.rows("SELECT pid FROM jobs WHERE state IN ('queued', 'waiting', 'running')"):
        psutil.Process(job["pid"]).kill()


def _dataset(
    store: Store,
    project_id: int,
    examples: list[Example],
    name: str = "bench",
    form: str = "answer",
) -> str:
    splits = {
        "train": examples[:14],
        "validation": examples[14:17],
        "test": examples[17:],
        "golden": [],
    }
    folder = store.workspace / "datasets" / name
    folder.mkdir(parents=True)
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(to_json(row) + "\n" for row in rows))
    (folder / "manifest.json").write_text(json.dumps({}))
    store.insert(
        "datasets",
        {
            "id": name,
            "project_id": project_id,
            "form": form,
            "path": f"datasets/{name}",
            "rows_read": len(examples),
            "rows_kept": len(examples),
            **{split: len(rows) for split, rows in splits.items()},
            "tokens_train": 1100,
            "tokens_longest": 160,
            "created": time.time(),
        },
    )
    return name


@pytest.fixture
def run_id(workspace):
    """A run's row and those it comes from."""
    project = workspace.insert(
        "projects", {"name": "p", "path": "/p", "task": "free", "base_model": "m", "created": 0}
    )
    counts = dict.fromkeys(
        ("rows_read", "rows_kept", "train", "validation", "test", "golden", "created"), 0
    )
    lengths = {"tokens_train": 0, "tokens_longest": 0}
    workspace.insert(
        "datasets", {"id": "d", "project_id": project, "path": "d", **counts, **lengths}
    )
    predicted = ("peak_bytes", "seconds", "joules", "disk_bytes")
    plan = workspace.insert(
        "plans",
        {
            "project_id": project,
            "dataset_id": "d",
            "recipe": "r",
            "method": "m",
            "model": "m",
            "device": "cpu",
            **{f"predicted_{name}": 0 for name in predicted},
            "created": 0,
        },
    )
    return workspace.insert(
        "runs",
        {
            "name": "r",
            "project_id": project,
            "dataset_id": "d",
            "plan_id": plan,
            "model": "m",
            "method": "m",
            "path": "runs/1",
            "created": 0,
        },
    )
