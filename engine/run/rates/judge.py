"""What the curve of a range test says: where the loss falls fastest, where it blows up.

Pure functions of the losses. The test is Smith's (arXiv 1506.01186 and 1708.07120); the smoothing
with its correction for the first steps, and stopping by it, are fastai's way.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Certainty = Literal["clear", "rough", "can't tell"]

_KEPT = 0.8  # of the smoothed loss, that the next step keeps: it looks back on about five steps
_START = 10  # steps at rates too small to matter: what the loss is before, and how it scatters
_RISE, _LEAST_RISE = (
    0.5,
    0.3,
)  # of the fall so far, and of the first loss: from there on it blows up
_WINDOW = 0.5  # decades to both sides, over which the slope is measured
_LEAST_POINTS = 6  # of a window
_SIGMAS = 3.0
_LEAST_FALL = 0.02  # of the first loss
_AGREE = 30  # times between the steepest fall and the blow-up, within which both can be right


class Step(NamedTuple):
    """One step: its rate, its loss, and the loss smoothed over the steps before."""

    rate: float
    loss: float
    smoothed: float


@dataclass(frozen=True)
class Proposal:
    """What a range test proposes.

    Attributes:
        rate: The proposed rate; None where the curve does not tell.
        steepest: Where the loss falls fastest; None where it does not fall.
        blow_up: Where it explodes; None where it does not within the rates tried.
        certainty: How sure that is.
        why: In a sentence or two.
    """

    rate: float | None
    steepest: float | None
    blow_up: float | None
    certainty: Certainty
    why: str


class Smooth:
    """An exponential average without the pull of its beginning at zero."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._weight = 0.0

    def add(self, value: float) -> float:
        """Take a value; return the average."""
        self._sum = _KEPT * self._sum + (1 - _KEPT) * value
        self._weight = _KEPT * self._weight + 1 - _KEPT
        return self._sum / self._weight


def exploded(steps: Sequence[Step]) -> bool:
    """Say whether the loss has blown up at the last step."""
    last = steps[-1]
    if not math.isfinite(last.loss):
        return True
    if len(steps) <= _START:
        return False
    first = _first(steps)
    lowest = min(step.smoothed for step in steps)
    return last.smoothed > lowest + max(_RISE * (first - lowest), _LEAST_RISE * first)


def propose(steps: Sequence[Step]) -> Proposal:
    """Judge the curve of a whole test."""
    finite = [step for step in steps if math.isfinite(step.loss)]
    if len(finite) <= _START + _LEAST_POINTS:
        return Proposal(None, None, None, "can't tell", "The test was too short to say anything.")
    blow_up = steps[-1].rate if exploded(steps) else None
    first, lowest = _first(finite), min(finite[_START:], key=lambda step: step.smoothed)
    falling = [step for step in finite if step.rate <= lowest.rate]
    scatter = _scatter(finite[: max(len(falling), 2 * _START)])
    fall, needed = first - lowest.smoothed, _needed(scatter, first)
    if fall < needed:
        why = (
            f"The loss does not fall by more than chance: from {first:.3f} at tiny rates to "
            f"{lowest.smoothed:.3f} at its lowest; it would have to fall by {needed:.3f}."
        )
        return Proposal(None, None, blow_up, "can't tell", why)
    slope, sigma, at = min(_slope(finite, step.rate, scatter) for step in falling)
    return _of(at if slope < -_SIGMAS * sigma else None, blow_up)


def _of(steepest: float | None, blow_up: float | None) -> Proposal:
    """The lower of the steepest fall and a tenth of the blow-up."""
    walls = "it does not blow up within the rates tried"
    if blow_up is not None:
        walls = f"it blows up at {blow_up:.1e}, a tenth of which is {blow_up / 10:.1e}"
    if steepest is None:
        why = f"The loss falls, but nowhere over half a decade; {walls}."
        rate = None if blow_up is None else _neat(blow_up / 10)
        return Proposal(rate, None, blow_up, "can't tell" if rate is None else "rough", why)
    why = f"The loss falls fastest at {steepest:.1e}; {walls}."
    if blow_up is None:
        return Proposal(_neat(steepest), steepest, None, "rough", why)
    agree = blow_up / _AGREE <= steepest
    rate = _neat(min(steepest, blow_up / 10))
    return Proposal(rate, steepest, blow_up, "clear" if agree else "rough", why)


def _first(steps: Sequence[Step]) -> float:
    return statistics.fmean(step.loss for step in steps[:_START])


def _scatter(steps: Sequence[Step]) -> float:
    """The scatter from batch to batch, whatever the trend: by the differences of neighbours."""
    squares = [(one.loss - other.loss) ** 2 for one, other in itertools.pairwise(steps)]
    return math.sqrt(statistics.fmean(squares) / 2)


def _needed(scatter: float, first: float) -> float:
    """The fall of the smoothed loss that chance does not make."""
    smoothed = scatter * math.sqrt((1 - _KEPT) / (1 + _KEPT))
    return max(_SIGMAS * math.hypot(smoothed, scatter / math.sqrt(_START)), _LEAST_FALL * first)


def _slope(steps: Sequence[Step], rate: float, scatter: float) -> tuple[float, float, float]:
    """Return the loss's slope around a rate, a decade its unit, its standard error, and the rate.

    The losses themselves are fitted, to both sides: the smoothed ones lag behind by some steps,
    which would move the steepest fall to a rate twice as high.
    """
    near = [
        (math.log10(step.rate / rate), step.loss)
        for step in steps
        if abs(math.log10(step.rate / rate)) <= _WINDOW
    ]
    places, losses = zip(*near, strict=True)
    if len(near) < _LEAST_POINTS or places[-1] < _WINDOW / 2 or places[0] > -_WINDOW / 2:
        return 0.0, 0.0, rate
    slope, _ = statistics.linear_regression(places, losses)
    middle = statistics.fmean(places)
    return slope, scatter / math.sqrt(sum((place - middle) ** 2 for place in places)), rate


def _neat(rate: float) -> float:
    """One figure is all that such a test is good for."""
    return float(f"{rate:.0e}")
