from __future__ import annotations

import pytest

from engine.base.errors import UsageError
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store
from engine.base.work import register
from engine.plan.advice import advise

PROJECT = Project("desk", Objective("Answer.", "Answer as JSON."), DataSettings(("a.jsonl",)))


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    register(opened, tmp_path / "project", PROJECT)
    yield opened
    opened.close()


def add_dataset(store, *, train=560, test=112, golden=60, rows_read=800):
    store.insert(
        "datasets",
        {
            "id": "d1",
            "project_id": 1,
            "path": "datasets/d1",
            "rows_read": rows_read,
            "rows_kept": train + test + 75,
            "train": train,
            "validation": 75,
            "test": test,
            "golden": golden,
            "tokens_train": 80 * train,
            "tokens_longest": 143,
            "created": 1.0,
        },
    )


def add_score(store, subject, value, low, high, *, valid_json=1.0, split="validation"):
    score_id = store.insert(
        "scores",
        {
            "project_id": 1,
            "dataset_id": "d1",
            "subject": subject,
            "split": split,
            "model": "m",
            "rows": 75,
            "seconds": 1.0,
            "created": 1.0,
        },
    )
    for metric, triple in {
        "exact_match": (value, low, high),
        "valid_json": (valid_json, valid_json, valid_json),
    }.items():
        names = dict(zip(("value", "low", "high"), triple, strict=True))
        store.insert("score_metrics", {"score_id": score_id, "metric": metric, "n": 75, **names})


@pytest.mark.parametrize(
    ("sizes", "word"),
    [({"train": 40}, "40 training rows"), ({"test": 20, "golden": 30}, "has 30 rows")],
)
def test_too_few_rows_mean_collect_data_first(store, sizes, word):
    add_dataset(store, **sizes)
    add_score(store, "few_shot", 0.9, 0.85, 0.95)
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "collect data first"
    assert word in advice.reasons[0]


def test_a_golden_set_large_enough_makes_up_for_a_small_test_split(store):
    add_dataset(store, test=20, golden=60)
    assert advise(store, PROJECT, 1, "d1").verdict == "fine-tune"


def test_a_prompt_that_surely_meets_the_threshold_means_stop(store):
    add_dataset(store)
    add_score(store, "base", 0.1, 0.05, 0.2)
    add_score(store, "few_shot", 0.88, 0.79, 0.94)
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "stop: prompting is enough"
    assert any("0.88 exact match" in reason for reason in advice.reasons)
    assert "0.88" in advice.change


@pytest.mark.parametrize(
    ("value", "low", "valid_json"),
    [(0.79, 0.76, 1.0), (0.82, 0.70, 1.0), (0.9, 0.85, 0.9)],
    ids=["below the threshold", "not surely enough", "not in the right form"],
)
def test_a_prompt_that_is_not_good_enough_means_fine_tune(store, value, low, valid_json):
    add_dataset(store)
    add_score(store, "few_shot", value, low, 0.97, valid_json=valid_json)
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "fine-tune"
    assert "sft-lora" in advice.reasons[-1]


def test_only_the_newest_trial_on_the_validation_rows_counts(store):
    add_dataset(store)
    add_score(store, "few_shot", 0.95, 0.9, 0.99)
    add_score(store, "few_shot", 0.2, 0.1, 0.3)
    add_score(store, "few_shot", 0.95, 0.9, 0.99, split="test")
    assert advise(store, PROJECT, 1, "d1").verdict == "fine-tune"


def test_without_a_trial_the_advice_says_how_to_measure(store):
    add_dataset(store)
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "fine-tune"
    assert "not been measured" in advice.reasons[-1]
    assert "advise --trial" in advice.change


def test_many_dropped_rows_are_mentioned(store):
    add_dataset(store, rows_read=1500)
    assert any("were dropped" in reason for reason in advise(store, PROJECT, 1, "d1").reasons)


def test_another_projects_dataset_is_refused(store):
    add_dataset(store)
    with pytest.raises(UsageError, match="no dataset"):
        advise(store, PROJECT, 2, "d1")
