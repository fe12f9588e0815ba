"""Agreement: whether two people who label the same rows mean the same by the labels.

Cohen's kappa (Cohen 1960) for two people and Krippendorff's alpha for nominal data (Krippendorff
2011, "Computing Krippendorff's Alpha-Reliability") for any number of them, gaps allowed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from engine.data.curate.review import Review

GOOD = 0.8  # Krippendorff's bound for conclusions that one may rely on
TENTATIVE = 0.667  # his bound for tentative ones
LEAST = 50  # rows of a pilot that two people label
_RESAMPLES = 1000
_AS_READ = "as read"

Result = Literal["go", "revise", "stop", "few", "unknown"]
ADVICE: dict[Result, str] = {
    "go": "The reviewers mean the same: go on.",
    "revise": "Revise the guidelines where the reviewers differ, and label another pilot.",
    "stop": "The reviewers do not mean the same: talk over the disputed rows before going on.",
    "few": f"Let two people decide on the same {LEAST} rows first.",
    "unknown": "All chose the same; rows of other kinds are needed to tell agreement from habit.",
}


@dataclass(frozen=True)
class Agreement:
    """How far people agree about the rows on which at least two of them decided.

    Attributes:
        rows: How many rows these are.
        reviewers: The people.
        same: The share of pairs of decisions that are equal; 0 without rows.
        kappa: Cohen's kappa of the two people with most rows in common; None where both always
            chose the same one thing.
        pair: These two.
        alpha: Krippendorff's alpha over all; None where all always chose the same one thing.
        interval: Its 95 % bootstrap interval over rows; None where it was not asked for.
        result: go from .8 on, revise from .667 on, else stop; few below 50 rows.
    """

    rows: int
    reviewers: tuple[str, ...]
    same: float
    kappa: float | None
    pair: tuple[str, ...]
    alpha: float | None
    interval: tuple[float, float] | None
    result: Result


def kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Return Cohen's kappa of two people's labels; None where chance alone explains all.

    Args:
        pairs: For each row the label of the first and of the second person.
    """
    if not pairs:
        return None
    n = len(pairs)
    seen = sum(first == second for first, second in pairs) / n
    ours, theirs = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(count * theirs[label] for label, count in ours.items()) / n**2
    return None if chance == 1 else (seen - chance) / (1 - chance)


def alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Return Krippendorff's alpha for nominal data; None where no two labels differ.

    Args:
        units: For each row the labels it got; a row with fewer than two counts for nothing.
    """
    return _alpha(Counter(_unit(labels) for labels in units if len(labels) > 1))


def interval(
    units: Iterable[Sequence[Hashable]], *, resamples: int = _RESAMPLES, seed: int = 42
) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of alpha over resampled rows; None without an alpha."""
    counted = Counter(_unit(labels) for labels in units if len(labels) > 1)
    if _alpha(counted) is None:
        return None
    kinds, weights = list(counted), list(counted.values())
    drawn = random.Random(seed)  # noqa: S311 - statistics, no secret
    values = []
    for _ in range(resamples):
        value = _alpha(Counter(drawn.choices(kinds, weights, k=sum(weights))))
        if value is not None:
            values.append(value)
    if not values:
        return None
    values.sort()
    last = len(values) - 1
    return values[round(0.025 * last)], values[round(0.975 * last)]


_Unit = frozenset[tuple[Hashable, int]]


def _unit(labels: Sequence[Hashable]) -> _Unit:
    return frozenset(Counter(labels).items())


def _alpha(units: Mapping[_Unit, int]) -> float | None:
    """Return alpha from how often each combination of labels occurs."""
    totals: Counter[Hashable] = Counter()
    observed = 0.0
    for unit, times in units.items():
        size = sum(count for _, count in unit)
        unlike = size**2 - sum(count**2 for _, count in unit)
        observed += times * unlike / (size - 1)
        for label, count in unit:
            totals[label] += times * count
    n = sum(totals.values())
    expected = n**2 - sum(count**2 for count in totals.values())
    return None if not expected else 1 - (n - 1) * observed / expected


def measure(
    made: Mapping[str, Sequence[Review]],
    labels: Mapping[str, str] | None = None,
    *,
    resamples: int = _RESAMPLES,
) -> dict[str, Agreement]:
    """Return the agreement about what to do with a row (`decision`) and about its `label`.

    Of each person the first decision on a row counts, for a later one may follow from talking it
    over, and none that settles a dispute. The label is the row's answer and scenario as the person
    would have them; rows that a person rejects have none.

    Args:
        made: The decisions by row, the oldest first, as `review.reviews` gives them.
        labels: The rows' answers as they were read, by row id, where known.
        resamples: How often to resample for the interval; 0 for none.
    """
    wishes: list[dict[str, Hashable]] = []
    meant: list[dict[str, Hashable]] = []
    for row_id, some in made.items():
        first = {review.reviewer: review for review in reversed(some) if not review.settles}
        read = (labels or {}).get(row_id, _AS_READ)
        wishes.append({name: review.decision for name, review in first.items()})
        meant.append(
            {
                name: (review.completion or read, review.scenario or _AS_READ)
                for name, review in first.items()
                if review.decision != "reject"
            }
        )
    return {"decision": _measured(wishes, resamples), "label": _measured(meant, resamples)}


def _measured(units: Iterable[Mapping[str, Hashable]], resamples: int) -> Agreement:
    double = [unit for unit in units if len(unit) > 1]
    together = Counter(pair for unit in double for pair in combinations(sorted(unit), 2))
    pair = min(together, key=lambda names: (-together[names], names), default=())
    pairs = [(unit[pair[0]], unit[pair[1]]) for unit in double if pair and {*pair} <= {*unit}]
    both = [ends for unit in double for ends in combinations(unit.values(), 2)]
    lists = [list(unit.values()) for unit in double]
    value = alpha(lists)
    return Agreement(
        rows=len(double),
        reviewers=tuple(sorted({name for unit in double for name in unit})),
        same=sum(a == b for a, b in both) / len(both) if both else 0.0,
        kappa=kappa(pairs),
        pair=pair,
        alpha=value,
        interval=interval(lists, resamples=resamples) if resamples else None,
        result=_result(len(double), value),
    )


def _result(rows: int, value: float | None) -> Result:
    if rows < LEAST:
        return "few"
    if value is None:
        return "unknown"
    return "go" if value >= GOOD else "revise" if value >= TENTATIVE else "stop"
