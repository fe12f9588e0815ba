"""The curve of a range test for the plain command line: braille dots over the rate's logarithm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tui.widgets import raster
from tui.widgets.raster import Band

_AXIS = 8  # cells left of the plot
_HIGHEST = 1.5  # of the first loss; what explodes beyond is cut off


def lines(
    points: Sequence[Mapping[str, Any]], marks: Mapping[str, float | None], width: int, height: int
) -> list[str]:
    """Return the smoothed loss over the rate.

    Args:
        points: Each with `rate` and `smoothed`; None where it was no number.
        marks: What to point at below the axis: a sign and its rate, or None to leave it out.
        width: Cells of the whole chart.
        height: Lines of the plot alone.
    """
    known = [point for point in points if point["smoothed"] is not None]
    if len(known) < 2:
        return []
    columns = width - _AXIS
    places = [math.log10(point["rate"]) for point in known]
    first, last = places[0], places[-1]
    top = known[0]["smoothed"] * _HIGHEST
    values = [min(point["smoothed"], top) for point in known]
    scale = raster.scale(values, height * 4)
    bands = [Band(at, value, value, value) for at, value in zip(places, values, strict=True)]
    spans = [
        None if span is None else (scale.dot(span[0]), scale.dot(span[1]))
        for span in raster.fold(bands, first, last, columns * 2)
    ]
    grid = raster.dots(raster.joined(spans), columns, height)
    labels = {height - 1 - int(scale.dot(value)) // 4: value for value in scale.ticks()}
    plot = [
        f"{_label(labels.get(y)):>{_AXIS - 2}} {'┤' if y in labels else '│'}"
        + "".join(chr(0x2800 + bits) if bits else " " for bits in line).rstrip()
        for y, line in enumerate(grid)
    ]
    return [*plot, *_below(first, last, columns, marks)]


def _below(first: float, last: float, columns: int, marks: Mapping[str, float | None]) -> list[str]:
    """Return the axis with its decades, and a line of marks."""
    axis, labels, signs = ["─"] * columns, [" "] * columns, [" "] * columns
    for decade in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1):
        at = raster.column(decade, first, last, columns)
        text = f"1e{decade}"
        start = min(max(0, at - 1), columns - len(text))
        axis[at] = "┬"
        labels[start : start + len(text)] = text
    for sign, rate in marks.items():
        if rate and first <= math.log10(rate) <= last:
            signs[raster.column(math.log10(rate), first, last, columns)] = sign
    left = " " * _AXIS
    drawn = [left[:-1] + "└" + "".join(axis), left + "".join(labels).rstrip()]
    return [left + "".join(signs).rstrip(), *drawn] if any(s != " " for s in signs) else drawn


def _label(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
