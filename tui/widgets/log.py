"""The tail of a job's log; only the lines on the screen are ever rendered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from tui.widgets.canvas import Canvas, Line
from tui.words import literal

_TONES = {"warning": "warn", "error": "bad", "trace": "quiet"}


class LogLine(NamedTuple):
    """One line of a log: seconds since the epoch, level, text."""

    at: float
    level: str
    text: str


class LogTail(Canvas):
    """The newest lines at the bottom; it follows them until it is scrolled up."""

    lines: Sequence[LogLine] = ()
    back = 0  # how many lines the view is scrolled up

    def show(self, lines: Sequence[LogLine]) -> None:
        """Take the newest lines, oldest first; a reader who scrolled up keeps the place."""
        if lines == self.lines:
            return
        if self.back and self.lines:
            newer = [line for line in lines if line.at > self.lines[-1].at]
            self.back = min(self.back + len(newer), max(0, len(lines) - self.size.height))
        self.lines = lines
        self.repaint()

    def scroll_by(self, rows: int) -> None:
        """Move the view; positive goes down, to newer lines."""
        furthest = max(0, len(self.lines) - self.size.height)
        self.back = min(furthest, max(0, self.back - rows))
        self.repaint()

    def on_mouse_scroll_up(self) -> None:
        """Read older lines."""
        self.scroll_by(-3)

    def on_mouse_scroll_down(self) -> None:
        """Read newer lines."""
        self.scroll_by(3)

    def paint(self, y: int) -> Line:
        """Return one line of the log."""
        if not self.lines:
            return [("The log is empty; the job has said nothing yet.", "quiet")] if not y else ()
        first = max(0, len(self.lines) - self.size.height - self.back)
        if first + y >= len(self.lines):
            return ()
        line = self.lines[first + y]
        clock = time.strftime("%H:%M:%S", time.localtime(line.at))
        return [(f"{clock}  ", "quiet"), (literal(line.text), _TONES.get(line.level, ""))]
