"""A line chart in braille: every value as a dim band, the moving average bright on top."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tui.widgets import raster
from tui.widgets.canvas import Canvas, Line, Part, cells
from tui.widgets.raster import Band, Scale
from tui.words import figure

_AXIS = 8  # cells left of the plot: the labels and the axis
_REACH = 1 / 60  # of the steps shown: over how many the average runs
_SPIKES = 0.01  # the share of highest values that may lie above the plot


class LineChart(Canvas):
    """The chart of one series over its steps.

    Args:
        title: What is shown, with its unit.
        empty: What to say while there is no point.
        averaged: Whether to draw a moving average over the values.
        named: Whether to name the lines in the heading, instead of the last value.
        unit: How a value is written.
        id: Textual's id.
        classes: Textual's classes.
    """

    def __init__(
        self,
        title: str,
        empty: str,
        *,
        averaged: bool = True,
        named: bool = False,
        unit: Callable[[float], str] = figure,
        id: str | None = None,  # noqa: A002 - Textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._title, self._empty, self._unit = title, empty, unit
        self._averaged, self._named = averaged, named
        self._bands: Sequence[Band] = ()
        self._marks: Sequence[Band] = ()
        self._best: int | None = None
        self._drawn: list[Line] | None = None
        self._drawn_for: tuple[int, int] = (0, 0)
        self.logarithmic = False

    def show(
        self, bands: Sequence[Band], marks: Sequence[Band] = (), best: int | None = None
    ) -> None:
        """Take new content; steps ascend.

        Args:
            bands: The series.
            marks: Points to mark on it: the validation's.
            best: The step of the mark that was kept as the best, if one was.
        """
        if best is not None:  # a mark of a thinned-out series stands at its last step
            best = next((int(mark.step) for mark in marks if mark.step >= best), None)
        if (bands, marks, best) != (self._bands, self._marks, self._best):
            self._bands, self._marks, self._best = bands, marks, best
            self._redraw()

    def toggle_scale(self) -> None:
        """Change between an even and a logarithmic scale."""
        self.logarithmic = not self.logarithmic
        self._redraw()

    def paint(self, y: int) -> Line:
        """Return one line of the chart; all are drawn at once when the data or the size changed."""
        size = (self.size.width, self.size.height)
        if self._drawn is None or self._drawn_for != size:
            self._drawn, self._drawn_for = self._draw(*size), size
        return self._drawn[y] if y < len(self._drawn) else ()

    def _redraw(self) -> None:
        self._drawn = None
        self.repaint()

    def _draw(self, width: int, height: int) -> list[Line]:
        columns, rows = width - _AXIS, height - 3
        finite = [band for band in self._bands if math.isfinite(band.mean)]
        if columns < 8 or rows < 2 or not finite:
            return self._blank(width, height)
        first = min(band.step for band in (*self._bands[:1], *self._marks[:1]))
        last = max(band.step for band in (*self._bands[-1:], *self._marks[-1:]))
        average = raster.smooth(self._bands, (last - first) * _REACH)
        shown = average if self._averaged else self._bands
        scale = self._scale(finite, shown, rows * 4)
        layers = _Layers(scale, first, last, columns, rows)
        if self._averaged:
            layers.series(self._bands, "band")
        layers.series(shown, "active")
        layers.marks(self._marks, self._best)
        layers.clipped(finite)
        return [
            self._legend(finite, width),
            *_framed(layers.lines(), scale, self._unit),
            *_steps(first, last, columns),
        ]

    def _scale(self, finite: Sequence[Band], shown: Sequence[Band], height: int) -> Scale:
        """Everything fits, but for rare spikes that would flatten the rest: they are marked."""
        highs = sorted(band.high for band in finite)
        low, high = min(band.low for band in finite), highs[-1]
        usual = highs[int((len(highs) - 1) * (1 - _SPIKES))]
        values = [low, usual if high - usual > (usual - low) / 2 else high]
        values += [b.mean for b in (*shown, *self._marks) if math.isfinite(b.mean)]
        return raster.scale(values, height, logarithmic=self.logarithmic and min(values) > 0)

    def _legend(self, finite: Sequence[Band], width: int) -> Line:
        parts: list[Part] = [(self._title, "strong")]
        if not math.isfinite(self._bands[-1].mean):
            return [*parts, ("   ✗ the last value is not a number", "bad")]
        if self._named:
            drawn: list[Part] = [("  ⣿ ", "band"), ("each step", "quiet")]
            marks: list[Part] = []
            if self._marks:
                marks += [("  ◆ ", "accent"), ("validation", "quiet")]
            if self._best is not None:
                marks += [("  ★ ", "good"), ("best", "quiet")]
            parts += [("  ━ ", "active"), ("average", "quiet")]
            return [*parts, *(drawn if cells([*parts, *drawn, *marks]) <= width else ()), *marks]
        return [*parts, (f"   {self._unit(finite[-1].mean)}", "active")]

    def _blank(self, width: int, height: int) -> list[Line]:
        lines: list[Line] = [[(self._title, "strong")]]
        lines += [()] * max(0, height // 2 - 1)
        return [*lines, [(self._empty.center(width), "quiet")]]


class _Layers:
    """The cells of the plot, painted over each other."""

    def __init__(self, scale: Scale, first: float, last: float, columns: int, rows: int) -> None:
        self._scale, self._first, self._last = scale, first, last
        self._columns, self._rows = columns, rows
        self._cells: list[list[Part]] = [[(" ", "")] * columns for _ in range(rows)]

    def series(self, bands: Sequence[Band], tone: str) -> None:
        """Draw a series as a connected line; where it passes, it replaces what lay below."""
        width = self._columns * 2
        spans = [
            None if span is None else (self._scale.dot(span[0]), self._scale.dot(span[1]))
            for span in raster.fold(bands, self._first, self._last, width)
        ]
        gaps = frozenset(
            raster.column(band.step, self._first, self._last, width)
            for band in bands
            if not math.isfinite(band.mean)
        )
        grid = raster.dots(raster.joined(spans, gaps), self._columns, self._rows)
        for y, line in enumerate(grid):
            for x, bits in enumerate(line):
                if bits:
                    self._cells[y][x] = (chr(0x2800 + bits), tone)

    def marks(self, marks: Sequence[Band], best: int | None) -> None:
        """Draw single points as diamonds, and the best one as a star above the others."""
        for mark in sorted(marks, key=lambda mark: mark.step == best):
            if math.isfinite(mark.mean):
                dot = min(self._rows * 4 - 1, max(0, round(self._scale.dot(mark.mean))))
                at = raster.column(mark.step, self._first, self._last, self._columns)
                self._cells[self._rows - 1 - dot // 4][at] = (
                    ("★", "good") if mark.step == best else ("◆", "accent")
                )

    def clipped(self, bands: Sequence[Band]) -> None:
        """Point at values that lie above the plot."""
        for band in bands:
            if band.high > self._scale.high:
                at = raster.column(band.step, self._first, self._last, self._columns)
                self._cells[0][at] = ("▲", "warn")

    def lines(self) -> list[list[Part]]:
        """Return the cells, neighbours of one tone joined."""
        return [_joined(line) for line in self._cells]


def _joined(cells: Sequence[Part]) -> list[Part]:
    parts: list[Part] = []
    for text, tone in cells:
        if parts and parts[-1][1] == tone:
            parts[-1] = (parts[-1][0] + text, tone)
        else:
            parts.append((text, tone))
    return parts


def _framed(plot: Sequence[Line], scale: Scale, unit: Callable[[float], str]) -> list[Line]:
    """Return the plot with its vertical axis."""
    values = scale.ticks()
    labels = {len(plot) - 1 - int(scale.dot(value)) // 4: value for value in values}
    texts = dict(zip(labels, _labels(list(labels.values()), unit), strict=True))
    return [
        [
            (f"{texts.get(y, '')[: _AXIS - 2]:>{_AXIS - 2}} ", "quiet"),
            ("┤" if y in labels else "│", "faint"),
            *line,
        ]
        for y, line in enumerate(plot)
    ]


def _labels(values: Sequence[float], unit: Callable[[float], str]) -> list[str]:
    """Return labels of one form: all with as many decimals as the finest needs."""
    if unit is not figure:
        return [unit(value) for value in values]
    largest = max((abs(value) for value in values), default=0.0)
    if 0 < largest < 0.01:
        return [f"{value:.1e}".replace("e-0", "e-") if value else "0" for value in values]
    decimals = max(
        (len(f"{value:.4f}".rstrip("0")) - f"{value:.4f}".index(".") - 1 for value in values),
        default=0,
    )
    return [f"{value:,.{decimals}f}" for value in values]


def _steps(first: float, last: float, columns: int) -> list[Line]:
    """Return the horizontal axis and its labels, as many as stand apart."""
    axis = ["─"] * columns
    labels = [" "] * columns
    free = 0
    for value in raster.ticks(first, last, max(2, columns // 10)):
        at = raster.column(value, first, last, columns)
        text = f"{value:,.0f}"
        start = min(max(0, at - len(text) // 2), columns - len(text))
        if start < free or not float(value).is_integer():
            continue
        axis[at] = "┬"
        labels[start : start + len(text)] = text
        free = start + len(text) + 2
    if free + 4 <= columns:
        labels[-4:] = "step"
    return [
        [(" " * (_AXIS - 1) + "└" + "".join(axis), "faint")],
        [(" " * _AXIS + "".join(labels), "quiet")],
    ]
