"""Which micro-batches a training will compute: the worst of them, and a fair sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

from engine.run.examples import IGNORED, Examples
from engine.run.order import Order


class Batch(NamedTuple):
    """One micro-batch.

    Attributes:
        rows: Row numbers.
        padded: Tokens computed, padding included.
        answers: Tokens that enter the loss.
    """

    rows: tuple[int, ...]
    padded: int
    answers: int


class Size(NamedTuple):
    """One row: its tokens, and how many of them enter the loss where that is known."""

    tokens: int
    answers: int


def sizes(examples: Examples) -> list[Size]:
    """Return the size of each row."""
    return [
        Size(tokens, len(labels) - labels.count(IGNORED))
        for tokens, labels in zip(
            examples.lengths, (row.get("labels", []) for row in examples.rows), strict=True
        )
    ]


def trained(rows: Sequence[Size], order: Order, size: int, number: int) -> list[Batch]:
    """Return the micro-batches of a training, epoch after epoch, as it will put them together.

    Args:
        rows: The training rows.
        order: The run's own order.
        size: Rows of a micro-batch.
        number: Micro-batches of the whole run.
    """
    found: list[Batch] = []
    for epoch in count():
        order.set_epoch(epoch)
        found += cut(rows, list(order), size)
        if len(found) >= number or not found:
            break
    return found[:number]


def cut(rows: Sequence[Size], order: Sequence[int], size: int) -> list[Batch]:
    """Return rows, taken in an order, as micro-batches."""
    found = []
    for start in range(0, len(order), size):
        part = tuple(order[start : start + size])
        padded = len(part) * max(rows[row].tokens for row in part)
        found.append(Batch(part, padded, sum(rows[row].answers for row in part)))
    return found


def worst(batches: Sequence[Batch]) -> list[Batch]:
    """Return the micro-batch with the most tokens, and the one with the most answers if another."""
    widest = max(batches, key=lambda batch: (batch.padded, batch.answers))
    fullest = max(batches, key=lambda batch: (batch.answers, batch.padded))
    return [widest] if fullest.answers <= widest.answers else [widest, fullest]


def filled(batch: Batch, size: int) -> Batch:
    """Return a micro-batch with its rows repeated until there are `size`."""
    times = -(-size // len(batch.rows))
    rows = (batch.rows * times)[:size]
    share = size / len(batch.rows)
    return Batch(rows, round(batch.padded * share), round(batch.answers * share))


def spread(batches: Sequence[Batch]) -> Iterator[int]:
    """Yield places of the batches sorted by size; any first few of them cover it evenly.

    The places follow van der Corput's sequence in base 2: the middle, the quarters, the eighths.
    """
    seen = set()
    for number in range(1, 2 * len(batches) + 1):
        place = int(_van_der_corput(number) * len(batches))
        if place not in seen:
            seen.add(place)
            yield place


def _van_der_corput(number: int) -> float:
    value, denominator = 0.0, 1.0
    while number:
        denominator *= 2
        number, bit = divmod(number, 2)
        value += bit / denominator
    return value
