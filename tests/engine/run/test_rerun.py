"""A run once more: equal to the byte here, and told where it cannot be."""

from __future__ import annotations

import json

import pytest

from engine.base import jobs
from engine.base.errors import UsageError
from engine.run import environment, rerun

FEW = {"max_steps": 3, "checkpoint_every": 2, "validate_every": 3}


@pytest.fixture(scope="module")
def once(bench):
    run_id, job_id = bench.start(**FEW)
    assert bench.wait(job_id)["state"] == "done"
    return run_id


def test_a_repetition_on_this_box_is_equal_to_the_byte(bench, once):
    prepared = rerun.prepare(bench.store, once)
    assert prepared.differences == ()
    again, job_id = rerun.submit(bench.store, prepared)
    assert rerun.sentence(rerun.compare(bench.store, again)) == (
        f"It repeats run {once}, and has not ended."
    )
    assert bench.wait(job_id)["state"] == "done"
    found = rerun.compare(bench.store, again)
    assert (found.of, found.equal, found.loss_difference) == (once, True, 0.0)
    files = [
        bench.run_folder(number) / "adapter" / "adapter_model.safetensors"
        for number in (once, again)
    ]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert rerun.compare(bench.store, once) is None


@pytest.fixture
def recorded(bench, once):
    """The facts that the run recorded; what a test changes is put back."""
    kept = bench.store.scalar("SELECT environment FROM runs WHERE id = ?", (once,))
    yield json.loads(kept)
    bench.store.update("runs", once, {"environment": kept})


def test_what_changed_is_said_with_what_to_expect(bench, once, recorded):
    recorded["torch"] = "2.0.0"
    bench.store.update("runs", once, {"environment": json.dumps(recorded)})
    said = rerun.prepare(bench.store, once).differences
    assert said[0].startswith("torch was 2.0.0, is ")
    assert "rounding" in said[-1]


def test_an_older_record_says_what_it_lacks(recorded):
    older = {key: value for key, value in recorded.items() if key != "attention"}
    said = environment.differences({**older, "system": "Linux 5"}, recorded)
    assert said[0].startswith("system was Linux 5, is ")
    assert said[1:] == [
        "Not recorded then: attention.",
        "What changed should change no byte of the result.",
    ]
    assert environment.differences(older, recorded) == [
        "Not recorded then: attention.",
        "All that was recorded is the same.",
    ]


def test_rows_that_changed_are_refused(bench, once):
    file = bench.store.workspace / "datasets" / bench.dataset_id / "train.jsonl"
    kept = file.read_bytes()
    file.write_bytes(kept.replace(b"order", b"Order", 1))
    try:
        with pytest.raises(UsageError, match="rows of run"):
            rerun.prepare(bench.store, once)
    finally:
        file.write_bytes(kept)
    assert rerun.prepare(bench.store, once).differences == ()


def test_a_run_that_has_not_ended_is_resumed_instead(bench, once):
    ended = bench.store.scalar("SELECT ended FROM runs WHERE id = ?", (once,))
    bench.store.update("runs", once, {"ended": None})
    with pytest.raises(UsageError, match="has not ended") as told:
        rerun.prepare(bench.store, once)
    bench.store.update("runs", once, {"ended": ended})
    job = bench.store.scalar("SELECT job_id FROM runs WHERE id = ?", (once,))
    assert f"tunesmith resume {job}" in told.value.fix
    assert jobs.get(bench.store, job)["state"] == "done"
