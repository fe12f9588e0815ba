"""JSON answers: read strictly, compared field by field."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from engine.base import answer_form
from engine.base.project import Objective

NOTHING = object()  # no JSON; None would be JSON's null


def measure(objective: Objective, expected: str, answer: str) -> dict[str, float]:
    """Return exactness, form and each field's rightness of one JSON answer, each 0 or 1.

    `field:NAME`: that field has the expected value, whatever else is wrong with the object.
    """
    given, wanted = read(answer), read(expected)
    objects = isinstance(given, dict)
    wanted_object = wanted if isinstance(wanted, dict) else {}
    names = objective.fields or tuple(wanted_object)
    right = {
        f"field:{name}": float(
            objects and _field(given, wanted_object, name, bool(objective.schema))
        )
        for name in names
    }
    if objective.schema:
        valid = given is not NOTHING and answer_form.fits(objective.schema, given)
        exact = valid and same(given, wanted)
    else:
        valid = objects and (not objective.fields or set(given) == set(names))
        exact = valid and set(given) == set(names) and all(right.values())
    return {"exact_match": float(exact), "valid_json": float(valid), **right}


def parse(text: str) -> Mapping[str, Any] | None:
    """Return the JSON object that a text is, or None when it is anything else."""
    value = read(text)
    return value if isinstance(value, dict) else None


def read(text: str) -> Any:
    """Return the JSON value that a text is, or `NOTHING` when it is none.

    Strict: nothing before or after the value, no key twice, no NaN or Infinity. A program that
    reads the answers would stumble over each of these.
    """
    try:
        return json.loads(text.strip(), object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError):
        return NOTHING


def field_f1(expected: str, answer: str) -> float:
    """Return the F1 of an answer's fields: the harmonic mean of their precision and recall.

    A field is a path with a value, such as `address.city = Oslo`. The items of a list are compared
    without regard to order. A missing field costs recall, an invented one precision; an answer that
    is no JSON has no fields. Two answers without fields (`{}`) are equal.
    """
    given = read(answer)
    if given is NOTHING:
        return 0.0
    wanted = Counter(_leaves(read(expected)))
    said = Counter(_leaves(given))
    total = wanted.total() + said.total()
    return 2 * (wanted & said).total() / total if total else 1.0


def same(one: Any, other: Any) -> bool:
    """Compare JSON values; Python alone would take true for 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def key(value: Any) -> str:
    """Return a text that is equal for JSON values that `same` takes for equal."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def _field(given: Mapping[str, Any], wanted: Mapping[str, Any], name: str, may_lack: bool) -> bool:
    if name not in given and name not in wanted:
        return may_lack
    return name in given and name in wanted and same(given[name], wanted[name])


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and (value or path):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{json.dumps(name)}")
        if not value:
            yield path, "{}"
    elif isinstance(value, list) and value:
        for item in value:
            yield from _leaves(item, f"{path}[]")
    elif value is not NOTHING and not (isinstance(value, dict) and not path):
        yield path, key(value)


def _plain(value: Any) -> Any:
    """Return the value with whole floats as integers: 1.0 is 1 in JSON."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object's pairs as a dict; raise ValueError where a key stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def refuse(constant: str) -> NoReturn:
    """Raise ValueError: NaN and Infinity are no JSON."""
    raise ValueError(constant)
