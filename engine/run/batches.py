"""Which micro-batches a training will compute, in which pieces, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

from engine.plan.plan import Plan
from engine.run import arguments, pieces
from engine.run.examples import IGNORED, Examples


class Piece(NamedTuple):
    """A part of a micro-batch that is computed at a time.

    Attributes:
        rows: How many there are.
        padded: Tokens computed, padding included.
        answers: Tokens that enter the loss.
    """

    rows: int
    padded: int
    answers: int


class Size(NamedTuple):
    """One row: its tokens, and how many of them enter the loss where that is known."""

    tokens: int
    answers: int


class Batch(NamedTuple):
    """One micro-batch.

    Attributes:
        rows: Row numbers.
        padded: Tokens computed, padding included.
        answers: Tokens that enter the loss.
        pieces: What is computed at a time, one after the other; empty for all of it at once.
    """

    rows: tuple[int, ...]
    padded: int
    answers: int
    pieces: tuple[Piece, ...] = ()

    @property
    def parts(self) -> tuple[Piece, ...]:
        """The pieces, also where there is only one."""
        return self.pieces or (Piece(len(self.rows), self.padded, self.answers),)

    @property
    def widest(self) -> tuple[int, int]:
        """Tokens of the piece that computes most, and its answers: what memory depends on."""
        return max((piece.padded, piece.answers) for piece in self.parts)

    @property
    def fullest(self) -> tuple[int, int]:
        """Answers of the piece that has most, and its tokens."""
        return max((piece.answers, piece.padded) for piece in self.parts)


def sizes(examples: Examples) -> list[Size]:
    """Return the size of each row."""
    return [
        Size(tokens, len(labels) - labels.count(IGNORED))
        for tokens, labels in zip(
            examples.lengths, (row.get("labels", []) for row in examples.rows), strict=True
        )
    ]


class Cutter:
    """Cuts rows into micro-batches and pieces, as the run will.

    Args:
        size: Rows of a micro-batch.
        cut: Cuts a micro-batch, told the tokens of its rows.
        packing: Whether the rows of a piece lie end to end.
        prefix: Tokens that all rows begin with, which a piece computes once.
    """

    def __init__(self, size: int, cut: pieces.Cut, *, packing: bool, prefix: int = 0) -> None:
        self._size = size
        self._pieces = cut
        self._packing = packing
        self._prefix = prefix

    @classmethod
    def of(cls, plan: Plan, training: Examples) -> Cutter:
        """Return the one of a plan and its training rows."""
        packing, prefix = arguments.packing(plan), arguments.prefix(plan, training)
        cut = arguments.cut(plan, prefix)
        return cls(plan["micro_batch"], cut, packing=packing, prefix=prefix)

    def batch(self, rows: Sequence[Size], chosen: Sequence[int]) -> Batch:
        """Return one micro-batch of the rows that were chosen."""
        lengths = [rows[row].tokens for row in chosen]
        parts = []
        for piece in self._pieces(lengths):
            padded = pieces.width(lengths, piece, packing=self._packing, prefix=self._prefix)
            answers = sum(rows[chosen[place]].answers for place in piece)
            parts.append(Piece(len(piece), padded, answers))
        padded, answers = (sum(part[at] for part in parts) for at in (1, 2))
        return Batch(tuple(chosen), padded, answers, tuple(parts))

    def batches(self, rows: Sequence[Size], order: Sequence[int]) -> list[Batch]:
        """Return rows, taken in an order, as micro-batches."""
        starts = range(0, len(order), self._size)
        return [self.batch(rows, order[start : start + self._size]) for start in starts]


def of_run(plan: Plan, training: Examples) -> Iterator[list[Batch]]:
    """Yield the micro-batches of each step of a run, as it will put them together.

    Args:
        plan: Its steps, batches, order and pieces.
        training: The training rows.
    """
    rows, cutter = sizes(training), Cutter.of(plan, training)
    order = arguments.order(plan, training.lengths)
    together, left = int(plan["accumulation"]), int(plan["steps"])
    for epoch in count():
        order.set_epoch(epoch)
        batches = cutter.batches(rows, list(order))
        for start in range(0, len(batches), together):
            if not left:
                return
            left -= 1
            yield batches[start : start + together]
