"""How sure a figure is: intervals, tests and their correction.

Every interval is of 95 %: were the same measured on many other samples of rows, 95 of 100 such
intervals would hold the true value.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

_Z = 1.959963984540054  # the normal distribution's 97.5 % point
_LOW, _HIGH = 0.025, 0.975
RESAMPLES = 10_000
_DRAWS = 1 << 22  # random numbers held at once, 32 MB


class Interval(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, n: int) -> Interval:
    """Return a share with Wilson's score interval (1927); never outside 0 to 1.

    Unlike the textbook interval it holds its 95 % for few rows and for shares near 0 and 1. Nothing
    measured (n = 0) is a share of 0 that could be anything.
    """
    if n == 0:
        return Interval(0.0, 0.0, 1.0)
    share = successes / n
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    centre, divisor = share + _Z**2 / (2 * n), 1 + _Z**2 / n
    low = 0.0 if successes == 0 else (centre - spread) / divisor
    high = 1.0 if successes == n else (centre + spread) / divisor
    return Interval(share, low, high)


def paired_difference(
    baseline: Sequence[float],
    tuned: Sequence[float],
    groups: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return the mean of tuned minus baseline, with a percentile bootstrap interval.

    Paired: both answered the same rows, so what makes a row hard for both cancels out. Whole groups
    are drawn, because rows of one group (a customer, a document) are not independent evidence.

    Args:
        baseline: The baseline's figure per row.
        tuned: The tuned model's figure for the same rows, in the same order.
        groups: The group of each row; None when each row stands for itself.
        resamples: How many samples are drawn.
        seed: Makes the interval the same every time.
    """
    import numpy as np

    if len(baseline) != len(tuned):
        raise ValueError("A paired comparison needs the same rows on both sides.")
    if not len(tuned):
        return Interval(0.0, -1.0, 1.0)
    differences = np.asarray(tuned, dtype=float) - np.asarray(baseline, dtype=float)
    labels = range(len(tuned)) if groups is None else groups
    place = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    member = np.array([place[label] for label in labels])
    sums = np.bincount(member, weights=differences)
    sizes = np.bincount(member)
    random = np.random.default_rng(seed)
    chunk = max(1, _DRAWS // len(sums))
    means = np.concatenate(
        [
            sums[drawn].sum(1) / sizes[drawn].sum(1)
            for drawn in (
                random.integers(len(sums), size=(min(chunk, resamples - done), len(sums)))
                for done in range(0, resamples, chunk)
            )
        ]
    )
    low, high = np.quantile(means, (_LOW, _HIGH))
    return Interval(float(differences.mean()), float(low), float(high))


def mcnemar(baseline: Sequence[bool], tuned: Sequence[bool]) -> float:
    """Return the exact two-sided p-value of McNemar's test (1947).

    Only rows that exactly one of the two got right tell them apart; if neither is better, each such
    row is a fair coin. The p-value is how often fair coins would fall at least as unevenly.
    """
    gained = sum(new and not old for old, new in zip(baseline, tuned, strict=True))
    lost = sum(old and not new for old, new in zip(baseline, tuned, strict=True))
    told_apart = gained + lost
    fewer = sum(math.comb(told_apart, k) for k in range(min(gained, lost) + 1))
    return min(1.0, float(2 * fewer / 2**told_apart))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for how many comparisons were made (Holm 1979), in order.

    Of twenty comparisons of equals one looks significant; after the correction, one such find among
    all comparisons together has a chance of at most 5 %.
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected
