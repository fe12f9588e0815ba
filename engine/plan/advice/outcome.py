"""The advice against what happened: the expected gain, and the one that the verdict found."""

from __future__ import annotations

from dataclasses import dataclass

from engine.base.store import Store
from engine.plan.advice.facts import Facts
from engine.plan.advice.weigh import Verdict, best_of

_BASELINES = ("base", "few_shot")  # those that a verdict compares with


@dataclass(frozen=True)
class Expected:
    """What tuning should gain over the best plain prompt, as shares of 1.

    Attributes:
        low: The least gain that the advice promises: the minimum effect; less would not be worth
            it.
        high: The gain that reaches the threshold.
    """

    low: float
    high: float


def expected(facts: Facts, verdict: Verdict) -> Expected | None:
    """Return what the advice promises; None where it does not advise to tune or has no figures."""
    metric = facts.objective.metric
    scores = {name: facts.trial[name] for name in _BASELINES if metric in facts.trial.get(name, {})}
    best = best_of(scores, metric)
    if verdict != "fine-tune" or not best:
        return None
    effect = facts.objective.minimum_effect
    return Expected(effect, max(effect, facts.objective.threshold - scores[best][metric].value))


def compared(
    store: Store, facts: Facts, dataset_id: str, verdict: Verdict, promised: Expected | None
) -> str:
    """Return what the newest run on this dataset made of the advice; empty before a verdict."""
    row = store.row(
        "SELECT v.run_id, v.baseline, v.difference, v.low, v.high, v.result FROM verdicts v "
        "JOIN runs r ON r.id = v.run_id WHERE r.dataset_id = ? AND v.metric = ? "
        "AND v.split = 'test' ORDER BY v.run_id DESC, v.difference LIMIT 1",
        (dataset_id, facts.objective.metric),
    )
    if row is None:
        return ""
    gained = (
        f"Run {row['run_id']} then gained {row['difference']:+.2f} ({row['low']:+.2f} to "
        f"{row['high']:+.2f}) over the stronger prompt on the test rows"
    )
    if promised is None:
        held = row["result"] != "better" or row["difference"] < facts.objective.minimum_effect
        word = "not worth it" if held else "worth it"
        return f"{gained}: tuning was {word}, and the advice was {verdict!r}."
    kept = row["result"] == "better" and row["difference"] >= promised.low
    return (
        f"{gained}; {promised.low:.2f} to {promised.high:.2f} were expected, so the advice was "
        f"{'right' if kept else 'wrong'}."
    )
