from __future__ import annotations

import pytest

from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store
from engine.base.work import register
from engine.plan import memory, models
from engine.plan.memory import Correction, Setup

SMALL = models.find("smollm2-135m-instruct").dimensions
GB = 1_000_000_000


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    project = Project("desk", Objective("Answer.", "Answer."), DataSettings(("a.jsonl",)))
    project_id = register(opened, tmp_path, project)
    counts = ("rows_read", "rows_kept", "train", "validation", "test", "golden")
    opened.insert(
        "datasets",
        {
            "id": "d",
            "project_id": project_id,
            "path": "d",
            **dict.fromkeys(counts, 1),
            "tokens_train": 1,
            "tokens_longest": 1,
            "created": 1.0,
        },
    )
    yield opened
    opened.close()


def ran(store, predicted, measured, *, method="sft-lora", device="cpu", factor=None):
    """Note a run with its prediction, as a training does."""
    numbers = ("peak_bytes", "seconds", "joules", "disk_bytes")
    shared = {"project_id": 1, "dataset_id": "d", "method": method, "model": "m", "created": 1.0}
    plan_id = store.insert(
        "plans",
        {**shared, "recipe": "r", "device": device, **{f"predicted_{n}": 1 for n in numbers}},
    )
    if factor is not None:
        store.insert(
            "plan_values",
            {
                "plan_id": plan_id,
                "position": 0,
                "key": "memory_factor",
                "value": str(factor),
                "why": "",
            },
        )
    run_id = store.insert("runs", {**shared, "name": "n", "plan_id": plan_id, "path": "p"})
    store.insert(
        "predictions",
        {
            "run_id": run_id,
            "quantity": "peak_bytes",
            "predicted": predicted,
            "measured": measured,
        },
    )


def test_nothing_is_learnt_without_runs(store):
    assert memory.learned(store, "sft-lora", "cpu") is None
    ran(store, GB, 2 * GB, method="dpo-lora")
    ran(store, GB, 2 * GB, device="gpu0")
    assert memory.learned(store, "sft-lora", "cpu") is None


def test_one_run_is_believed_by_a_quarter_and_many_nearly_wholly(store):
    ran(store, GB, 1.2 * GB)
    assert memory.learned(store, "sft-lora", "cpu").factor == pytest.approx(1.05)
    for _ in range(19):
        ran(store, GB, 1.2 * GB)
    found = memory.learned(store, "sft-lora", "cpu")
    assert found.runs == 20
    assert found.factor == pytest.approx(1 + 0.2 * 20 / 23, abs=1e-3)
    assert found.error < 0.03


def test_one_odd_run_does_not_sway_the_others(store):
    for _ in range(6):
        ran(store, GB, 1.1 * GB)
    ran(store, GB, 9 * GB)
    assert memory.learned(store, "sft-lora", "cpu").factor == pytest.approx(1.07, abs=0.01)


def test_an_earlier_correction_is_taken_out(store):
    for _ in range(9):
        ran(store, 1.2 * GB, 1.2 * GB, factor=1.2)
    assert memory.learned(store, "sft-lora", "cpu").factor == pytest.approx(1.15)


def test_on_a_gpu_context_and_reserve_are_not_taken_for_an_error(store):
    setup = Setup(micro_batch=4, length=512)
    estimate = memory.estimate(SMALL, "gpu", setup)
    tensors = sum(v for k, v in estimate.parts.items() if k not in ("context", "reserve"))
    for _ in range(9):
        ran(store, estimate.peak_bytes, tensors, device="gpu0")
    assert memory.learned(store, "sft-lora", "gpu0").factor == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_learning_settles_at_the_truth(store, device):
    """Runs predicted with the correction of the runs before them keep the factor where it is."""
    setup = Setup(micro_batch=4, length=512)
    plain = memory.estimate(SMALL, device, setup)
    steady = 0 if device == "cpu" else plain.parts["context"]
    reserve = plain.parts.get("reserve", 0)
    truth = 1.15 * (plain.peak_bytes - reserve - steady)
    name = "cpu" if device == "cpu" else "gpu0"
    for _ in range(20):
        correction = memory.learned(store, "sft-lora", name)
        predicted = plain.corrected(correction).peak_bytes
        ran(store, predicted, truth, device=name, factor=correction and correction.factor)
    assert memory.learned(store, "sft-lora", name).factor == pytest.approx(1.13, abs=0.01)


def test_a_correction_is_a_part_of_its_own():
    plain = memory.estimate(SMALL, "cpu", Setup())
    assert plain.corrected(None) is plain
    changed = plain.corrected(Correction(1.1, 4, 0.02))
    assert changed.parts["learnt"] == changed.peak_bytes - plain.peak_bytes
    assert changed.peak_bytes == pytest.approx(1.1 * plain.peak_bytes, rel=1e-6)
    assert "4 runs" in changed.correction.why


def test_the_expected_error_moves_from_the_formulas_to_the_records():
    assert Correction(1, 1, 0.01).expected(0.15) == pytest.approx(0.1175)
    assert Correction(1, 20, 0.01).expected(0.15) < 0.04
    assert Correction(1, 20, 0.5).expected(0.15) == pytest.approx(0.15)
