"""The trial and the evaluation of a real journey, as they stand in the store."""

import pytest

from engine.base import project
from engine.data import dataset
from engine.score import records
from engine.score.metrics import measure
from engine.score.statistics import interval


def test_the_trial_scored_the_base_on_validation_rows_only(journey):
    scores = journey.store.rows("SELECT * FROM scores WHERE split = 'validation'")
    assert sorted(score["subject"] for score in scores) == ["base", "few_shot", "similar"]
    assert all(score["run_id"] is None for score in scores)


def test_every_held_out_row_is_answered_once_by_each_subject(journey):
    dataset_id = journey.store.scalar("SELECT dataset_id FROM runs WHERE id = ?", (journey.run_id,))
    rows = dataset.load(journey.store, dataset_id)
    for score in records.table(journey.store, journey.run_id):
        answered = journey.store.rows(
            "SELECT row_id FROM answers WHERE score_id = ?", (score["score_id"],)
        )
        held_out = {row.id for row in rows.rows(score["split"])}
        assert {answer["row_id"] for answer in answered} == held_out
        assert score["n"] == len(held_out)


def test_the_figures_follow_from_the_answers(journey):
    dataset_id = journey.store.scalar("SELECT dataset_id FROM runs WHERE id = ?", (journey.run_id,))
    loaded = dataset.load(journey.store, dataset_id)
    group_of = {row.id: row.group for split in ("test", "golden") for row in loaded.rows(split)}
    objective = project.load(journey.project_dir).objective
    for score in records.table(journey.store, journey.run_id):
        answers = journey.store.rows(
            "SELECT * FROM answers WHERE score_id = ?", (score["score_id"],)
        )
        measured = [measure(objective, row["expected"], row["answer"]) for row in answers]
        groups = [group_of[row["row_id"]] for row in answers]
        assert set(score["metrics"]) == {
            *("exact_match", "valid_json"),
            *(f"field:{name}" for name in objective.fields),
        }
        for name, metric in score["metrics"].items():
            expected = interval([figures[name] for figures in measured], groups)
            assert (metric["value"], metric["low"], metric["high"]) == pytest.approx(expected)


def test_the_verdict_and_its_gate_are_on_record(journey):
    verdicts = records.verdicts(journey.store, journey.run_id)
    assert verdicts[0]["split"] == "test"
    assert verdicts[0]["metric"] == "exact_match"
    assert all(item["low"] <= item["difference"] <= item["high"] for item in verdicts)
    sentence = records.sentence(journey.store, journey.run_id)
    assert sentence.startswith("The tuned model answers ")
    gate = journey.store.row(
        "SELECT * FROM gates WHERE gate = 'verdict' AND subject = ?", (f"run {journey.run_id}",)
    )
    assert gate is not None


def test_changed_rows_carry_their_message_and_all_answers(journey):
    changed = records.changed_rows(journey.store, journey.run_id, "test")
    assert changed
    for row in changed:
        assert row["prompt"]
        assert row["tuned"]["exact"] != row["base"]["exact"] or (
            row["tuned"]["exact"] != row["few_shot"]["exact"]
        )
