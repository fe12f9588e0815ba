"""Reading what was scored, for the screens, the command line and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.base import objectives
from engine.base.store import Store
from engine.data import dataset
from engine.score.metrics import EXACT, VALID
from engine.score.scoring import NAMES

_ORDER = "split = 'golden', CASE subject WHEN 'base' THEN 0 WHEN 'few_shot' THEN 1 ELSE 2 END"
_COMPARED = (
    "SELECT baseline_score_id AS id FROM verdicts WHERE run_id = :run "
    "UNION SELECT tuned_score_id FROM verdicts WHERE run_id = :run"
)
_ROWS = {"test": "held-out", "golden": "golden"}
_APART = 0.1  # graded answers to one row that are closer differ by wording only


def table(store: Store, run_id: int) -> list[dict[str, Any]]:
    """Return the scores that a run's verdict compares; empty before its evaluation.

    Each is a dict of `split`, `subject`, `model`, `n`, `seconds`, `score_id`, `metric` (the primary
    one), `tokens` (of an answer on average) and `metrics`, which holds `value`, `low`, `high` and
    `n` by metric. Test rows first; base, few-shot base, tuned.
    """
    scores = store.rows(
        "SELECT s.*, (SELECT avg(tokens) FROM answers WHERE score_id = s.id) AS tokens "  # noqa: S608 - ours
        f"FROM scores s WHERE id IN ({_COMPARED}) ORDER BY {_ORDER}",
        {"run": run_id},
    )
    return [
        {
            "split": score["split"],
            "subject": score["subject"],
            "model": score["model"],
            "n": score["rows"],
            "seconds": score["seconds"],
            "score_id": score["id"],
            "metric": score["metric"],
            "tokens": score["tokens"],
            "metrics": metrics(store, score["id"]),
        }
        for score in scores
    ]


def metrics(store: Store, score_id: int) -> dict[str, dict[str, float]]:
    """Return a score's metrics: `value`, `low`, `high` and `n` by name."""
    rows = store.rows(
        "SELECT metric, value, low, high, n FROM score_metrics WHERE score_id = ? ORDER BY rowid",
        (score_id,),
    )
    return {row["metric"]: {key: row[key] for key in ("value", "low", "high", "n")} for row in rows}


def verdicts(store: Store, run_id: int) -> list[dict[str, Any]]:
    """Return a run's comparisons, the one that decides first.

    That is the primary metric on the test rows against the stronger baseline.
    """
    rows = store.rows(
        "SELECT * FROM verdicts WHERE run_id = ? "
        "ORDER BY split = 'golden', metric = ?, difference, id",
        (run_id, VALID),
    )
    return [dict(row) for row in rows]


def sentence(store: Store, run_id: int) -> str:
    """Return the verdict on the test rows in one sentence; empty before the evaluation."""
    decisive = next(iter(verdicts(store, run_id)), None)
    if decisive is None:
        return ""
    metric, rows, name = (
        decisive["metric"],
        _ROWS[decisive["split"]],
        NAMES[decisive["baseline"]],
    )
    meaning = objectives.metrics()[metric]
    tuned = metrics(store, decisive["tuned_score_id"])[metric]
    if meaning.kind == "graded":
        base = metrics(store, decisive["baseline_score_id"])[metric]
        said = (
            f"The tuned model scores {_percent(tuned)} by {meaning.title} on {tuned['n']} {rows} "
            f"messages, {name} {100 * base['value']:.0f} %"
        )
    else:
        how = "exactly" if metric == EXACT else f"rightly, by {meaning.title}"
        said = (
            f"The tuned model answers {_right(store, decisive['tuned_score_id'], metric)} of "
            f"{tuned['n']} {rows} messages {how} ({_percent(tuned)}), {name} "
            f"{_right(store, decisive['baseline_score_id'], metric)}"
        )
    return f"{said}: {_outcome(decisive)}."


def changed_rows(store: Store, run_id: int, split: str | None = None) -> list[dict[str, Any]]:
    """Return the rows that the tuned model answers better or worse than a baseline, side by side.

    Each is a dict of `split`, `row_id`, `prompt`, `expected`, and `base`, `few_shot` and `tuned`,
    which hold `answer`, `exact` and `score` (by the primary metric, where it was recorded). Of a
    graded metric answers to one row differ from a tenth on. Losses first: they are what there is to
    learn from.

    Args:
        store: The workspace's store.
        run_id: The run.
        split: Only the rows of `test` or `golden`; None for both.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for item in store.rows(
        "SELECT s.split, s.subject, a.row_id, a.expected, a.answer, a.exact, "  # noqa: S608 - ours
        "coalesce(a.score, a.exact) AS score FROM scores s "
        f"JOIN answers a ON a.score_id = s.id WHERE s.id IN ({_COMPARED}) "
        f"AND s.split = coalesce(:split, s.split) ORDER BY {_ORDER}",
        {"run": run_id, "split": split},
    ):
        row = rows.setdefault(
            (item["split"], item["row_id"]),
            {key: item[key] for key in ("split", "row_id", "expected")},
        )
        row[item["subject"]] = {
            "answer": item["answer"],
            "exact": bool(item["exact"]),
            "score": item["score"],
        }
    changed = [row for row in rows.values() if _changed(row)]
    prompts = _prompts(store, run_id, {row["split"] for row in changed})
    return [{"prompt": prompts.get(row["row_id"], ""), **row} for row in sorted(changed, key=_gain)]


def _changed(row: Mapping[str, Any]) -> bool:
    own = row["tuned"]["score"]
    return any(abs(row[name]["score"] - own) >= _APART for name in NAMES if name in row)


def _gain(row: Mapping[str, Any]) -> float:
    """Return how much worse the tuned answer is than the best other one, as a negative; else 0."""
    others = [row[name]["score"] for name in NAMES if name in row and name != "tuned"]
    return min(0.0, float(row["tuned"]["score"] - max(others)))


def _prompts(store: Store, run_id: int, splits: set[str]) -> dict[str, str]:
    dataset_id = store.scalar("SELECT dataset_id FROM runs WHERE id = ?", (run_id,))
    rows = dataset.load(store, dataset_id)
    return {
        row.id: row.prompt
        for split in dataset.SPLITS
        if split in splits
        for row in rows.rows(split)
    }


def _outcome(verdict: Mapping[str, Any]) -> str:
    points, low, high = (round(100 * verdict[key]) for key in ("difference", "low", "high"))
    if verdict["result"] == "can't tell":
        return f"a difference of {points} points ({low} to {high}), which can't be told from luck"
    sign = -1 if verdict["result"] == "worse" else 1
    low, high = sorted((sign * low, sign * high))
    return f"{verdict['result']} by {sign * points} points ({low} to {high})"


def _right(store: Store, score_id: int, metric: str) -> int:
    column = "exact" if metric == EXACT else "score"
    query = f"SELECT sum({column}) FROM answers WHERE score_id = ?"  # noqa: S608 - ours
    return round(store.scalar(query, (score_id,)) or 0)


def _percent(metric: Mapping[str, float]) -> str:
    value, low, high = (100 * metric[key] for key in ("value", "low", "high"))
    return f"{value:.0f} %, {low:.0f} to {high:.0f} %"
