"""How many test rows a verdict needs: the power calculation, before anything is spent.

Both models answer the same rows, so only rows on which they differ count. For metrics of yes or no
the test is McNemar's, and its power is computed exactly; for graded ones it is a test of the mean
difference. Power is the chance of seeing a gain that is there, alpha of seeing one that is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, fmean, stdev

from engine.base import objectives
from engine.base.project import Objective
from engine.base.store import Store

ALPHA, POWER = 0.05, 0.80
_Z_SUM = 1.96 + 0.84  # normal quantiles of alpha/2 and of the power, as tables print them
_DISCORDANT = 0.15  # share of rows that one model gets right and the other wrong
_DEVIATION = 0.30  # of graded differences; assumed until the trial has measured it
_FEWEST = 20  # rows below which a measured spread says little
_MOST = 1_000_000
_EXACT = 200  # discordant rows up to which binomials are summed; the normal curve serves above
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Spread:
    """How much two models differ from row to row.

    Attributes:
        discordant: The share of rows on which just one of the two is right.
        deviation: The standard deviation of the differences of a graded metric.
        rows: The rows it was measured on; 0 where it is assumed.
    """

    discordant: float = _DISCORDANT
    deviation: float = _DEVIATION
    rows: int = 0


@dataclass(frozen=True)
class Sample:
    """The test rows that an objective needs.

    Attributes:
        rows: How many; 0 where no gain is too small, and so none can be asked for.
        sentence: The number with the assumption that it rests on.
        spread: What was assumed or measured.
    """

    rows: int
    sentence: str
    spread: Spread


def required(objective: Objective, spread: Spread | None = None) -> Sample:
    """Return how many test rows show the objective's least useful gain, and on what assumption.

    Args:
        objective: Its primary metric decides the test, its minimum effect the size of the gain.
        spread: What `observed` found; None to assume.
    """
    spread, effect = spread or Spread(), objective.minimum_effect
    if effect <= 0:
        return Sample(0, "Any gain is worth having, so no number of rows is enough.", spread)
    basis = f"as measured on {spread.rows} validation rows" if spread.rows else "an assumption"
    if objectives.metrics()[objective.metric].kind == "graded":
        rows = graded_rows(effect, spread.deviation)
        given = f"the differences of single rows spread by {spread.deviation:.2f}"
    else:
        rows = binary_rows(effect, spread.discordant)
        share = max(spread.discordant, effect)
        given = f"the two models disagree on {share:.0%} of the rows"
        basis = basis if share == spread.discordant else "the least that such a gain needs"
    return Sample(
        rows,
        f"{rows:,} test rows that stand for themselves show a gain of {100 * effect:g} points with "
        f"{POWER:.0%} power at alpha {ALPHA:g}, if {given} ({basis}).",
        spread,
    )


def observed(store: Store, dataset_id: str) -> Spread | None:
    """Return how much the prompted base and the few-shot base differ on the validation rows.

    It stands in for the spread between base and tuned model, which nobody knows yet. None before
    the trial, or where it has fewer than 20 rows with a score.
    """
    newest = (
        "SELECT max(id) FROM scores WHERE dataset_id = :dataset AND split = 'validation' "
        "AND run_id IS NULL AND artifact_id IS NULL AND subject = "
    )
    pairs = store.rows(
        "SELECT b.score AS old, f.score AS new FROM answers b JOIN answers f USING (row_id) "  # noqa: S608 - ours
        f"WHERE b.score_id = ({newest} 'base') AND f.score_id = ({newest} 'few_shot') "
        "AND b.score IS NOT NULL AND f.score IS NOT NULL",
        {"dataset": dataset_id},
    )
    if len(pairs) < _FEWEST:
        return None
    differences = [pair["new"] - pair["old"] for pair in pairs]
    return Spread(
        discordant=fmean(difference != 0 for difference in differences),
        deviation=max(stdev(differences), 0.01),
        rows=len(pairs),
    )


def detectable(rows: int, discordant: float = _DISCORDANT, deviation: float | None = None) -> float:
    """Return the smallest difference of two means that a paired test on so many rows can show.

    Normal approximation at alpha 0.05 and 80 % power. McNemar's exact test, which is a little
    stricter, has 77 to 80 % power there for 50 to 1,000 rows.

    Args:
        rows: Test rows, answered by both models.
        discordant: Of a metric of yes or no, the share of rows on which just one of the two is
            right.
        deviation: Of a graded metric, the standard deviation of the differences; None for yes or
            no.
    """
    if not rows:
        return 1.0
    spread = math.sqrt(discordant) if deviation is None else deviation
    return min(1.0, _Z_SUM * spread / math.sqrt(rows))


def graded_rows(
    effect: float, deviation: float, *, alpha: float = ALPHA, power: float = POWER
) -> int:
    """Return the rows that show a mean difference, by the paired t test (Guenther 1981).

    Args:
        effect: The difference to show, above 0.
        deviation: The standard deviation of the differences.
        alpha: Two-sided.
        power: The chance of showing it.
    """
    z = _NORMAL.inv_cdf(1 - alpha / 2)
    rows = ((z + _NORMAL.inv_cdf(power)) * deviation / effect) ** 2 + z**2 / 2
    return min(_MOST, max(2, math.ceil(rows)))


@lru_cache(maxsize=64)
def binary_rows(
    effect: float, discordant: float, *, alpha: float = ALPHA, power: float = POWER
) -> int:
    """Return the rows on which McNemar's exact test shows a difference of two shares.

    Searched for by its exact power, from the closed formula (Miettinen 1968) on.

    Args:
        effect: The difference to show, above 0.
        discordant: The share of rows on which just one of the two is right; at least `effect`.
        alpha: Two-sided.
        power: The chance of showing it.
    """
    share = min(1.0, max(discordant, effect))
    z, beta = _NORMAL.inv_cdf(1 - alpha / 2), _NORMAL.inv_cdf(power)
    root = z * math.sqrt(share) + beta * math.sqrt(max(share - effect**2, 0))
    low = max(1, math.ceil((root / effect) ** 2 * 0.8))
    high = low
    while high < _MOST and mcnemar_power(high, effect, share, alpha) < power:
        low, high = high, math.ceil(high * 1.25)
    while high - low > max(1, high // 500):
        middle = (low + high) // 2
        if mcnemar_power(middle, effect, share, alpha) < power:
            low = middle
        else:
            high = middle
    return min(_MOST, high)


def mcnemar_power(rows: int, effect: float, discordant: float, alpha: float = ALPHA) -> float:
    """Return the chance that McNemar's exact test finds the better of two models on so many rows.

    Args:
        rows: Rows, answered by both.
        effect: By how much the better one's share of right answers is higher.
        discordant: The share of rows on which just one of the two is right, at least `effect`.
        alpha: Two-sided.
    """
    gained = (discordant + effect) / (2 * discordant)
    middle = rows * discordant
    reach = 5 * math.sqrt(rows * discordant * (1 - discordant)) + 2
    first, last = max(0, math.floor(middle - reach)), min(rows, math.ceil(middle + reach))
    step = max(1, (last - first) // 200)
    total = weights = 0.0
    for told_apart in range(first, last + 1, step):
        weight = _binomial(told_apart, rows, discordant)
        weights += weight
        total += weight * _at_most(_critical(told_apart, alpha), told_apart, 1 - gained)
    return total / weights if weights else 0.0


@lru_cache(maxsize=4096)
def _critical(told_apart: int, alpha: float) -> int:
    """Return the most losses among so many discordant rows that are still significant; -1: none."""
    if told_apart > _EXACT:
        z = _NORMAL.inv_cdf(alpha / 2)
        return math.floor(told_apart / 2 + z * math.sqrt(told_apart) / 2 - 0.5)
    tail, fewest = 0.0, -1
    for losses in range(told_apart // 2 + 1):
        tail += _binomial(losses, told_apart, 0.5)
        if 2 * tail > alpha:
            break
        fewest = losses
    return fewest


def _at_most(losses: int, trials: int, share: float) -> float:
    """Return the chance of at most so many successes in a binomial."""
    if losses < 0:
        return 0.0
    if trials > _EXACT and share * trials > 10:
        spread = math.sqrt(trials * share * (1 - share))
        return _NORMAL.cdf((losses + 0.5 - trials * share) / spread) if spread else 1.0
    return min(1.0, math.fsum(_binomial(k, trials, share) for k in range(losses + 1)))


def _binomial(successes: int, trials: int, share: float) -> float:
    if share <= 0 or share >= 1:
        return float(successes == (trials if share >= 1 else 0))
    return math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(share)
        + (trials - successes) * math.log1p(-share)
    )
