"""What one answer is worth: every metric of a row is between 0 and 1, so that rows can be paired.

`recipes/metrics.yaml` says in plain words what each metric means and whether it is a yes or no.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

from engine.base import answer_form, objectives
from engine.base.project import Objective
from engine.score.metrics import calls, labels, objects, texts
from engine.score.statistics import Interval

__all__ = ["EXACT", "VALID", "computed", "lost", "measure", "measure_all", "parse"]

EXACT, VALID = "exact_match", "valid_json"
parse = objects.parse

_Rule = Callable[[Objective, str, str], float]


def measure(objective: Objective, expected: str, answer: str) -> dict[str, float]:
    """Return the metrics of one answer, each 0 to 1.

    Always `exact_match` and `valid_json` (in the right form), and of a JSON object `field:NAME` for
    each field; besides these the objective's primary metric, and the secondary ones that the
    template of its task names.

    In the right form is, of JSON, one JSON value and nothing around it that has the objective's
    schema or, without one, exactly its fields; of tool calls, calls and nothing around them where
    calls are expected; of text, what has the schema or, without one, says something at all.
    """
    rules = _rules(objective)
    if objective.task == "tools":
        found = _of_calls(objective, expected, answer)
    elif objective.output == "json":
        found = objects.measure(objective, expected, answer)
    else:
        found = _of_text(objective, expected, answer)
    return found | {name: float(rule(objective, expected, answer)) for name, rule in rules.items()}


def measure_all(
    objective: Objective,
    expected: Sequence[str],
    answers: Sequence[str],
    groups: Sequence[Hashable] | None = None,
) -> dict[str, Interval]:
    """Return the metrics that only all rows together have, with their intervals.

    That is `macro_f1`, where the template of the task names it; see `labels.macro_f1`.

    Args:
        objective: What the answers are for.
        expected: The expected answer of each row.
        answers: The given answer of each row.
        groups: The group of each row; None when each row stands for itself.
    """
    if not expected or labels.MACRO_F1 not in objectives.template(objective.task).secondary:
        return {}
    return {labels.MACRO_F1: labels.macro_f1(objective, expected, answers, groups)}


def lost(objective: Objective, start: str) -> bool:
    """Say whether an answer that starts so can no longer be in the right form, however it ends."""
    if objective.output != "json" or objective.task == "tools":
        return False
    kind = objective.schema.get("type", "object" if not objective.schema else "")
    opening = {"object": "{", "array": "["}.get(str(kind))
    return opening is not None and start.strip()[:1] not in ("", opening)


def _rules(objective: Objective) -> dict[str, _Rule]:
    """Return what is computed besides exactness and form: the primary and secondary metrics."""
    wanted = (objective.metric, *objectives.template(objective.task).secondary)
    return {name: _RULES[name] for name in dict.fromkeys(wanted) if name in _RULES}


def _of_text(objective: Objective, expected: str, answer: str) -> dict[str, float]:
    said, wanted = texts.folded(answer), texts.folded(expected)
    fits = not objective.schema or answer_form.fits(objective.schema, answer.strip())
    return {EXACT: float(said == wanted), VALID: float(bool(said) and fits)}


def _of_calls(objective: Objective, expected: str, answer: str) -> dict[str, float]:
    valid = calls.valid(objective.schema, expected, answer)
    exact = valid and calls.matched(expected, answer) == 1.0
    if calls.read(expected) is None:
        exact = exact and texts.folded(answer) == texts.folded(expected)
    return {EXACT: float(exact), VALID: float(valid)}


_RULES: Mapping[str, _Rule] = {
    "field_f1": lambda _, expected, answer: objects.field_f1(expected, answer),
    "accuracy": labels.right,
    "token_f1": lambda _, expected, answer: texts.token_f1(expected, answer),
    "rouge_l": lambda _, expected, answer: texts.rouge_l(expected, answer),
    "chrf": lambda _, expected, answer: texts.chrf(expected, answer),
    "contains": lambda _, expected, answer: texts.contains(expected, answer),
    "call_match": lambda _, expected, answer: calls.matched(expected, answer),
    "call_name": lambda _, expected, answer: calls.named(expected, answer),
    "length_ratio": lambda _, expected, answer: texts.length_ratio(expected, answer),
}


def computed() -> frozenset[str]:
    """Return the names of all metrics, apart from `field:NAME`."""
    return frozenset((EXACT, VALID, *_RULES, labels.MACRO_F1))
