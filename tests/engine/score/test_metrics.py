"""What an answer is worth, on the strings that models really say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.project import Objective
from engine.score.metrics import measure, parse

FIELDS = Objective(instruction="", prompt="", fields=("intent", "order", "urgent"))
TEXT = Objective(instruction="", prompt="", task="free", output="text")
EXPECTED = '{"intent": "return_item", "order": "4711", "urgent": false}'


@pytest.mark.parametrize(
    "answer",
    [
        EXPECTED,
        f"\n  {EXPECTED}\n",
        '{"urgent":false,"order":"4711","intent":"return_item"}',
        json.dumps(json.loads(EXPECTED), indent=2),
        '{"intent": "return\\u005fitem", "order": "4711", "urgent": false}',
    ],
)
def test_the_same_values_in_another_layout_are_exact(answer):
    found = measure(FIELDS, EXPECTED, answer)
    assert found == {
        "exact_match": 1,
        "valid_json": 1,
        "field:intent": 1,
        "field:order": 1,
        "field:urgent": 1,
    }


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "null",
        "[]",
        "true",
        EXPECTED + " I hope this helps!",
        "Sure: " + EXPECTED,
        f"```json\n{EXPECTED}\n```",
        EXPECTED[:-1],
        EXPECTED * 2,
        EXPECTED.replace('"', "'"),
        '{"intent": "return_item", "order": NaN, "urgent": false}',
        '{"intent": "return_item", "order": Infinity, "urgent": false}',
        '{"intent": "x", "intent": "return_item", "order": "4711", "urgent": false}',
        f"[{EXPECTED}]",
        '{"a":' * 5000,
        '{"intent": "return_item", "order": ' + "9" * 5000 + ', "urgent": false}',
    ],
)
def test_what_a_program_could_not_read_is_worth_nothing(answer):
    assert set(measure(FIELDS, EXPECTED, answer).values()) == {0.0}


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ('{"intent": "return_item", "order": "4711"}', {"intent", "order"}),
        (EXPECTED[:-1] + ', "note": 1}', {"intent", "order", "urgent"}),
        (json.dumps({"result": json.loads(EXPECTED)}), set()),
    ],
)
def test_missing_further_and_nested_keys_are_not_valid_but_their_fields_count(answer, right):
    found = measure(FIELDS, EXPECTED, answer)
    assert (found["exact_match"], found["valid_json"]) == (0, 0)
    assert {name for name in FIELDS.fields if found[f"field:{name}"]} == right


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order", 4711),
        ("order", None),
        ("urgent", 0),
        ("urgent", "false"),
        ("intent", "Return_item"),
    ],
)
def test_a_value_of_another_type_or_case_is_wrong_though_valid(field, value):
    found = measure(FIELDS, EXPECTED, json.dumps({**json.loads(EXPECTED), field: value}))
    assert (found["valid_json"], found["exact_match"], found[f"field:{field}"]) == (1, 0, 0)


def test_lists_objects_and_truth_values_inside_are_compared_with_their_types():
    objective = Objective(instruction="", prompt="", fields=("items",))
    wanted = '{"items": [{"n": 1, "ok": true}, 2]}'
    assert measure(objective, wanted, '{"items": [{"ok": true, "n": 1.0}, 2]}')["exact_match"] == 1
    for other in ('[{"n": true, "ok": true}, 2]', '[2, {"n": 1, "ok": true}]', '[{"n": 1}, 2]'):
        assert measure(objective, wanted, f'{{"items": {other}}}')["exact_match"] == 0


def test_without_declared_fields_the_whole_object_is_compared():
    objective = Objective(instruction="", prompt="")
    assert measure(objective, '{"a": 1}', '{"a": 1}')["exact_match"] == 1
    assert measure(objective, '{"a": 1}', '{"a": 1, "b": 2}') == {
        "exact_match": 0,
        "valid_json": 1,
        "field:a": 1,
    }


@pytest.mark.parametrize(
    ("answer", "exact", "valid"),
    [
        (" One  cup\nof ﬁne coffee", 1, 1),
        ("one cup of fine coffee", 0, 1),
        ("One cup", 0, 1),
        ("  ", 0, 0),
    ],
)
def test_text_is_compared_without_width_variants_and_blanks(answer, exact, valid):
    found = measure(TEXT, "One cup of fine coffee", answer)
    assert found == {"exact_match": exact, "valid_json": valid}


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_any_object_written_as_json_is_read_back(value):
    assert parse(json.dumps(value)) == value


@given(st.text())
def test_any_text_is_measured_without_a_fault(answer):
    assert measure(FIELDS, EXPECTED, answer)["exact_match"] in (0, 1)
