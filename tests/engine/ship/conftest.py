"""A store with one finished run, and one real export of a random adapter, shared by these tests."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from engine.base import project
from engine.base.project import DataSettings, Objective, Project

INSTRUCTION = "Sort the message. Answer with JSON: intent."


@pytest.fixture
def add_run(workspace):
    """Add a trained and scored run, in rows only, nothing computed; return its id."""
    return partial(_add_run, workspace)


@pytest.fixture
def run(add_run):
    """The id of one such run."""
    return add_run()


@pytest.fixture
def add_file(workspace):
    """Write a file as an export would and record it; return the artifact's id."""
    return partial(_add_file, workspace)


def _add_run(store, name="desk-1", exact=0.9):
    now = time.time()
    store.execute(
        "INSERT OR IGNORE INTO projects (id, name, path, task, base_model, created) "
        "VALUES (1, 'desk', '/p', 'extraction', 'smollm2-135m-instruct', 1)"
    )
    store.execute(
        "INSERT OR IGNORE INTO datasets (id, project_id, path, rows_read, rows_kept, train, "
        "validation, test, golden, tokens_train, tokens_longest, created) "
        "VALUES ('d1', 1, 'datasets/d1', 1000, 900, 700, 80, 120, 0, 40000, 90, 1)"
    )
    plan = store.insert(
        "plans",
        {
            "project_id": 1, "dataset_id": "d1", "recipe": "sft-lora", "method": "lora",
            "model": "smollm2-135m-instruct", "device": "cpu", "predicted_peak_bytes": 2_000_000_000,
            "predicted_seconds": 100.0, "predicted_joules": 2000.0, "predicted_disk_bytes": 10,
            "created": now,
        },
    )  # fmt: skip
    store.insert(
        "plan_values",
        {"plan_id": plan, "position": 0, "key": "lora_rank", "value": "16", "why": "few rows"},
    )
    job = store.insert("jobs", {"kind": "train", "project_id": 1, "state": "done", "created": now})
    run_id = store.insert(
        "runs",
        {
            "name": name, "project_id": 1, "dataset_id": "d1", "plan_id": plan, "job_id": job,
            "model": "smollm2-135m-instruct", "method": "lora", "path": "", "step": 10, "steps": 10,
            "peak_bytes": 1_900_000_000, "seconds": 50.0, "tokens": 20_000, "created": now,
            "ended": now,
        },
    )  # fmt: skip
    store.update("runs", run_id, {"path": f"runs/{run_id}"})
    project.save(
        Project("desk", Objective(INSTRUCTION, "long", fields=("intent",)), DataSettings(("m",))),
        store.workspace / "runs" / str(run_id),
    )
    _scores(store, run_id, exact)
    return run_id


def _scores(store, run_id, exact):
    ids = {}
    for subject, value in (("base", 0.0), ("few_shot", 0.2), ("tuned", exact)):
        ids[subject] = store.insert(
            "scores",
            {
                "project_id": 1, "dataset_id": "d1", "run_id": run_id if subject == "tuned" else None,
                "subject": subject, "split": "test", "model": "m", "rows": 120, "seconds": 1.0,
                "created": 1.0,
            },
        )  # fmt: skip
        for metric, share in (("exact_match", value), ("valid_json", 1.0)):
            store.insert(
                "score_metrics",
                {"score_id": ids[subject], "metric": metric, "value": share, "low": share,
                 "high": share, "n": 120},
            )  # fmt: skip
        store.insert(
            "answers",
            {"score_id": ids[subject], "row_id": "r1", "expected": "{}", "answer": "{}",
             "exact": int(value > 0.5), "valid": 1, "tokens": 2},
        )  # fmt: skip
    for baseline, difference in (("few_shot", exact - 0.2), ("base", exact)):
        store.insert(
            "verdicts",
            {
                "run_id": run_id, "baseline": baseline, "baseline_score_id": ids[baseline],
                "tuned_score_id": ids["tuned"], "metric": "exact_match", "split": "test",
                "difference": difference, "low": difference - 0.1, "high": difference + 0.1,
                "p_value": 0.001, "n": 120, "result": "better", "created": 1.0,
            },
        )  # fmt: skip


def _add_file(store, run_id, kind, size):
    from engine.ship import records

    path = store.workspace / "runs" / str(run_id) / "export" / f"{kind.replace(':', '-')}.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    job = store.scalar("SELECT min(id) FROM jobs")
    return records.add(store, run_id, job, kind, path)


@dataclass(frozen=True)
class Exported:
    """A random adapter on the embedded model, and what the export makes of it."""

    base: Path
    adapter: Path
    merged: Path
    f16: Path


@pytest.fixture(scope="session")
def exported(tmp_path_factory, model_dir):
    """Merge and convert a random adapter whose change is far from nothing."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from engine.data.chat.template import ChatTemplate
    from engine.ship import converter, merge

    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(7)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32),
        LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False),
    )
    for name, value in model.named_parameters():
        if "lora_B" in name:
            value.data.mul_(0.1)
    model.save_pretrained(folder / "adapter")
    merged, f16 = folder / "merged", folder / "f16.gguf"
    eos = ChatTemplate.load(model_dir).eos_id
    merge.merge(merge.load(model_dir, folder / "adapter"), model_dir, eos, merged)
    converter.convert(merged, f16, "f16", log=folder / "log")
    return Exported(model_dir, folder / "adapter", merged, f16)
