"""How long a run still takes: the work left, times what work has taken so far, with its error.

Pure arithmetic; the watcher brings the clocks.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
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
        self._known = _Sums()
        self._cold: list[tuple[float, float]] = []
        self._validated: list[float] = []
        self._saved: list[float] = []

    def stepped(self, step: int, seconds: float) -> None:
        """Take what a step took, without validation and saving; steps count from 1."""
        if not 0 < step <= len(self._work):
            return
        if len(self._cold) < _COLD:
            self._cold.append((self._work[step - 1], seconds))
        else:
            self._known.add(self._work[step - 1], seconds)

    def validated(self, seconds: float) -> None:
        """Take what a validation took, answers to samples included."""
        self._validated.append(seconds)

    def saved(self, seconds: float) -> None:
        """Take what a checkpoint took."""
        self._saved.append(seconds)

    def left(self, step: int) -> Left:
        """Return what is left after a step; nothing is known before the first one."""
        known = self._known if self._known.count else _Sums.of(self._cold)
        if not known.count:
            return Left(math.nan, math.nan)
        training = known.speed * self._left[min(step, len(self._work))]
        guess = _FORWARD * known.speed * self._validation_work
        validating = _each(self._validated, guess) * _after(self._validations, step)
        saving = _each(self._saved, 0.0) * _after(self._saves, step)
        error = training * known.error(len(self._work) - step) + self._blind(step, guess)
        return Left(training + validating + saving, error)

    def _blind(self, step: int, guess: float) -> float:
        """What validations may take beside the guess, while none has been seen."""
        return 0.0 if self._validated else guess * _after(self._validations, step)


class _Sums:
    """Work and seconds of steps as sums: a long run's forecast costs what a short one's does."""

    def __init__(self) -> None:
        self.count = 0
        self._work = self._seconds = 0.0
        self._squared = [0.0, 0.0, 0.0]  # of work, of work x seconds, of seconds

    @classmethod
    def of(cls, steps: Sequence[tuple[float, float]]) -> _Sums:
        """Return the sums of some steps."""
        sums = cls()
        for work, seconds in steps:
            sums.add(work, seconds)
        return sums

    def add(self, work: float, seconds: float) -> None:
        """Take a step."""
        self.count += 1
        self._work += work
        self._seconds += seconds
        terms = (work * work, work * seconds, seconds * seconds)
        self._squared = [old + new for old, new in zip(self._squared, terms, strict=True)]

    @property
    def speed(self) -> float:
        """Seconds for each token."""
        return self._seconds / self._work

    def error(self, ahead: int) -> float:
        """Return half the interval of the time of the steps ahead, as a share of it.

        The standard error of a ratio of sums, and that of the sum of as many steps still to come.
        """
        if self.count < 2 or ahead < 1 or not self._seconds:
            return 1.0
        work, both, seconds = self._squared
        residuals = seconds - 2 * self.speed * both + self.speed**2 * work
        variance = max(0.0, residuals) / (self.count - 1)
        mean = self._seconds / self.count
        share = math.sqrt(variance * (1 / self.count + 1 / ahead)) / mean
        return max(_LEAST, _LIKELY * share)


def _each(seen: Sequence[float], otherwise: float) -> float:
    return statistics.fmean(seen) if seen else otherwise


def _after(steps: Sequence[int], step: int) -> int:
    """How many of the steps, which rise, come after one."""
    return len(steps) - bisect_right(steps, step)
