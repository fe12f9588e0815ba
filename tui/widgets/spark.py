"""A series as one row of eight-step blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"


def spark(
    values: Sequence[float | None], width: int, low: float | None = None, high: float | None = None
) -> str:
    """Return the last values as blocks, one a cell; a gap stays empty.

    Args:
        values: The series; more values than cells are averaged in equal groups.
        width: Cells to fill; shorter series stand at the right.
        low: The value of the lowest block; the smallest value when None.
        high: The value of the highest block; the largest value when None.
    """
    groups = _groups([v if v is not None and math.isfinite(v) else None for v in values], width)
    known = [v for v in groups if v is not None]
    if not known:
        return " " * width
    bottom = min(known) if low is None else low
    span = (max(known) if high is None else high) - bottom
    text = "".join(" " if v is None else _block(v, bottom, span) for v in groups)
    return text.rjust(width)


def _block(value: float, bottom: float, span: float) -> str:
    if span <= 0:
        return BLOCKS[3]
    return BLOCKS[min(7, max(0, int((value - bottom) / span * 8)))]


def _groups(values: Sequence[float | None], width: int) -> list[float | None]:
    count = len(values)
    if count <= width:
        return list(values)
    return [
        _mean(values[index * count // width : (index + 1) * count // width])
        for index in range(width)
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None
