"""Answers in another form than the objective's: what they would teach is wrong.

Flags for a person, like all of this folder: a label in another spelling and a JSON answer without a
key are told by place, and never quoted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import chain

from engine.base import answer_form
from engine.base.project import Objective
from engine.data.findings import Cleaned

KIND = "form"


def inspect(cleaned: Cleaned, objective: Objective) -> None:
    """Flag rows, golden ones too, whose answers are not in the objective's form.

    Args:
        cleaned: The rows; findings are added to it.
        objective: The form: JSON with its fields or schema, or text with a schema.
    """
    if cleaned.form != "answer":
        return
    wrong = _judge(objective)
    for row in chain(cleaned.rows, cleaned.golden):
        if what := wrong(row.completion):
            cleaned.note(KIND, row, what, "flagged", fix="Mend the answer, or the objective.")


def _judge(objective: Objective) -> Callable[[str], str]:
    """Return what says in words why an answer is not in the form; empty where it is."""
    if objective.task == "tools":
        return lambda _: ""
    if objective.output == "json":
        return lambda text: _json(objective, text)
    if labels := answer_form.labels(objective.schema):
        spelled = {label.casefold() for label in labels}
        return lambda text: _label(text, frozenset(labels), spelled)
    if objective.schema:
        return lambda text: "" if answer_form.fits(objective.schema, text.strip()) else _SCHEMA
    return lambda _: ""


_SCHEMA = "does not have the objective's schema"


def _json(objective: Objective, text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "is no JSON"
    if objective.schema:
        return "" if answer_form.fits(objective.schema, value) else _SCHEMA
    if objective.fields and (not isinstance(value, dict) or set(value) != set(objective.fields)):
        return "has not exactly the objective's keys"
    return ""


def _label(text: str, labels: frozenset[str], spelled: set[str]) -> str:
    if text.strip() in labels:
        return ""
    known = text.strip().casefold() in spelled
    return "is a label in another spelling" if known else "is none of the labels"
