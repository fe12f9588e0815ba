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
from engine.score.statistics import Interval, holm, mcnemar, paired_difference

Result = Literal["better", "worse", "can't tell"]
BASELINES: tuple[Subject, ...] = ("few_shot", "base")
_COLUMN = {EXACT: "exact", VALID: "valid"}
_SURE = 0.05


@dataclass(frozen=True)
class Comparison:
    """The tuned model against one baseline, on one split, by one metric.

    Attributes:
        baseline: Against whom.
        split: On which rows.
        metric: By what.
        difference: Tuned minus baseline with its paired 95 % interval, as shares.
        p_value: McNemar's, after Holm's correction for all comparisons of the evaluation.
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
    """Compare the tuned model with each baseline, per split and metric.

    Args:
        store: Where the answers are.
        objective: Its output decides which metrics mean something.
        scores: The id of the score of each subject on each split.
        groups: The group of each row, by row id.
    """
    metrics = (EXACT, VALID) if objective.output == "json" else (EXACT,)
    splits = list(dict.fromkeys(split for _, split in scores))
    kinds = [
        (split, metric, baseline)
        for split in splits
        for metric in metrics
        for baseline in BASELINES
        if (baseline, split) in scores
    ]
    pairs = [
        _pairs(store, scores[baseline, split], scores["tuned", split], _COLUMN[metric])
        for split, metric, baseline in kinds
    ]
    p_values = holm([mcnemar(old, new) for _, old, new in pairs])
    return [
        _comparison(kind, pair, p_value, groups)
        for kind, pair, p_value in zip(kinds, pairs, p_values, strict=True)
    ]


def judge(
    objective: Objective, comparisons: Sequence[Comparison], table: Sequence[Mapping[str, Any]]
) -> gates.Gate:
    """Return the verdict gate.

    It fails when the tuned model is not surely better than both prompted baselines on the test
    rows, or leaves the right form too often. It warns when the score is below the objective's
    threshold, when the gain is too small to be worth a model, or when the golden rows do not
    confirm it.

    Args:
        objective: The thresholds.
        comparisons: What `compare` found.
        table: What `records.table` returns.
    """
    tuned = next(r for r in table if r["subject"] == "tuned" and r["split"] == "test")["metrics"]
    primary = [item for item in comparisons if item.metric == objective.metric]
    failures = [
        f"On the test rows the tuned model is not better than {NAMES[item.baseline]} by an "
        f"interval that excludes zero ({_points(item.difference)}). More or better rows, or more "
        "epochs, may change that."
        for item in primary
        if item.split == "test" and item.result != "better"
    ]
    if objective.output == "json" and tuned[VALID]["value"] < objective.valid_json:
        failures.append(
            f"Only {tuned[VALID]['value']:.1%} of the answers are valid JSON with exactly the "
            f"objective's fields; the guardrail is {objective.valid_json:.1%}. Train longer."
        )
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


def _pairs(
    store: Store, baseline: int, tuned: int, column: str
) -> tuple[list[str], list[bool], list[bool]]:
    rows = store.rows(
        f"SELECT row_id, b.{column} AS old, t.{column} AS new FROM answers b "  # noqa: S608 - ours
        "JOIN answers t USING (row_id) WHERE b.score_id = ? AND t.score_id = ? ORDER BY row_id",
        (baseline, tuned),
    )
    return (
        [row["row_id"] for row in rows],
        [bool(row["old"]) for row in rows],
        [bool(row["new"]) for row in rows],
    )


def _comparison(
    kind: tuple[Split, str, Subject],
    pair: tuple[list[str], list[bool], list[bool]],
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
