"""A series of points as braille dots: pure arithmetic, no Textual.

A cell holds 2 x 4 dots. Every point falls into one dot column, and a column keeps the lowest and
the highest value that fell into it: whatever the zoom, no spike is ever hidden.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

Span = tuple[float, float]
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


class Band(NamedTuple):
    """A stretch of a series: its step, the lowest, highest and mean value there.

    A gap, such as a loss that was not a number, has a mean that is not finite.
    """

    step: float
    low: float
    high: float
    mean: float


def column(step: float, first: float, last: float, columns: int) -> int:
    """Return the dot column of a step, when `first` to `last` fill all columns."""
    if last <= first:
        return 0
    return round((step - first) / (last - first) * (columns - 1))


def fold(bands: Iterable[Band], first: float, last: float, columns: int) -> list[Span | None]:
    """Return lowest and highest value of each dot column; None where no point fell."""
    spans: list[Span | None] = [None] * columns
    for band in bands:
        if math.isfinite(band.mean) and first <= band.step <= last:
            at = column(band.step, first, last, columns)
            known = spans[at]
            spans[at] = (
                (band.low, band.high)
                if known is None
                else (min(known[0], band.low), max(known[1], band.high))
            )
    return spans


def smooth(bands: Sequence[Band], reach: float) -> list[Band]:
    """Return the moving average over about `reach` steps to both sides, so that it never lags.

    The weight of a point falls exponentially with its distance in steps: the curve looks the same
    whether the series was thinned out or not. Gaps stay gaps, and the average begins anew there.
    """
    before, after = _sums(bands, reach), _sums(bands[::-1], reach)[::-1]
    smoothed = []
    for band, (left, heavy), (right, weight) in zip(bands, before, after, strict=True):
        # the point itself stands in both sums
        mean = (left + right - band.mean) / (heavy + weight - 1.0)
        smoothed.append(Band(band.step, mean, mean, mean))
    return smoothed


def _sums(bands: Sequence[Band], reach: float) -> list[tuple[float, float]]:
    """Return, at every point, the weighted sum of all points so far, and the sum of the weights."""
    sums = []
    total = weight = 0.0
    before = 0.0
    for band in bands:
        decay = math.exp(-abs(band.step - before) / reach) if reach > 0 else 0.0
        if not math.isfinite(band.mean):
            total = weight = decay = 0.0
        total = total * decay + band.mean
        weight = weight * decay + 1.0
        before = band.step
        sums.append((total, weight))
        if not math.isfinite(band.mean):
            total = weight = 0.0
    return sums


def joined(spans: Sequence[Span | None], gaps: frozenset[int] = frozenset()) -> list[Span | None]:
    """Return the spans of a connected line: empty columns bridged, neighbours made to touch.

    Args:
        spans: Lowest and highest dot row of each column.
        gaps: Columns where the series has a gap, which no line may cross.
    """
    line = list(spans)
    before: int | None = None
    for at, span in enumerate(spans):
        if at in gaps and span is None:
            before = None
        if span is None:
            continue
        if before is not None:
            _bridge(line, before, at)
        before = at
    return line


def _bridge(line: list[Span | None], left: int, right: int) -> None:
    start, end = line[left], line[right]
    if start is None or end is None:
        return
    if right - left > 1:
        y0, y1 = sum(start) / 2, sum(end) / 2
        previous = y0
        for at in range(left + 1, right):
            y = y0 + (y1 - y0) * (at - left) / (right - left)
            line[at] = (min(previous, y), max(previous, y))
            previous = y
        start = line[right - 1] or start
    if end[0] > start[1]:
        line[right] = (start[1], end[1])
    elif end[1] < start[0]:
        line[right] = (end[0], start[0])


def dots(spans: Sequence[Span | None], columns: int, rows: int) -> list[list[int]]:
    """Return the braille bits of `rows` x `columns` cells; span rows count dots from the bottom."""
    grid = [[0] * columns for _ in range(rows)]
    height = rows * 4
    for at, span in enumerate(spans):
        if span is None:
            continue
        low = min(height - 1, max(0, round(span[0])))
        high = min(height - 1, max(0, round(span[1])))
        for dot in range(low, high + 1):
            line, bit = divmod(height - 1 - dot, 4)
            grid[line][at // 2] |= _BITS[bit][at % 2]
    return grid


class Scale(NamedTuple):
    """What the vertical axis shows: from `low` to `high`, over `height` dots, maybe logarithmic."""

    low: float
    high: float
    height: int
    logarithmic: bool = False

    def dot(self, value: float) -> float:
        """Return the dot row of a value, counted from the bottom; may lie outside."""
        ease: Callable[[float], float] = math.log if self.logarithmic else float
        low, high = ease(self.low), ease(self.high)
        if self.logarithmic:
            value = math.log(max(value, 1e-300))
        return (value - low) / (high - low) * (self.height - 1)

    def ticks(self) -> list[float]:
        """Return round values for the labels, about one every two lines, at most eight or so."""
        count = min(8, max(2, self.height // 8))
        if self.logarithmic and self.high / self.low >= 8:
            return _decades(self.low, self.high)
        return ticks(self.low, self.high, count)


def scale(values: Sequence[float], height: int, *, logarithmic: bool = False) -> Scale:
    """Return the scale on which all values lie, with a little air."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if logarithmic and low > 0:
        air = max(1.02, (high / low) ** 0.04)
        return Scale(low / air, high * air, height, logarithmic=True)
    flat = high - low <= abs(high) * 1e-9
    air = (abs(high) * 0.1 or 1.0) if flat else (high - low) * 0.04
    return Scale(low - air, high + air, height)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` multiples of 1, 2 or 5 times a power of ten within a range."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * unit for unit in (1, 2, 5, 10) if power * unit >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(at * step, 12) for at in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    units = (1, 2, 5) if high / low < 200 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [10.0**p * unit for p in powers for unit in units if low <= 10.0**p * unit <= high]
