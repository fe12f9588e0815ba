"""The order of an attempt: the worst micro-batches, a sample of all, and the worst once more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple

from engine.run.batches import Batch
from engine.run.fit import worst

Phase = Literal["worst", "sample", "again"]

_TIMES = 2  # with each of the worst: the optimizer's state exists from the second step on
_MOST_STEPS = 32  # of the sample


class Taken(NamedTuple):
    """A micro-batch on its way to the trainer, and why it is taken."""

    batch: Batch
    phase: Phase


class Course:
    """A sampler for the trainer's data loader, which ends its sample when it is told to.

    Args:
        batches: Every micro-batch of the run.
        size: Rows of a micro-batch.
        together: Micro-batches of a step.

    Attributes:
        taken: What was handed out so far, in order.
        closing: Whether the sample shall end; the loader may have taken a step in advance.
    """

    def __init__(self, batches: Sequence[Batch], size: int, together: int) -> None:
        whole = [batch for batch in batches if len(batch.rows) == size]
        whole = whole or [worst.filled(max(batches, key=lambda batch: batch.widest), size)]
        self.together = together
        self.taken: list[Taken] = []
        self.closing = False
        self._size = size
        self._heavy = worst.worst(whole)
        self._sample = list(_sampled(whole, together))

    @property
    def steps(self) -> int:
        """The most steps that it can take."""
        return len(self._heavy) * (_TIMES + 1) + len(self._sample)

    def __len__(self) -> int:
        return self.steps * self.together * self._size

    def __iter__(self) -> Iterator[int]:
        for batch in self._heavy:
            yield from self._take([batch] * self.together * _TIMES, "worst")
        for near in self._sample:
            if self.closing:
                break
            yield from self._take(near, "sample")
        for batch in self._heavy:
            yield from self._take([batch] * self.together, "again")

    def step(self, number: int) -> list[Taken]:
        """Return the micro-batches of a step, counted from 1."""
        return self.taken[(number - 1) * self.together : number * self.together]

    def is_last_of(self, phase: Phase, number: int) -> bool:
        """Say whether a step is the last of a phase, as far as that is known when it ends."""
        heavy = len(self._heavy) * _TIMES
        if phase == "worst":
            return number == heavy
        if phase == "sample":
            return number == heavy + len(self._sample)
        seen = [taken.phase for taken in self.taken[: number * self.together]]
        return seen.count("again") == len(self._heavy) * self.together

    def _take(self, batches: Sequence[Batch], phase: Phase) -> Iterator[int]:
        for batch in batches:
            self.taken.append(Taken(batch, phase))
            yield from batch.rows


def _sampled(batches: Sequence[Batch], together: int) -> Iterator[list[Batch]]:
    """Yield the micro-batches of each step, of like size, from everywhere in the order of size."""
    by_size = sorted(batches, key=lambda batch: batch.padded)
    for place in islice(worst.spread(by_size), _MOST_STEPS):
        start = max(0, min(place, len(by_size) - together))
        near = by_size[start : start + together]
        yield near if len(near) == together else near * together
