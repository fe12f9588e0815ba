"""Every shipped recipe as a job of its own on the real embedded model, from plan to result."""

from __future__ import annotations

import math
import os
import signal

import pytest

from engine.base import jobs
from engine.plan import recipe
from engine.run import metrics, result

STEPS = 6
SETTINGS = {"max_steps": STEPS, "micro_batch": 2, "checkpoint_every": 3, "validate_every": 3}


@pytest.fixture(scope="module")
def datasets(bench, examples):
    forms = ("preference", "feedback", "text")
    return {"answer": "bench"} | {form: bench.dataset(form, examples) for form in forms}


def started(bench, datasets, name):
    settings = dict(SETTINGS)
    if recipe.load(name).trainer == "cpt":
        settings["max_length"] = 64
    return bench.start(name, datasets[recipe.load(name).form], **settings)


def losses(bench, run_id):
    return [point.value for point in metrics.tail(bench.store, run_id, "loss", 0)]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in recipe.names() if name != "sft-lora"])
def test_a_recipe_runs_from_plan_to_result(bench, datasets, name):
    run_id, job_id = started(bench, datasets, name)
    job = bench.wait(job_id, 300)
    assert job["state"] == "done", (job["error"], job["fix"])
    run = bench.store.row("SELECT * FROM runs WHERE id = ?", (run_id,))
    found = losses(bench, run_id)
    assert len(found) == STEPS
    assert all(map(math.isfinite, found))
    assert len(set(found)) > 1
    assert run["method"].split("-")[0] == recipe.load(name).trainer
    assert run["tokens"] > 0
    kept = result.path(bench.run_folder(run_id))
    assert kept is not None
    assert kept.name == ("model" if recipe.load(name).tuning == "full" else "adapter")
    validated = metrics.tail(bench.store, run_id, "validation_loss", 0)
    assert [point.step for point in validated] == [3, 6]
    if recipe.load(name).form == "preference":
        margins = metrics.tail(bench.store, run_id, "reward_margin", 0)
        assert [point.step for point in margins] == list(range(1, STEPS + 1))
        held_out = metrics.tail(bench.store, run_id, "validation_reward_accuracy", 0)
        assert [point.step for point in held_out] == [3, 6]


@pytest.mark.slow
def test_a_killed_preference_training_ends_with_the_same_bytes(bench, datasets):
    ends = []
    for disturbed in (False, True):
        run_id, job_id = started(bench, datasets, "dpo-lora")
        if disturbed:
            folder = bench.run_folder(run_id) / "checkpoints" / "checkpoint-3"
            for _ in bench.poll(200):
                if (folder / "manifest.json").exists():
                    break
            os.kill(jobs.get(bench.store, job_id)["pid"], signal.SIGKILL)
            for _ in bench.poll():
                if jobs.get(bench.store, job_id)["state"] == "lost":
                    break
            jobs.restart(bench.store, job_id)
        assert bench.wait(job_id, 300)["state"] == "done"
        file = bench.run_folder(run_id) / "adapter" / "adapter_model.safetensors"
        ends.append((file.read_bytes(), losses(bench, run_id)))
    assert ends[0] == ends[1]
