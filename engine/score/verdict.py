"""The verdict: is the tuned model better than its base with a good prompt, or can't one tell?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.base import gates
from engine.base.project import Objective
from engine.base.store import Store
from engine.data.dataset import Split
from engine.score.metrics import EXACT, VALID
from engine.score.scoring import NAMES, Part, Subject
from engine.score.statistics import Interval, holm, paired_difference, paired_test

Result = Literal["better", "worse", "can't tell"]
BASELINES: tuple[Subject, ...] = ("few_shot", "base")
_COLUMN = {EXACT: "exact", VALID: "valid"}  # of any other primary metric it is `score`
_SURE = 0.05
Pairs = tuple[list[str], list[float], list[float]]  # row ids, the baseline's figures, the tuned's


@dataclass(frozen=True)
class Comparison:
    """The tuned model against one baseline, on one split, by one metric.

    Attributes:
        baseline: Against whom.
        split: On which rows.
        metric: By what.
        difference: Tuned minus baseline with its paired 95 % interval, as shares.
        p_value: McNemar's, of a graded metric by permutation; after Holm's correction for all
            comparisons of the evaluation.
        n: How many rows both answered.
        result: What follows.
    """

    baseline: Subject
    split: Split
    metric: str
    difference: Interval
    p_value: float
    n: int
    result: Result


def compare(
    store: Store, objective: Objective, scores: Mapping[Part, int], groups: Mapping[str, str]
) -> list[Comparison]:
    """Compare the tuned model with each baseline, per split, by primary metric and form.

    Args:
        store: Where the answers are.
        objective: Its primary metric decides; without a form to keep, the form is not compared.
        scores: The id of the score of each subject on each split.
        groups: The group of each row, by row id.
    """
    metrics = (objective.metric, VALID) if _has_form(objective) else (objective.metric,)
    splits = list(dict.fromkeys(split for _, split in scores))
    kinds = [
        (split, metric, baseline)
        for split in splits
        for metric in metrics
        for baseline in BASELINES
        if (baseline, split) in scores
    ]
    pairs = [
        _pairs(store, scores[baseline, split], scores["tuned", split], _COLUMN.get(metric, "score"))
        for split, metric, baseline in kinds
    ]
    p_values = holm([_test(pair, groups) for pair in pairs])
    return [
        _comparison(kind, pair, p_value, groups)
        for kind, pair, p_value in zip(kinds, pairs, p_values, strict=True)
    ]


def judge(
    objective: Objective, comparisons: Sequence[Comparison], table: Sequence[Mapping[str, Any]]
) -> gates.Gate:
    """Return the verdict gate.

    It fails when the tuned model is not surely better than both prompted baselines on the test
    rows, leaves the right form too often, or answers at greater length than the guardrail allows.
    It warns when the score is below the objective's threshold, when the gain is too small to be
    worth a model, or when the golden rows do not confirm it.

    Args:
        objective: The thresholds.
        comparisons: What `compare` found.
        table: What `records.table` returns.
    """
    row = next(r for r in table if r["subject"] == "tuned" and r["split"] == "test")
    tuned = row["metrics"]
    primary = [item for item in comparisons if item.metric == objective.metric]
    failures = [
        f"On the test rows the tuned model is not better than {NAMES[item.baseline]} by an "
        f"interval that excludes zero ({_points(item.difference)}). More or better rows, or more "
        "epochs, may change that."
        for item in primary
        if item.split == "test" and item.result != "better"
    ]
    failures += _broken(objective, tuned, row.get("tokens"))
    return gates.judge(
        "verdict", failures=failures, warnings=_warnings(objective, primary, tuned, bool(failures))
    )


def save(
    store: Store,
    run_id: int,
    job_id: int | None,
    scores: Mapping[Part, int],
    comparisons: Sequence[Comparison],
) -> None:
    """Write the comparisons to the store in place of an earlier evaluation's."""
    with store.transaction():
        store.execute("DELETE FROM verdicts WHERE run_id = ?", (run_id,))
        for item in comparisons:
            store.insert(
                "verdicts",
                {
                    "run_id": run_id,
                    "job_id": job_id,
                    "baseline": item.baseline,
                    "baseline_score_id": scores[item.baseline, item.split],
                    "tuned_score_id": scores["tuned", item.split],
                    "metric": item.metric,
                    "split": item.split,
                    "difference": item.difference.value,
                    "low": item.difference.low,
                    "high": item.difference.high,
                    "p_value": item.p_value,
                    "n": item.n,
                    "result": item.result,
                    "created": time.time(),
                },
            )


def _warnings(
    objective: Objective,
    primary: Sequence[Comparison],
    tuned: Mapping[str, Mapping[str, float]],
    failed: bool,
) -> list[str]:
    warnings = []
    score = tuned[objective.metric]["value"]
    if score < objective.threshold:
        warnings.append(
            f"The tuned model scores {score:.1%} on the test rows; the objective asks for "
            f"{objective.threshold:.1%}. Look at the rows it gets wrong and add more of their kind."
        )
    gain = min(item.difference.value for item in primary if item.split == "test")
    if gain < objective.minimum_effect and not failed:
        warnings.append(
            f"It gains {100 * gain:.1f} points over the prompted base; the objective asks for "
            f"{100 * objective.minimum_effect:.1f} to be worth a model of its own."
        )
    warnings += [
        f"On the golden rows it is {item.result} against {NAMES[item.baseline]} "
        f"({_points(item.difference)})."
        if item.result == "worse"
        else f"On the golden rows one can't tell it from {NAMES[item.baseline]} "
        f"({_points(item.difference)})."
        for item in primary
        if item.split == "golden" and item.result != "better"
    ]
    return warnings


def _has_form(objective: Objective) -> bool:
    """Say whether an answer can be in a wrong form; free text is in the right one."""
    return objective.output == "json" or bool(objective.schema)


def _broken(
    objective: Objective, tuned: Mapping[str, Mapping[str, float]], tokens: float | None
) -> list[str]:
    """Return the guardrails that the tuned model breaks on the test rows, with a way out."""
    broken = []
    if _has_form(objective) and tuned[VALID]["value"] < objective.valid_json:
        broken.append(
            f"Only {tuned[VALID]['value']:.1%} of the answers are {_form(objective)}; "
            f"the guardrail is {objective.valid_json:.1%}. Train longer."
        )
    most = objective.guardrails.answer_tokens
    if most and tokens is not None and tokens > most:
        broken.append(
            f"The answers have {tokens:.1f} tokens on average; the guardrail is {most:g}. Shorten "
            "the longest answers of the training rows."
        )
    return broken


def _form(objective: Objective) -> str:
    if objective.output == "text":
        return "text of the objective's schema"
    if objective.schema or objective.task == "tools":
        return "JSON of the objective's schema" if objective.schema else "calls that can be read"
    return "valid JSON with exactly the objective's fields"


def _pairs(store: Store, baseline: int, tuned: int, column: str) -> Pairs:
    rows = store.rows(
        f"SELECT row_id, b.{column} AS old, t.{column} AS new FROM answers b "  # noqa: S608 - ours
        "JOIN answers t USING (row_id) WHERE b.score_id = ? AND t.score_id = ? "
        f"AND b.{column} IS NOT NULL AND t.{column} IS NOT NULL ORDER BY row_id",
        (baseline, tuned),
    )
    return (
        [row["row_id"] for row in rows],
        [float(row["old"]) for row in rows],
        [float(row["new"]) for row in rows],
    )


def _test(pair: Pairs, groups: Mapping[str, str]) -> float:
    ids, old, new = pair
    return paired_test(old, new, [groups.get(row_id, row_id) for row_id in ids])


def _comparison(
    kind: tuple[Split, str, Subject],
    pair: Pairs,
    p_value: float,
    groups: Mapping[str, str],
) -> Comparison:
    split, metric, baseline = kind
    ids, old, new = pair
    difference = paired_difference(old, new, [groups.get(row_id, row_id) for row_id in ids])
    result = _result(difference, p_value)
    return Comparison(baseline, split, metric, difference, p_value, len(ids), result)


def _result(difference: Interval, p_value: float) -> Result:
    """Both must agree: with a handful of rows the bootstrap alone is too sure of itself."""
    if p_value < _SURE and difference.low > 0:
        return "better"
    if p_value < _SURE and difference.high < 0:
        return "worse"
    return "can't tell"


def _points(difference: Interval) -> str:
    value, low, high = (100 * part for part in difference)
    return f"{value:+.0f} points, {low:+.0f} to {high:+.0f}"
