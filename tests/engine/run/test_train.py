"""Real trainings of the embedded model: undisturbed, and disturbed in every way we know."""

from __future__ import annotations

import hashlib
import json
import os
import signal

import pytest

from engine.base import jobs
from engine.run import metrics


@pytest.fixture(scope="module")
def quiet(bench):
    """A training that nobody disturbed."""
    run_id, job_id = bench.start()
    job = bench.wait(job_id)
    assert job["state"] == "done", (job["error"], job["fix"])
    return run_id


@pytest.fixture(scope="module")
def disturbed(bench, quiet):
    """The same plan: a checkpoint on request, a kill, a kill amid a save, a stop; then the end."""
    run_id, job_id = bench.start()
    checkpoints = bench.run_folder(run_id) / "checkpoints"

    until(bench, lambda: step(bench, run_id) >= 1)
    jobs.request(bench.store, job_id, "checkpoint")
    until(bench, lambda: jobs.get(bench.store, job_id)["request"] is None)
    asked = saved(bench, run_id)
    assert asked
    assert asked[0] < 4

    until(bench, lambda: step(bench, run_id) >= 6)
    kill(bench, job_id)
    jobs.restart(bench.store, job_id)

    until(bench, (checkpoints / "checkpoint-8").exists)
    kill(bench, job_id)
    assert not (checkpoints / "checkpoint-8" / "manifest.json").exists()
    jobs.restart(bench.store, job_id)

    until(bench, lambda: step(bench, run_id) >= 9)
    jobs.request(bench.store, job_id, "stop")
    assert bench.wait(job_id)["state"] == "stopped"
    assert 9 <= max(saved(bench, run_id)) < bench.steps
    jobs.restart(bench.store, job_id)

    job = bench.wait(job_id)
    assert job["state"] == "done", (job["error"], job["fix"])
    return run_id


def until(bench, true):
    for _ in bench.poll():
        if true():
            return


def kill(bench, job_id):
    os.kill(jobs.get(bench.store, job_id)["pid"], signal.SIGKILL)
    until(bench, lambda: jobs.get(bench.store, job_id)["state"] == "lost")


def step(bench, run_id):
    return (
        bench.store.scalar(
            "SELECT max(step) FROM points JOIN series ON series.id = series_id WHERE run_id = ?",
            (run_id,),
        )
        or 0
    )


def saved(bench, run_id):
    rows = bench.store.rows(
        "SELECT step FROM checkpoints WHERE run_id = ? ORDER BY step", (run_id,)
    )
    return [row["step"] for row in rows]


def adapter(bench, run_id):
    return (bench.run_folder(run_id) / "adapter" / "adapter_model.safetensors").read_bytes()


def run(bench, run_id):
    return bench.store.row("SELECT * FROM runs WHERE id = ?", (run_id,))


def test_the_adapter_loads_and_its_checksum_is_recorded(bench, quiet):
    from safetensors.numpy import load

    weights = load(adapter(bench, quiet))
    assert all((value != 0).any() for name, value in weights.items() if "lora_B" in name)
    digest = hashlib.sha256(adapter(bench, quiet)).hexdigest()
    assert run(bench, quiet)["adapter_sha256"] == digest
    files = {file.name for file in (bench.run_folder(quiet) / "adapter").iterdir()}
    assert files == {"adapter_model.safetensors", "adapter_config.json"}


def test_the_model_learns(bench, quiet):
    losses = [point.value for point in metrics.tail(bench.store, quiet, "loss", 0)]
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])


def test_every_curve_has_a_point_for_every_step(bench, quiet):
    every = list(range(1, bench.steps + 1))
    for name in (
        "loss",
        "learning_rate",
        "grad_norm",
        "tokens_per_second",
        "memory_bytes",
        "seconds_left",
        "epoch",
    ):
        assert [point.step for point in metrics.tail(bench.store, quiet, name, 0)] == every, name
    validated = metrics.tail(bench.store, quiet, "validation_loss", 0)
    assert [point.step for point in validated] == [6, 12]
    assert validated[1].value < validated[0].value


def test_the_run_says_what_it_took_and_how_far_the_predictions_were_off(bench, quiet):
    row = run(bench, quiet)
    assert (row["step"], row["steps"]) == (bench.steps, bench.steps)
    assert row["tokens"] > 0
    assert row["seconds"] > 0
    assert row["ended"] is not None
    environment = json.loads(row["environment"])
    assert {"python", "torch", "transformers", "trl", "peft", "dataset", "seed"} <= set(environment)
    measured = {
        item["quantity"]: item["measured"]
        for item in bench.store.rows("SELECT * FROM predictions WHERE run_id = ?", (quiet,))
    }
    assert measured["peak_bytes"] == row["peak_bytes"] > 500e6
    assert measured["seconds"] > row["seconds"]


def test_only_the_last_checkpoint_is_left_when_the_run_has_ended(bench, quiet):
    assert saved(bench, quiet) == [bench.steps]
    folder = bench.run_folder(quiet) / "checkpoints"
    assert [item.name for item in folder.iterdir()] == [f"checkpoint-{bench.steps}"]


def test_a_disturbed_run_ends_with_the_same_bytes(bench, quiet, disturbed):
    assert adapter(bench, disturbed) == adapter(bench, quiet)


def test_a_disturbed_run_loses_and_doubles_no_point(bench, quiet, disturbed):
    for name in ("loss", "grad_norm", "learning_rate", "validation_loss"):
        assert metrics.tail(bench.store, disturbed, name, 0) == metrics.tail(
            bench.store, quiet, name, 0
        ), name


def test_a_disturbed_run_counts_every_token_once(bench, quiet, disturbed):
    assert run(bench, disturbed)["tokens"] == run(bench, quiet)["tokens"]
    assert run(bench, disturbed)["peak_bytes"] > 500e6
