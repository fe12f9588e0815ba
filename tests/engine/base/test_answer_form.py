"""Schemas of answers: which are taken, which answers have their form, and that nothing is fetched."""

import socket

import pytest

from engine.base import answer_form
from engine.base.errors import UsageError
from engine.base.project import Objective

TICKET = {
    "type": "object",
    "properties": {"intent": {"enum": ["a", "b"]}, "order": {"type": ["string", "null"]}},
    "required": ["intent"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"intent": "a", "order": None}, True),
        ({"intent": "a"}, True),
        ({"intent": "c"}, False),
        ({"order": "1"}, False),
        ({"intent": "a", "note": 1}, False),
        ([], False),
        (None, False),
    ],
)
def test_a_value_fits_its_schema_or_does_not(value, fits):
    answer_form.check(TICKET, "json")
    assert answer_form.fits(TICKET, value) is fits


def test_the_fields_are_the_properties_in_order_and_the_labels_the_enum():
    assert answer_form.fields(TICKET) == ("intent", "order")
    assert answer_form.fields({"type": "array"}) == ()
    assert answer_form.labels({"enum": ["x", "y"]}) == ("x", "y")
    assert answer_form.labels(TICKET) == ()


@pytest.mark.parametrize(
    ("schema", "output", "what"),
    [
        ({"type": "objekt"}, "json", "no JSON Schema"),
        ({"properties": {True: {}}}, "json", "no text"),
        ({"$ref": "https://example.org/s.json"}, "json", "outside itself"),
        ({"items": [{"$ref": "file:///etc/passwd"}]}, "json", "outside itself"),
        ({"default": {1, 2}}, "json", "cannot be written as JSON"),
        ({"default": float("nan")}, "json", "cannot be written as JSON"),
        ({"type": "object"}, "text", "asks for object"),
        ({"enum": ["a", True]}, "text", "label of the schema is no text"),
    ],
)
def test_what_is_no_usable_schema_is_refused_with_the_place(schema, output, what):
    with pytest.raises(UsageError, match=what) as caught:
        answer_form.check(schema, output)
    assert caught.value.fix
    assert caught.value.where == "objective.schema"


def test_a_schema_that_never_ends_or_is_huge_is_refused_and_not_followed():
    deep = {}
    for _ in range(500):
        deep = {"not": deep}
    wide = {"a": {}}
    for _ in range(20):
        wide = {"a": wide, "b": wide}
    for schema in (deep, wide):
        with pytest.raises(UsageError, match=r"deep|large"):
            answer_form.check(schema, "json")


def test_a_reference_within_works_one_to_nowhere_lets_nothing_pass_and_nothing_is_fetched(
    monkeypatch,
):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a schema went to the network")

    monkeypatch.setattr(socket, "socket", refuse)
    tree = {
        "$defs": {"node": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
        "$ref": "#/$defs/node",
    }
    answer_form.check(tree, "json")
    assert answer_form.fits(tree, [[], [[]]])
    assert not answer_form.fits(tree, [1])
    assert not answer_form.fits({"$ref": "#/$defs/none"}, 1)
    assert not answer_form.fits({"$ref": "http://127.0.0.1:1/x"}, 1)
    assert not answer_form.fits({"$ref": "#"}, 1)


def test_an_objective_takes_its_fields_from_the_schema_and_refuses_what_does_not_fit_it():
    made = Objective("i", "p", fields=("old",), schema=TICKET)
    assert made.fields == ("intent", "order")
    with pytest.raises(UsageError, match="answers are text"):
        Objective("i", "p", output="text", schema=TICKET)
    labels = Objective("i", "p", task="classification", output="text", schema={"enum": ["a"]})
    assert labels.fields == ()
