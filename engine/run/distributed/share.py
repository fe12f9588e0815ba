"""Which rows of a step are this process's: together all processes compute the one-process step.

A step of one process is `accumulation` micro-batches of the run's order. Over N processes it is the
same rows: whole micro-batches are dealt out where the accumulation can be divided, else each
micro-batch is cut into N parts. Where the last step of an epoch has too few, a process computes a
row that nothing is learnt from: all must compute equally often.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

NOTHING = -1  # in place of a row's number


@dataclass(frozen=True)
class Division:
    """How a step is divided.

    Attributes:
        processes: How many share it.
        micro_batch: Rows of a micro-batch of one process that trains alone.
        accumulation: Micro-batches of a step of one process that trains alone.
    """

    processes: int
    micro_batch: int
    accumulation: int

    @property
    def dealt(self) -> bool:
        """Whether whole micro-batches are dealt out; else each is cut."""
        return self.accumulation % self.processes == 0

    @property
    def rows(self) -> int:
        """Rows that a process computes at a time."""
        return self.micro_batch if self.dealt else self.micro_batch // self.processes

    @property
    def turns(self) -> int:
        """How often each process computes in a step."""
        return self.accumulation // self.processes if self.dealt else self.accumulation

    def length(self, rows: int) -> int:
        """Return how often each process computes in an epoch of so many rows."""
        batches = math.ceil(rows / self.micro_batch)
        steps, rest = divmod(batches, self.accumulation)
        if not self.dealt:
            return batches
        return steps * self.turns + math.ceil(rest / self.processes)

    def part(self, order: Iterable[int], rank: int) -> Iterator[list[int]]:
        """Yield the rows of each turn of one process; `[NOTHING]` where there is none for it."""
        rows = list(order)
        size = self.micro_batch
        batches = [rows[at : at + size] for at in range(0, len(rows), size)]
        if not self.dealt:
            for batch in batches:
                yield batch[rank * self.rows : (rank + 1) * self.rows] or [NOTHING]
            return
        for at in range(0, len(batches), self.accumulation):
            step = batches[at : at + self.accumulation]
            for turn in range(math.ceil(len(step) / self.processes)):
                place = turn * self.processes + rank
                yield step[place] if place < len(step) else [NOTHING]


class Shares:
    """A batch sampler for one process; the data loader's own division is left out.

    Args:
        order: The row numbers of an epoch; its `set_epoch` is called where it has one.
        count: Rows of an epoch.
        division: How a step is divided.
        rank: The process.

    Attributes:
        batch_size: Rows that a process computes at a time.
        num_processes: How many compute; accelerate reads both to drop what was filled up.
    """

    def __init__(self, order: Iterable[int], count: int, division: Division, rank: int) -> None:
        self.sampler = order
        self.batch_size = division.rows
        self.num_processes = division.processes
        self.drop_last = False
        self._count = count
        self._division = division
        self._rank = rank

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return self._division.length(self._count)

    def __iter__(self) -> Iterator[list[int]]:
        return self._division.part(self.sampler, self._rank)
