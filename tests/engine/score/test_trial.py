"""The measured trial with the real model, on a small dataset with documents."""

from __future__ import annotations

import json
import os
import time

import pytest

from engine.base import project
from engine.base.errors import UsageError
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store
from engine.base.work import Work
from engine.data.rows import make, to_json
from engine.plan.advice import FOUND, GAIN, IF_FOUND, advise, baselines
from engine.score import scoring
from engine.score.scoring import Scoring
from engine.score.trial import trial

OBJECTIVE = Objective(
    "Code.", "Answer with the three digits.", task="qa", output="text", metric="exact_match"
)
NAMES = (
    *("Alden", "Borwick", "Caston", "Dunmore", "Elsby", "Fernhill"),
    *("Garrow", "Hoxley", "Inverie", "Jarford", "Kelso", "Lowick"),
    *("Marby", "Norton", "Oakham", "Penrith", "Quarley", "Ripon", "Selby", "Thurso"),
)
CODES = {name: str(317 + 41 * place) for place, name in enumerate(NAMES)}


def rows(names):
    return [
        make(f"What is the number of {name}?", CODES[name], source=f"a:{name}") for name in names
    ]


def make_work(folder, *, validation=12, form="answer", documents=("places",)):
    store = Store(folder)
    home = folder / "project"
    home.mkdir(exist_ok=True)
    (home / "places").mkdir(exist_ok=True)
    for name in NAMES:
        told = f"{name} is a town on the coast. The number of {name} is {CODES[name]}."
        (home / "places" / f"{name}.md").write_text(told)
    made = Project("numbers", OBJECTIVE, DataSettings(("a.jsonl",), documents=documents))
    project.save(made, home)
    args = json.dumps({"project": str(home), "dataset_id": "d1"})
    job = store.insert("jobs", {"kind": "trial", "args": args, "created": time.time() + 1})
    work = Work(store, job)
    if store.row("SELECT id FROM datasets") is None:
        data = folder / "datasets" / "d1"
        data.mkdir(parents=True)
        (data / "manifest.json").write_text("{}")
        for split, names in (("train", NAMES[:8]), ("validation", NAMES[8 : 8 + validation])):
            lines = "".join(f"{to_json(row)}\n" for row in rows(names))
            (data / f"{split}.jsonl").write_text(lines)
        sizes = {"train": 600, "validation": validation, "test": 100, "golden": 0}
        store.insert(
            "datasets",
            {
                "id": "d1",
                "project_id": work.project_id,
                "path": "datasets/d1",
                **sizes,
                "rows_read": 700,
                "rows_kept": 700,
                "tokens_train": 1,
                "tokens_longest": 40,
                "form": form,
                "created": 1.0,
            },
        )
    return work


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    work = make_work(tmp_path_factory.mktemp("trial"))
    trial(work)
    yield work
    work.store.close()


def test_four_ways_to_prompt_are_scored_on_the_same_validation_rows(measured):
    found = baselines(measured.store, "d1")
    assert list(found) == ["base", "few_shot", "similar", "retrieval"]
    assert {scores["exact_match"].n for scores in found.values()} == {12}
    asked = measured.store.rows(
        "SELECT score_id, group_concat(row_id) AS ids FROM answers GROUP BY 1"
    )
    assert len({row["ids"] for row in asked}) == 1


def test_each_way_is_compared_with_those_before_it(measured):
    found = baselines(measured.store, "d1")
    gain = found["retrieval"][f"{GAIN}few_shot"]
    difference = found["retrieval"]["exact_match"].value - found["few_shot"]["exact_match"].value
    assert gain.value == pytest.approx(difference)
    assert gain.low <= gain.value <= gain.high
    assert not any(name.startswith(GAIN) for name in found["base"])


def test_the_passages_hold_the_answers_and_the_model_reads_them_off(measured):
    found = baselines(measured.store, "d1")
    assert found["retrieval"][FOUND].value == 1
    assert found["retrieval"][IF_FOUND].value == found["retrieval"]["exact_match"].value
    assert found["retrieval"]["exact_match"].value > found["few_shot"]["exact_match"].value


def test_the_primary_metric_of_each_row_is_kept(measured):
    worth = measured.store.rows("SELECT exact, score FROM answers")
    assert worth
    assert all(row["score"] == row["exact"] for row in worth)


def test_the_advice_follows_from_the_figures(measured):
    project_ = measured.project
    advice = advise(measured.store, project_, measured.project_id, "d1")
    assert advice.verdict == "use retrieval"


def test_a_score_is_known_until_the_project_the_rows_or_the_documents_change(measured):
    again = make_work(measured.store.workspace)
    measured.store.execute("UPDATE jobs SET created = created + 60 WHERE id = 1")
    known = Scoring(again, _dataset(again), again.project.base_model, most=12)
    assert known._known("base", "validation") is not None
    assert known._known("retrieval", "validation") is not None
    fewer = Scoring(again, _dataset(again), again.project.base_model, most=3)
    assert fewer._known("base", "validation") is None
    later = time.time() + 600
    os.utime(again.project_dir / "places" / "Alden.md", (later, later))
    assert known._known("base", "validation") is not None
    assert known._known("retrieval", "validation") is None
    again.store.close()


def test_of_many_rows_a_sample_is_drawn_by_the_seed(measured):
    model = measured.project.base_model
    one, two = (Scoring(measured, _dataset(measured), model, most=3) for _ in range(2))
    assert len(one.rows("validation")) == 3
    assert one.rows("validation") == two.rows("validation")
    assert len(Scoring(measured, _dataset(measured), model).rows("validation")) == 12


def test_long_prompts_take_fewer_rows_but_never_too_few(measured):
    score = Scoring(measured, _dataset(measured), measured.project.base_model, most=12)
    assert score.limit("validation", ["similar"], 1e9, 2) == 12
    assert score.limit("validation", ["similar"], 1.0, 2) == 2


def test_nothing_to_measure_on_is_said(tmp_path):
    with pytest.raises(UsageError, match="no validation rows"):
        trial(make_work(tmp_path, validation=0))


def test_rows_without_right_answers_are_refused(tmp_path):
    with pytest.raises(UsageError, match="learns from right answers"):
        trial(make_work(tmp_path, form="preference"))


def test_a_missing_document_is_named(tmp_path):
    with pytest.raises(UsageError) as caught:
        trial(make_work(tmp_path, documents=("gone.md",)))
    assert "gone.md" in caught.value.where


def test_names_are_there_for_every_subject():
    assert set(scoring.NAMES) == {"base", "few_shot", "similar", "retrieval", "tuned"}


def _dataset(work):
    from engine.data import dataset

    return dataset.load(work.store, "d1")
