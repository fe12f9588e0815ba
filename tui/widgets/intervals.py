"""Shares with their 95 % intervals, drawn so that several can be compared at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui.widgets.canvas import Line, Part
from tui.words import fit

_NAME = 16  # cells for the name of what was measured
_FIGURES = 23  # cells for its figures
_ROOMY = 24  # cells from which the scale has a label in its middle


@dataclass(frozen=True)
class Measured:
    """One model on one split.

    Attributes:
        name: What it is.
        value: Its score by the primary metric, 0 to 1.
        low: The lower end of the 95 % interval.
        high: The upper end.
        valid: Its share of answers in the right form; None where there is no form.
        tone: The tone of its interval.
        strong: Whether it is the one that matters.
    """

    name: str
    value: float
    low: float
    high: float
    valid: float | None
    tone: str = "active"
    strong: bool = False


def interval(
    value: float,
    low: float,
    high: float,
    width: int,
    tone: str = "active",
    mark: float | None = None,
) -> list[Part]:
    """Return a share from 0 to 1 with its interval on a scale of `width` cells.

    Args:
        value: The share.
        low: The interval's lower end.
        high: The interval's upper end.
        width: Cells of the scale.
        tone: The tone of the interval.
        mark: A share to mark on the scale, such as the threshold.
    """
    track = ["·"] * width
    if mark is not None:
        track[_cell(mark, width)] = "┊"
    start, at, end = _cell(low, width), _cell(value, width), _cell(high, width)
    drawn = ["─"] * (end - start + 1)
    if end > start:
        drawn[0], drawn[-1] = "├", "┤"
    drawn[at - start] = "●"
    return [
        ("".join(track[:start]), "faint"),
        ("".join(drawn), tone),
        ("".join(track[end + 1 :]), "faint"),
    ]


def axis(width: int, mark: float | None = None) -> Line:
    """Return the scale below such lines: 0, 50 and 100 %, and the mark."""
    line = [" "] * width
    labels = ((0.0, "0"), (0.5, "50"), (1.0, "100 %"))
    for share, text in labels if width >= _ROOMY else (labels[0], labels[-1]):
        at = min(_cell(share, width) - (len(text) // 2 if 0 < share < 1 else 0), width - len(text))
        line[at : at + len(text)] = text
    if mark is not None:
        text = f"┊{100 * mark:.0f}"
        at = min(_cell(mark, width), width - len(text))
        if all(char == " " for char in line[max(0, at - 1) : at + len(text) + 1]):
            line[at : at + len(text)] = text
    return [("".join(line), "quiet")]


def compared(
    measured: Sequence[Measured],
    width: int,
    threshold: float | None,
    *,
    title: str = "",
    labelled: bool = True,
) -> list[Line]:
    """Return models below each other on one scale, with their figures.

    Args:
        measured: What was measured.
        width: The width of a line in cells.
        threshold: The share from which a model is good enough, marked on the scale.
        title: What the models were measured on; stands in the line of the headings.
        labelled: Whether the scale is labelled below.
    """
    scale = max(12, min(100, width - _NAME - _FIGURES))
    heads = f"{'score':>8} {'95 %':>7} {'valid':>6}"
    return [
        [(fit(title, _NAME + scale), "strong"), (heads, "quiet")],
        *(_measured(one, scale, threshold) for one in measured),
        *([[(" " * _NAME, ""), *axis(scale, threshold)]] if labelled else []),
    ]


def _measured(one: Measured, scale: int, threshold: float | None) -> Line:
    return [
        (fit(one.name, _NAME), "strong" if one.strong else ""),
        *interval(one.value, one.low, one.high, scale, one.tone, threshold),
        (f"{100 * one.value:6.1f} %", "strong"),
        (f"{f'{100 * one.low:.0f}–{100 * one.high:.0f}':>8}", "quiet"),
        (f"{100 * one.valid:5.0f} %" if one.valid is not None else "", ""),
    ]


def _cell(share: float, width: int) -> int:
    return round(min(1.0, max(0.0, share)) * (width - 1))
