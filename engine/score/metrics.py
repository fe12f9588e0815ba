"""What one answer is worth: is it right, is it in the right form, which fields are right."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any, NoReturn

from engine.base.project import Objective

EXACT, VALID = "exact_match", "valid_json"


def measure(objective: Objective, expected: str, answer: str) -> dict[str, float]:
    """Return the metrics of one answer, each 0 or 1.

    `valid_json`: the whole trimmed answer is one JSON object with exactly the objective's fields.
    `exact_match`: it is valid, and every field has the expected value. `field:NAME`: that field has
    the expected value, whatever else is wrong with the object. For text, `exact_match` compares
    without regard to width variants and blanks, and any answer that says something is valid.
    """
    if objective.output == "text":
        said, wanted = _folded(answer), _folded(expected)
        return {EXACT: float(said == wanted), VALID: float(bool(said))}
    given, wanted_object = parse(answer), parse(expected) or {}
    fields = objective.fields or tuple(wanted_object)
    right = {
        f"field:{name}": float(
            given is not None
            and name in given
            and name in wanted_object
            and _same(given[name], wanted_object[name])
        )
        for name in fields
    }
    valid = given is not None and (not objective.fields or set(given) == set(fields))
    exact = valid and given is not None and set(given) == set(fields) and all(right.values())
    return {EXACT: float(exact), VALID: float(valid), **right}


def lost(objective: Objective, start: str) -> bool:
    """Say whether an answer that starts so can no longer be in the right form, however it ends."""
    return objective.output == "json" and start.strip()[:1] not in ("", "{")


def parse(text: str) -> Mapping[str, Any] | None:
    """Return the JSON object that a text is, or None when it is anything else.

    Strict: nothing before or after the object, no key twice, no NaN or Infinity. A program that
    reads the answers would stumble over each of these.
    """
    try:
        value = json.loads(text.strip(), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _same(one: Any, other: Any) -> bool:
    """Compare JSON values; Python alone would take true for 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())
