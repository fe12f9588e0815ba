"""What an answer is worth, on the strings that models really say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.project import Objective
from engine.score.metrics import lost, measure, parse

FIELDS = Objective(instruction="", prompt="", fields=("intent", "order", "urgent"))
TEXT = Objective(instruction="", prompt="", task="free", output="text")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
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
    assert (found["exact_match"], found["valid_json"]) == (exact, valid)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_any_object_written_as_json_is_read_back(value):
    assert parse(json.dumps(value)) == value


@given(st.text())
def test_any_text_is_measured_without_a_fault(answer):
    assert measure(FIELDS, EXPECTED, answer)["exact_match"] in (0, 1)


@pytest.mark.parametrize(
    ("answer", "exact", "valid", "of_zip"),
    [
        ('{"city": "Oslo"}', 1, 1, 1),
        ('{"city": "Oslo", "zip": "0150"}', 0, 1, 0),
        ('{"zip": "0150"}', 0, 0, 0),
        ('{"city": "Oslo", "land": "NO"}', 0, 0, 1),
        ('{"city": 3}', 0, 0, 1),
        ('["Oslo"]', 0, 0, 0),
    ],
)
def test_with_a_schema_the_schema_says_what_is_in_the_right_form(answer, exact, valid, of_zip):
    found = measure(Objective("", "", schema=SCHEMA), '{"city": "Oslo"}', answer)
    assert (found["exact_match"], found["valid_json"]) == (exact, valid)
    assert found["field:zip"] == of_zip


def test_answers_that_are_lists_are_compared_as_the_schema_asks():
    objective = Objective("", "", schema={"type": "array", "items": {"type": "string"}})
    for answer, exact, valid in (('["a", "b"]', 1, 1), ('["b", "a"]', 0, 1), ("[1]", 0, 0)):
        found = measure(objective, '["a","b"]', answer)
        assert (found["exact_match"], found["valid_json"]) == (exact, valid)


def test_text_with_a_schema_is_in_form_when_it_is_one_of_its_labels():
    objective = Objective(
        "", "", task="classification", output="text", metric="accuracy",
        schema={"type": "string", "enum": ["refund", "delivery"]},
    )  # fmt: skip
    for answer, right, valid in (
        ("refund", 1, 1),
        (" refund\n", 1, 1),
        ("Refund.", 1, 0),
        ("delivery", 0, 1),
        ("other", 0, 0),
        ("refund or delivery", 0, 0),
    ):
        found = measure(objective, "refund", answer)
        assert (found["accuracy"], found["valid_json"]) == (right, valid), answer


def test_the_primary_metric_is_measured_besides_what_the_task_always_measures():
    found = measure(
        Objective("", "", fields=("a", "b"), metric="field_f1"), '{"a":1,"b":2}', '{"a":1,"b":3}'
    )
    assert found["field_f1"] == 0.5
    assert (found["exact_match"], found["field:a"]) == (0, 1)


@pytest.mark.parametrize(
    ("schema", "start", "gone"),
    [
        ({}, "Sure", True),
        ({}, "  {", False),
        ({}, "[", True),
        ({"type": "array"}, "[", False),
        ({"type": "array"}, "{", True),
        ({"anyOf": [{"type": "array"}]}, "{", False),
    ],
)
def test_an_answer_is_given_up_only_when_no_end_can_save_it(schema, start, gone):
    assert lost(Objective("", "", schema=schema), start) is gone
    assert not lost(TEXT, start)
    assert not lost(Objective("", "", task="tools", metric="call_match"), start)


@given(st.text(), st.text())
def test_every_metric_of_any_answer_is_between_0_and_1(expected, answer):
    for task, output, metric in (
        ("qa", "text", "contains"),
        ("summarising", "text", "rouge_l"),
        ("classification", "text", "accuracy"),
        ("code", "text", "chrf"),
        ("tools", "json", "call_match"),
        ("extraction", "json", "field_f1"),
    ):
        found = measure(
            Objective("", "", task=task, output=output, metric=metric), expected, answer
        )
        assert metric in found
        assert all(0 <= value <= 1 for value in found.values()), found
