"""The rail of the wizard: every step with what has become of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual import events
from textual.message import Message

from tui.widgets.canvas import Canvas, Line
from tui.words import fit

State = Literal["todo", "done", "busy", "warn", "fault"]
_SYMBOLS = {
    "todo": ("○", "faint"),
    "done": ("✓", "good"),
    "busy": ("●", "active"),
    "warn": ("!", "warn"),
    "fault": ("✗", "bad"),
}


@dataclass(frozen=True)
class Stop:
    """One line of the rail: a step, or a heading (which has no name)."""

    name: str
    title: str
    state: State = "todo"


class Stepper(Canvas):
    """Steps from top to bottom; symbol and word say what has become of each."""

    class Chosen(Message):
        """A step was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._stops: tuple[Stop, ...] = ()
        self._current = ""

    def show(self, stops: tuple[Stop, ...], current: str) -> None:
        """Take the steps, and the name of the one that is open."""
        if (stops, current) != (self._stops, self._current):
            self._stops, self._current = stops, current
            self.refresh()

    def ground(self, y: int) -> str:
        """Return the tone of the open step's line."""
        return "cursor" if y < len(self._stops) and self._stops[y].name == self._current else ""

    def paint(self, y: int) -> Line:
        """Return one step."""
        if y >= len(self._stops):
            return ()
        stop = self._stops[y]
        if not stop.name:
            return [(f" {stop.title}", "quiet")]
        symbol, tone = _SYMBOLS[stop.state]
        open_now = stop.name == self._current
        if open_now and stop.state == "todo":
            symbol, tone = "●", "accent"
        words = "strong" if open_now else "" if stop.state != "todo" else "quiet"
        return [(f" {symbol} ", tone), (fit(stop.title, self.size.width - 3), words)]

    def on_click(self, event: events.Click) -> None:
        """Ask for the step under the mouse."""
        if event.y < len(self._stops) and self._stops[event.y].name:
            self.post_message(self.Chosen(self._stops[event.y].name))
