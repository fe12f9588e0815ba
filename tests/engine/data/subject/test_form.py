from __future__ import annotations

import pytest

from engine.base.project import Objective
from engine.data.findings import Cleaned
from engine.data.rows import make
from engine.data.subject import form

JSON = Objective("", "", fields=("intent", "urgent"))
LABELS = Objective(
    "", "", task="classification", output="text", metric="accuracy",
    schema={"type": "string", "enum": ["Praise", "complaint"]},
)  # fmt: skip
DIGITS = Objective("", "", output="text", schema={"type": "string", "pattern": "^[0-9]{3}$"})
SHAPED = Objective(
    "", "", fields=("n",), schema={"type": "object", "properties": {"n": {"type": "integer"}}}
)


def found(objective, *answers, golden=()):
    rows = [make(f"m{at}", text, source=f"a.csv:{at}") for at, text in enumerate(answers, 1)]
    held = [make(f"g{at}", text, source=f"g.csv:{at}") for at, text in enumerate(golden, 1)]
    cleaned = Cleaned(rows=rows, golden=held)
    form.inspect(cleaned, objective)
    assert [row.completion for row in cleaned.rows] == list(answers)
    assert {item.action for item in cleaned.findings} <= {"flagged"}
    return {item.place: item.what for item in cleaned.findings}


@pytest.mark.parametrize(
    ("objective", "right", "wrong"),
    [
        (JSON, '{"intent": "a", "urgent": true}', {"no": "no JSON", '{"intent": "a"}': "keys"}),
        (JSON, '{"urgent": 1, "intent": null}', {'{"intent":1,"urgent":1,"x":1}': "keys"}),
        (LABELS, " complaint\n", {"Complaint": "another spelling", "??": "none of the labels"}),
        (DIGITS, "042", {"42": "schema", "forty-two": "schema"}),
        (SHAPED, '{"n": 3}', {'{"n": "three"}': "schema"}),
        (Objective("", "", output="text"), "whatever", {}),
    ],
)
def test_what_is_not_in_the_objectives_form_is_flagged(objective, right, wrong):
    told = found(objective, right, *wrong)
    assert list(told) == [f"a.csv:{place}" for place in range(2, len(wrong) + 2)]
    assert all(word in what for word, what in zip(wrong.values(), told.values(), strict=True))


def test_golden_answers_count_too():
    assert found(LABELS, "Praise", golden=["praise"]) == {
        "g.csv:1": "is a label in another spelling"
    }


def test_no_answer_is_quoted():
    secret = "\x1b]0;owned\x07 sk-live-1234"
    assert secret not in str(found(LABELS, secret))


def test_a_deep_answer_is_told_and_breaks_nothing():
    assert found(JSON, "[" * 100_000) == {"a.csv:1": "is no JSON"}


def test_preferences_are_left_alone():
    cleaned = Cleaned(rows=[make("m", "x", form="preference", rejected="y")], form="preference")
    form.inspect(cleaned, LABELS)
    assert cleaned.findings == []
