"""The worst micro-batches of a training, and a fair sample of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.run.batches import Batch


def worst(batches: Sequence[Batch]) -> list[Batch]:
    """Return the micro-batch with the widest piece, and that with most answers in one if another.

    Of micro-batches that are alike in that, the one with fewest tokens: it takes least time.
    """
    widest = max(batches, key=lambda batch: (batch.widest, -batch.padded))
    fullest = max(batches, key=lambda batch: (batch.fullest, -batch.padded))
    return [widest] if fullest.fullest[0] <= widest.fullest[0] else [widest, fullest]


def filled(batch: Batch, size: int) -> Batch:
    """Return a micro-batch with its rows repeated until there are `size`."""
    times = -(-size // len(batch.rows))
    rows = (batch.rows * times)[:size]
    share = size / len(batch.rows)
    return Batch(rows, round(batch.padded * share), round(batch.answers * share), batch.pieces)


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
