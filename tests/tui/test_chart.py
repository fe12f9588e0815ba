"""The chart shows what is in the series: no spike hidden, no gap bridged, nothing that crashes."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App

from tui.widgets import raster
from tui.widgets.chart import LineChart
from tui.widgets.raster import Band
from tui.widgets.spark import spark

finite = st.floats(-1e6, 1e6)
anything = st.one_of(finite, st.just(math.nan), st.just(math.inf))


def bands(values):
    return [Band(float(at), value, value, value) for at, value in enumerate(values)]


@given(st.lists(finite, min_size=1, max_size=400), st.integers(1, 90))
def test_each_column_has_the_lowest_and_highest_value_that_fell_into_it(values, columns):
    spans = raster.fold(bands(values), 0, len(values) - 1, columns)
    for at, span in enumerate(spans):
        fell = [
            value
            for step, value in enumerate(values)
            if raster.column(step, 0, len(values) - 1, columns) == at
        ]
        assert span == ((min(fell), max(fell)) if fell else None)


@given(st.lists(finite, min_size=1, max_size=200), st.integers(1, 60), st.integers(1, 20))
def test_every_folded_value_lights_its_dot(values, columns, rows):
    scale = raster.scale(values, rows * 4)
    spans = [
        None if span is None else (scale.dot(span[0]), scale.dot(span[1]))
        for span in raster.fold(bands(values), 0, len(values) - 1, columns * 2)
    ]
    grid = raster.dots(raster.joined(spans), columns, rows)
    for step, value in enumerate(values):
        x = raster.column(step, 0, len(values) - 1, columns * 2)
        y = rows * 4 - 1 - round(scale.dot(value))
        assert grid[y // 4][x // 2] & raster._BITS[y % 4][x % 2]


def test_a_gap_is_not_bridged():
    series = bands([1.0, 1.0, math.nan, 1.0, 1.0])
    spans = raster.fold(series, 0, 4, 9)
    gap = raster.column(2, 0, 4, 9)
    line = raster.joined(spans, frozenset({gap}))
    assert line[gap] is None
    assert line[1] is not None
    assert raster.joined(spans)[gap] is not None


@given(st.lists(finite, min_size=1, max_size=100), st.floats(0, 50))
def test_the_average_stays_within_the_values(values, reach):
    for band in raster.smooth(bands(values), reach):
        assert min(values) - 1e-3 <= band.mean <= max(values) + 1e-3


def test_the_average_of_a_straight_line_does_not_lag():
    values = [float(at) for at in range(101)]
    assert raster.smooth(bands(values), 5)[50].mean == 50


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(1, 12))
def test_ticks_are_ascending_and_within_the_range(low, span, count):
    span = max(span, abs(low) * 1e-6)  # finer than that, floats have no room for labels
    found = raster.ticks(low, low + span, count)
    assert found == sorted(found)
    assert len(found) <= count + 2
    assert all(low - span * 1e-3 <= tick <= low + span * 1.001 for tick in found)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(anything, max_size=60),
    st.lists(anything, max_size=5),
    st.integers(0, 120),
    st.integers(0, 30),
    st.booleans(),
)
def test_any_series_is_drawn_at_any_size(values, marks, width, height, logarithmic):
    chart = LineChart("loss", "empty")
    chart._bands, chart._marks, chart.logarithmic = bands(values), bands(marks), logarithmic
    lines = chart._draw(width, height)
    assert all(isinstance(text, str) for line in lines for text, _ in line)


async def test_a_spike_is_seen_however_long_the_series():
    values = [0.3] * 50_000
    values[31_337] = 9.0

    class Viewer(App[None]):
        def compose(self):
            yield LineChart("loss", "empty")

        def get_theme_variable_defaults(self):
            return dict.fromkeys(("quiet", "faint", "band", "cursor"), "#808080")

    async with Viewer().run_test(size=(80, 24)) as pilot:
        chart = pilot.app.query_one(LineChart)
        chart.show(bands(values))
        await pilot.pause()
        top = "".join(text for text, _ in chart.paint(1))
        column = raster.column(31_337, 0, 49_999, 72)
        assert top[8 + column] == "▲"


def test_a_spark_spans_its_values_and_keeps_gaps_empty():
    assert spark([0, 7, None, 3.5], 4) == "▁█ ▅"
    assert spark([], 3) == "   "
    assert spark([math.nan, 2.0], 4).strip() == "▄"
