"""Cuts a micro-batch into pieces that are computed one after the other: same result, less memory.

A piece's rows are padded to the longest of them, so rows of like length belong together; and every
piece costs a pass through the model, however few tokens it has. The cut weighs one against the
other. Loads no heavy library: the fit gate and the plan ask how a micro-batch will be cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

# Returns the rows of each piece of a micro-batch, told the tokens of each of its rows.
Cut = Callable[[Sequence[int]], list[list[int]]]

# What a pass through the model costs beside its tokens, counted in tokens. CPU: measured, 0.29 s
# and 2.0 ms a token for SmolLM2-135M on two cores; a GPU waits for work below about 1,000 tokens
# (facts 3.5; not measured here).
PASS_TOKENS = {"cpu": 150, "gpu": 1024}


def padded(lengths: Sequence[int], budget: int, device: str, prefix: int = 0) -> list[list[int]]:
    """Return the cut with the least work: the numbers of the rows of each piece.

    Args:
        lengths: Tokens of each row of the micro-batch.
        budget: Tokens of a piece at most, padding included; a longer row is a piece by itself. 0
            for no limit, and then nothing is cut.
        device: `cpu`, or `gpu0` and so on.
        prefix: Tokens that all rows begin with, which a piece computes once.
    """
    rows = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    if not budget:
        return [sorted(rows)]
    overhead = PASS_TOKENS["cpu" if device == "cpu" else "gpu"]

    @cache
    def best(start: int) -> tuple[int, int]:
        """The least work for the rows from `start` on, and where the next piece begins."""
        if start == len(rows):
            return 0, start
        rest = max(1, lengths[rows[start]] - prefix)
        most = max(1, (budget - prefix) // rest)
        ends = range(start + 1, min(len(rows), start + most) + 1)
        cost = overhead + prefix
        return min((cost + (end - start) * rest + best(end)[0], -end) for end in ends)

    found, start = [], 0
    while start < len(rows):
        end = -best(start)[1]
        found.append(sorted(rows[start:end]))
        start = end
    return found


def packed(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Return pieces whose rows lie end to end without padding, filled as full as they will go.

    First-fit decreasing (Johnson, 1973).

    Args:
        lengths: Tokens of each row of the micro-batch.
        budget: Tokens of a piece at most; a longer row is a piece by itself. 0 for no limit.
    """
    bins: list[list[int]] = []
    room: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        place = next((at for at, free in enumerate(room) if free >= lengths[row]), None)
        if place is None:
            bins.append([])
            room.append(budget or sum(lengths))
            place = len(bins) - 1
        bins[place].append(row)
        room[place] -= lengths[row]
    return [sorted(found) for found in bins]


def width(lengths: Sequence[int], rows: Sequence[int], *, packing: bool, prefix: int = 0) -> int:
    """Return the tokens that a piece computes: end to end, or padded to its longest row."""
    chosen = [lengths[row] for row in rows]
    return sum(chosen) if packing else prefix + len(chosen) * (max(chosen) - prefix)


def cut(
    lengths: Sequence[int], budget: int, device: str, *, packing: bool, prefix: int = 0
) -> list[list[int]]:
    """Return the pieces of a micro-batch as a plan's settings want them; see above."""
    return packed(lengths, budget) if packing else padded(lengths, budget, device, prefix)
