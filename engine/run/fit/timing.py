"""From a few measured steps to the time of a whole training."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from typing import NamedTuple

from engine.run.batches import Batch

_COLD_BLOCKS = 2**17  # of 512 bytes, read from a disk: 64 MiB


class Sample(NamedTuple):
    """What one step took.

    Attributes:
        padded: Tokens of a micro-batch, padding included; the mean where a step has several.
        seconds: Seconds of a micro-batch, forward and backward.
        rest: Seconds of the optimizer and of the record keeping.
    """

    padded: float
    seconds: float
    rest: float


def warm(seconds: float) -> float:
    """Return how long this process's start takes when the disk has been read once already.

    The run starts soon after the fit gate and finds libraries and weights in memory. Where this
    process had to read them, its processor time says what is left without the waiting.

    Args:
        seconds: What the start took.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    if used.ru_inblock < _COLD_BLOCKS:
        return seconds
    return min(seconds, used.ru_utime + used.ru_stime)


def total(samples: Sequence[Sample], batches: Sequence[Batch], steps: int) -> float:
    """Return the seconds of all steps of a training.

    A micro-batch's time is a line over its tokens, fitted by least squares: the sampled ones differ
    in size, and the line carries what they took to those that were not sampled.

    Args:
        samples: Measured steps.
        batches: Every micro-batch of the training.
        steps: Its optimizer steps.
    """
    fixed, each = _line([(sample.padded, sample.seconds) for sample in samples])
    computed = sum(fixed + each * batch.padded for batch in batches)
    return computed + steps * sum(sample.rest for sample in samples) / len(samples)


def scaled(seconds: float, tried: Sequence[Batch], every: Sequence[Batch]) -> float:
    """Return what a pass over all micro-batches takes, from what some of them took."""
    tokens = sum(batch.padded for batch in tried)
    return seconds * sum(batch.padded for batch in every) / tokens if tokens else 0.0


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the intercept and the slope of the best line that does not fall."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread:
        return mean_y, 0.0
    slope = max(0.0, sum((x - mean_x) * (y - mean_y) for x, y in points) / spread)
    return mean_y - slope * mean_x, slope
