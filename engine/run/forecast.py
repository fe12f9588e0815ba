"""How long a run still takes: the work left, times what work has taken so far, with its error.

Pure arithmetic; the watcher brings the clocks.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

_COLD = 2  # first steps of a session, which are slow, and leave when others are known
_LIKELY = 1.645  # standard errors on either side of nine in ten
_LEAST = 0.02  # what speed drifts by on any box, as a share
_FORWARD = 1 / 3  # of a training pass that a validation pass computes


class Left(NamedTuple):
    """Seconds that are left, and half the width of the interval that holds nine in ten."""

    seconds: float
    error: float


class Forecast:
    """Learns a run's speed as it goes.

    Args:
        work: What each step of the run computes, in tokens.
        validations: The steps after which the validation rows are computed.
        saves: The steps after which a checkpoint is written.
        validation_work: What one validation computes, in tokens.
    """

    def __init__(
        self,
        work: Sequence[float],
        validations: Sequence[int] = (),
        saves: Sequence[int] = (),
        validation_work: float = 0.0,
    ) -> None:
        self._work = work
        self._left = list(accumulate(reversed(work), initial=0.0))[::-1]  # after each step
        self._validations = validations
        self._saves = saves
        self._validation_work = validation_work
        self._steps: list[tuple[float, float]] = []
        self._validated: list[float] = []
        self._saved: list[float] = []

    def stepped(self, step: int, seconds: float) -> None:
        """Take what a step took, without validation and saving; steps count from 1."""
        if 0 < step <= len(self._work):
            self._steps.append((self._work[step - 1], seconds))

    def validated(self, seconds: float) -> None:
        """Take what a validation took, answers to samples included."""
        self._validated.append(seconds)

    def saved(self, seconds: float) -> None:
        """Take what a checkpoint took."""
        self._saved.append(seconds)

    def left(self, step: int) -> Left:
        """Return what is left after a step; nothing is known before the first one."""
        known = self._steps[_COLD:] or self._steps
        if not known:
            return Left(math.nan, math.nan)
        speed = sum(seconds for _, seconds in known) / sum(work for work, _ in known)
        training = speed * self._left[min(step, len(self._work))]
        guess = _FORWARD * speed * self._validation_work
        validating = _each(self._validated, guess) * _after(self._validations, step)
        saving = _each(self._saved, 0.0) * _after(self._saves, step)
        ahead = len(self._work) - step
        error = training * _error(known, speed, ahead) + self._blind(step, guess)
        return Left(training + validating + saving, error)

    def _blind(self, step: int, guess: float) -> float:
        """What validations may take beside the guess, while none has been seen."""
        return 0.0 if self._validated else guess * _after(self._validations, step)


def _each(seen: Sequence[float], otherwise: float) -> float:
    return statistics.fmean(seen) if seen else otherwise


def _after(steps: Sequence[int], step: int) -> int:
    return sum(1 for each in steps if each > step)


def _error(known: Sequence[tuple[float, float]], speed: float, ahead: int) -> float:
    """Half the interval of the time of the steps ahead, as a share of it.

    The standard error of a ratio of sums, and that of the sum of as many steps still to come.
    """
    count = len(known)
    if count < 2 or ahead < 1:
        return 1.0
    residuals = sum((seconds - speed * work) ** 2 for work, seconds in known) / (count - 1)
    mean = statistics.fmean(seconds for _, seconds in known)
    share = math.sqrt(residuals * (1 / count + 1 / ahead)) / mean if mean else 1.0
    return max(_LEAST, _LIKELY * share)
