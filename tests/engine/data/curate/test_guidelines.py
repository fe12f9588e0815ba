"""Guidelines: labels with their rows, conflicts as worked disagreements, nothing raw, a version."""

from __future__ import annotations

import json
import re

import pytest

from engine.base.project import Objective
from engine.data.curate import guidelines
from engine.data.curate.guidelines import Conflict
from engine.data.curate.suspects import Item
from engine.data.rows import make

TEXT = Objective("Say the intent.", "Say the intent, one word.", "classification", "text")
JSON = Objective("Extract.", "Extract.", fields=("intent", "name"))
HOSTILE = "`x` ``y`` **b** <script> \x1b[31m | [a](b)"


def item(place, other, completion, kind="conflict"):
    return Item(1, place, place, kind, "asks the same", "dropped", other, "", "Where?", completion)


def test_labels_are_counted_with_one_row_of_each_and_free_answers_are_none():
    rows = [make(f"m{at}", ["退款", "refund"][at % 2], source=f"a:{at}") for at in range(9)]
    counts, examples = guidelines.labels(TEXT, rows)
    assert counts == {"退款": 5, "refund": 4}
    assert examples["refund"] == f"a:1 (row {rows[1].id})"
    free = [make(f"m{at}", f"answer {at}", source=f"a:{at}") for at in range(90)]
    assert guidelines.labels(TEXT, free) == ({}, {})


def test_the_labels_of_json_answers_are_keys_with_few_values():
    rows = [
        make(f"m{at}", json.dumps({"intent": "ab"[at % 2], "name": f"n{at}", "tags": []}))
        for at in range(30)
    ]
    rows.append(make("broken", "{"))
    assert guidelines.labels(JSON, rows)[0] == {"intent: a": 15, "intent: b": 15}


def test_personal_data_in_an_answer_is_masked():
    rows = [make(f"m{at}", "mail ann@example.com") for at in range(9)]
    counts, _ = guidelines.labels(TEXT, rows)
    assert counts == {"mail <EMAIL_1>": 9}


def test_conflicts_are_pairs_each_once():
    items = [
        item("a:1", "a:2", "x"), item("a:2", "a:1", "y"), item("a:3", "a:9", "z"),
        item("a:4", "a:5", "same"), item("a:5", "a:4", "same"), item("a:6", "a:1", "p", "pii"),
    ]  # fmt: skip
    assert guidelines.conflicts(items) == [Conflict(("a:1", "a:2"), "Where?", ("x", "y"))]


def test_every_part_is_there():
    text = guidelines.write(JSON, {"intent: a": 12, "intent: b": 1}, {"intent: a": "a.jsonl:3"})
    for part in (
        "Extract\\.", "`intent`, `name`", "`intent: a`: 12 rows; see `a.jsonl:3`",
        "`intent: b`: 1 row, too few", "Order of decisions", "Cannot tell", "same 50 rows",
        "alpha of 0.8", "No two rows",
    ):  # fmt: skip
        assert part.replace("\\.", ".") in text
    assert "hardly repeat" in guidelines.write(TEXT, {}, {})


def test_the_version_changes_with_the_content_only():
    one = guidelines.write(TEXT, {"a": 5}, {})
    assert one == guidelines.write(TEXT, {"a": 5}, {})
    versions = {
        re.search(r"Version ([0-9a-f]{8})\.", text)[1]
        for text in (
            one,
            guidelines.write(TEXT, {"a": 6}, {}),
            guidelines.write(JSON, {"a": 5}, {}),
        )
    }
    assert len(versions) == 3


@pytest.mark.parametrize("hostile", [HOSTILE, "a\n# b\n\n- c", "`", " ", "x" * 5000])
def test_text_from_the_data_is_never_markup(hostile):
    conflict = Conflict(("a:1", "a:2"), hostile, (hostile, "b"))
    plain = guidelines.write(
        TEXT, {"L": 5}, {"L": "P"}, [Conflict(("a:1", "a:2"), "q", ("a", "b"))]
    )
    text = guidelines.write(TEXT, {hostile: 5}, {hostile: "P"}, [conflict])
    assert "\x1b" not in text
    assert len(text.splitlines()) == len(plain.splitlines())
    assert max(map(len, text.splitlines())) < 500
    for line in text.splitlines():
        outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        assert "script" not in outside
        assert "`" not in outside
