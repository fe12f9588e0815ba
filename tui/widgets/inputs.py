"""What takes an answer: a choice on few lines, a paragraph, and paths that complete themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import TextArea

from tui.proposals import holds_examples
from tui.widgets.canvas import Canvas, Line, Part

_AROUND = 6  # cells before and after an answer that can be chosen


class Choice(Canvas, can_focus=True):
    """Some answers side by side, one of them chosen with the arrow keys."""

    BINDINGS = [  # noqa: RUF012 - Textual's own form
        Binding("right,l,space", "turn(1)", "Choose", show=False, tooltip="The next answer"),
        Binding("left,h", "turn(-1)", "Choose", show=False, tooltip="The answer before"),
        Binding("enter", "done", "Next field", show=False, tooltip="Go to the next field"),
    ]

    class Turned(Message):
        """Another answer was chosen."""

    class Done(Message):
        """Enter was pressed."""

    def __init__(self, values: tuple[str, ...]) -> None:
        super().__init__()
        self._values = values
        self.value = ""

    def choose(self, value: str) -> None:
        """Take an answer."""
        if value != self.value:
            self.value = value
            self.refresh()

    def action_turn(self, by: int) -> None:
        """Choose the answer beside."""
        at = self._values.index(self.value) + by if self.value in self._values else 0
        self.choose(self._values[at % len(self._values)])
        self.post_message(self.Turned())

    def action_done(self) -> None:
        """Say that the answer stands."""
        self.post_message(self.Done())

    def on_resize(self) -> None:
        """Take as many lines as the answers need."""
        self.styles.height = len(self._layout())

    def on_click(self, event: events.Click) -> None:
        """Choose the answer under the mouse."""
        at = 0
        for value in self._layout()[min(event.y, len(self._layout()) - 1)]:
            at += len(value) + _AROUND
            if event.x < at:
                self.choose(value)
                self.post_message(self.Turned())
                return

    def paint(self, y: int) -> Line:
        """Return the answers of one line, the chosen one marked."""
        layout = self._layout()
        return (
            [part for value in layout[y] for part in self._parts(value)] if y < len(layout) else ()
        )

    def _layout(self) -> list[list[str]]:
        lines: list[list[str]] = [[]]
        room = self.size.width
        for value in self._values:
            room -= len(value) + _AROUND
            if room < -1 and lines[-1]:  # the last blank of a line may hang over
                lines.append([])
                room = self.size.width - len(value) - _AROUND
            lines[-1].append(value)
        return lines

    def _parts(self, value: str) -> list[Part]:
        chosen = value == self.value
        tone = "accent" if chosen and self.has_focus else "active" if chosen else "quiet"
        return [(" (●) " if chosen else " ( ) ", tone), (f"{value} ", "" if chosen else "quiet")]


class Paragraph(TextArea):
    """Text that may need some lines; Enter goes on, ctrl+j begins a new line."""

    class Done(Message):
        """Enter was pressed."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Done())
        elif event.key == "ctrl+j":
            event.stop()
            event.prevent_default()
            self.insert("\n")


class Paths(Suggester):
    """Suggests how the last path of a list may go on; → takes it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._folder = folder

    async def get_suggestion(self, value: str) -> str | None:
        """Return the value with its last path completed."""
        typed = value.rpartition(",")[2].lstrip()
        ending = await asyncio.to_thread(_ending, self._folder, typed) if typed else ""
        return value + ending if ending else None


def _ending(folder: Path, typed: str) -> str:
    """Return what completes a path to a folder or a data file; empty when nothing does."""
    whole = folder / Path(typed).expanduser()
    parent, start = (whole, "") if typed.endswith("/") else (whole.parent, whole.name)
    try:
        found = next(
            item
            for item in sorted(parent.iterdir())
            if item.name.startswith(start) and (item.is_dir() or holds_examples(item))
        )
    except (OSError, StopIteration):
        return ""
    return found.name[len(start) :] + ("/" if found.is_dir() else "")
