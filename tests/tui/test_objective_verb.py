"""`tunesmith objective`: what a person reads before anything is spent."""

from __future__ import annotations

import json
import time

import pytest
from click.testing import CliRunner

from engine.base import objectives
from engine.base.errors import UsageError
from engine.base.project import DataSettings, Guardrails, Objective, Project, save
from engine.base.store import Store
from tui.verbs.objective import objective_verb

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_WORKSPACE", str(tmp_path / "ws"))
    made = tmp_path / "desk"
    made.mkdir()
    return made


def write(folder, **more):
    save(Project("desk", Objective("i", "p", **more), DataSettings(("a.jsonl",))), folder)


def call(*arguments):
    done = CliRunner().invoke(objective_verb, [*map(str, arguments)])
    if done.exception:
        raise done.exception
    return done.output


def add_dataset(tmp_path, test):
    store = Store(tmp_path / "ws")
    sizes = dict.fromkeys(("rows_read", "rows_kept", "train", "validation", "golden"), 900)
    sizes |= {"tokens_train": 1, "tokens_longest": 1, "created": time.time(), "test": test}
    store.insert("datasets", {"id": "d1", "project_id": 1, "path": "d", **sizes})
    gate = {"project_id": 1, "gate": "data", "subject": "d1", "result": "pass", "reasons": "[]"}
    store.insert("gates", {**gate, "created": time.time()})
    store.close()


def test_it_says_task_metric_limits_rows_and_what_to_confirm(folder):
    write(folder, fields=("city", "zip"), guardrails=Guardrails(answer_tokens=30))
    said = " ".join(call("--project", folder).split())
    for part in (
        "Extraction:",
        "JSON with city, zip",
        "exact match. The answer is the expected one",
        "80% on the test rows",
        "at most 30 tokens on average",
        "test rows that stand for themselves show a gain of 5 points",
        "There is no dataset yet",
        "Apache-2.0",
        "llama.cpp",
    ):
        assert part in said


def test_the_rows_at_hand_are_held_against_the_rows_needed(folder, tmp_path):
    write(folder, fields=("city",))
    call("--project", folder)
    add_dataset(tmp_path, 120)
    said = " ".join(call("--project", folder).split())
    assert "Dataset d1 has 120, not enough for that: they show gains from 10 points up." in said
    write(folder, fields=("city",), minimum_effect=0.2)
    assert "Dataset d1 has 120, enough:" in " ".join(call("--project", folder).split())


def test_json_holds_the_same_for_machines(folder):
    write(folder, schema=SCHEMA, metric="field_f1", failure_categories=("ours",))
    found = json.loads(call("--project", folder, "--json"))
    assert (found["task"], found["metric"], found["answer"]) == (
        "extraction",
        "field_f1",
        "JSON of its schema, with city",
    )
    assert found["sample"]["required"] > 100
    assert found["sample"]["at_hand"] is None
    assert [item["name"] for item in found["assumptions"]] == [
        *("goal", "base model", "hardware", "target"),
    ]
    assert found["failure_categories"] == {"ours": ""}
    assert "field F1" in found["remarks"][0]


def test_the_templates_are_listed_and_shown_one_by_one():
    said = call("--templates")
    assert all(task in said for task in objectives.TASKS)
    one = " ".join(call("--templates", "tools").split())
    found = objectives.template("tools")
    for text in (found.metric_why, *found.guidelines, *found.edge_cases, found.confirm.target):
        assert " ".join(text.split()) in one
    every = json.loads(call("--templates", "--json"))
    assert set(every) == set(objectives.TASKS)
    assert set(json.loads(call("--templates", "code", "--json"))) == {"code"}


def test_an_unknown_task_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean summarising"):
        call("--templates", "summarizing")


def test_a_hostile_objective_cannot_move_the_cursor(folder):
    write(folder, fields=("a\x1b[2Jb",))
    assert "\x1b" not in call("--project", folder)
    assert "\x1b" not in call("--project", folder, "--json")
