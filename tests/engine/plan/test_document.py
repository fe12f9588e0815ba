from __future__ import annotations

import json

import pytest
import yaml

from engine.base.files import sha256
from engine.base.hardware.machine import Machine
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store
from engine.base.work import register
from engine.plan import document, plan

PROJECT = Project(
    "desk",
    Objective("Answer.", "Answer as JSON.", fields=("intent", "order")),
    DataSettings(("a.jsonl",)),
)
BOX = Machine("EPYC", 2, True, 24_000_000_000, 20_000_000_000, (), "no driver")


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    register(opened, tmp_path / "project", PROJECT)
    folder = tmp_path / "datasets" / "d1"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text("{}\n")
    sizes = {"train": 560, "validation": 75, "test": 112, "golden": 60}
    opened.insert(
        "datasets",
        {
            **sizes,
            "id": "d1",
            "project_id": 1,
            "path": "datasets/d1",
            "rows_read": 820,
            "rows_kept": 747,
            "tokens_train": 45_000,
            "tokens_longest": 143,
            "created": 1.0,
        },
    )
    opened.insert(
        "dataset_sources", {"dataset_id": "d1", "file": "a.jsonl", "sha256": "ab12", "rows": 820}
    )
    yield opened
    opened.close()


def make(store, overrides=None):
    dataset = store.row("SELECT * FROM datasets")
    return plan.save(store, 1, plan.resolve(PROJECT, dataset, BOX, overrides or {}))


def test_the_training_plan_states_every_value_with_its_reason(store):
    made = make(store, {"epochs": 2})
    text = document.training_plan(store, PROJECT, made)
    for key, value in made.values.items():
        assert f"| {key} | {plan.text(value.value)} |" in text
        assert value.why in text
    for word in ("Apache-2.0", "ab12", "Not measured yet", "intent, order", "Stop rules"):
        assert word in text
    assert "tunesmith train --recipe sft-lora --set epochs=2.0" in text


def test_the_eval_plan_fixes_sets_test_and_outcome_before_training(store):
    text = document.eval_plan(store, PROJECT, make(store))
    assert sha256(store.workspace / "datasets" / "d1" / "test.jsonl") in text
    for word in ("exact match", "alpha 0.05", "paired bootstrap", "greedy", "can't tell", "98%"):
        assert word in text
    assert "112 rows at hand can show a difference of 0.10 or" in text


# The table of facts/data-evaluation-safety-2.md 1g: 80 % power, 15 % discordant rows.
@pytest.mark.parametrize(("rows", "expected"), [(50, 0.153), (100, 0.108), (500, 0.048)])
def test_the_detectable_difference_meets_the_published_table(rows, expected):
    assert document.detectable(rows) == pytest.approx(expected, abs=0.001)


def test_no_test_rows_detect_nothing():
    assert document.detectable(0) == 1.0


def test_past_predictions_replace_the_expected_error(store):
    made = make(store)
    run_id = store.insert(
        "runs",
        {
            "name": "r",
            "project_id": 1,
            "dataset_id": "d1",
            "plan_id": made.id,
            "model": made.model,
            "method": made.method,
            "path": "runs/1",
            "created": 1.0,
        },
    )
    store.insert(
        "predictions",
        {"run_id": run_id, "quantity": "seconds", "predicted": 130.0, "measured": 100.0},
    )
    text = document.training_plan(store, PROJECT, made)
    assert "on this box such predictions were off by 30% on average" in text


def test_the_written_files_are_noted_in_the_store(store, tmp_path):
    made = make(store)
    document.write(store, PROJECT, made, tmp_path / "run")
    content = yaml.safe_load((tmp_path / "run" / "plan.yaml").read_text())
    assert content["values"]["epochs"] == {"value": 1.0, "why": made.values["epochs"].why}
    assert (tmp_path / "run" / "training-plan.md").is_file()
    assert (tmp_path / "run" / "eval-plan.md").is_file()
    assert store.scalar("SELECT path FROM plans") == str(tmp_path / "run")


def test_the_record_has_the_promised_keys_and_is_json(store):
    record = document.record(make(store))
    assert {"recipe", "values", "predicted", "gate"} <= set(record)
    assert set(record["predicted"]) == {"peak_bytes", "seconds", "joules", "disk_bytes"}
    json.dumps(record)


def test_no_line_of_the_documents_is_torn_by_an_empty_value(store):
    for text in (
        document.training_plan(store, PROJECT, make(store)),
        document.eval_plan(store, PROJECT, make(store)),
    ):
        assert "None" not in text
        assert "\n\n\n" not in text
