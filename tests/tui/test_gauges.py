"""Bars and the machine strip say what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.base.hardware.machine import Gpu
from tui import words
from tui.widgets.canvas import cells
from tui.widgets.gauges import Load, bar, gpu_line, memory_line, pressure, processor_line

LOAD = Load("Xeon", 16, (12.0, 50.0), 64_000_000_000, 16_000_000_000, 10**12, (), "no driver")


@pytest.mark.parametrize("part", [-1.0, 0.0, 0.001, 0.5, 0.999, 1.0, 7.0])
def test_a_bar_always_has_its_width(part):
    assert cells(bar(part, 20)) == 20


def test_a_bar_is_filled_in_half_cells():
    assert bar(0.5, 10)[0][0] == "━" * 5
    assert bar(0.55, 10)[0][0] == "━" * 5 + "╸"
    assert bar(1.0, 10)[0][0] == "━" * 10


def test_memory_that_runs_out_changes_its_tone():
    assert [pressure(part) for part in (0.5, 0.9, 0.97)] == ["active", "warn", "bad"]


def test_the_strip_of_a_box_without_gpu_shows_processor_and_memory():
    processor = "".join(text for text, _ in processor_line(LOAD, 76))
    memory = "".join(text for text, _ in memory_line(LOAD, 76))
    assert "50 %" in processor
    assert "16 cores" in processor
    assert "25 %" in memory
    assert "16.0 GB of 64.0 GB" in memory


@pytest.mark.parametrize("width", [76, 196])
def test_the_line_of_a_gpu_fits_and_copes_with_what_it_does_not_report(width):
    gpu = Gpu(0, "NVIDIA H200", 150_000_000_000, 50_000_000_000, None, None, None)
    line = gpu_line(gpu, (1.0, 99.0), width)
    text = "".join(part for part, _ in line)
    assert "100 GB of 150 GB" in text
    assert cells(line) <= width
    warm = replace(gpu, temperature=71, watts=412.3, utilisation=100)
    line = gpu_line(warm, (), width)
    assert cells(line) <= width
    assert "71 °C  412 W" in "".join(part for part, _ in line)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7805, "2 h 10 min"), (200_000, "2 d 7 h")],
)
def test_durations_are_said_in_two_units(seconds, said):
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (0.02, "0.020"), (2.0e-4, "2.00e-4"), (1.2345, "1.23"), (6812.4, "6,812")],
)
def test_figures_are_short(value, said):
    assert words.figure(value) == said


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (999, "999 B"), (1_340_000_000, "1.3 GB"), (10**12, "1.0 TB")]
)
def test_sizes_are_decimal(count, said):
    assert words.size(count) == said


def test_foreign_text_cannot_steer_the_terminal():
    assert words.literal("a\x1b[31mred\x07\u202ex\nb") == "a·[31mred··x b"


def test_text_is_cut_and_padded_in_cells():
    assert words.fit("模型模型", 5) == "模型…"
    assert words.fit("ab", 4) == "ab  "
    assert words.fit("ab", 4, right=True) == "  ab"
