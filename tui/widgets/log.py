"""The tail of a job's log: its lines broken to the width, and only those on the screen rendered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from tui.widgets.canvas import Canvas, Line
from tui.widgets.page import wrapped
from tui.words import literal

_MOST_ROWS = 4  # of one line; `tunesmith log` prints the whole of it
_TONES = {"warning": "warn", "error": "bad", "trace": "quiet"}


class LogLine(NamedTuple):
    """One line of a log: seconds since the epoch, level, text."""

    at: float
    level: str
    text: str


class LogTail(Canvas):
    """The newest lines at the bottom; it follows them until it is scrolled up."""

    lines: Sequence[LogLine] = ()
    back = 0  # how many rows of the screen the view is scrolled up
    _rows: Sequence[Line] = ()

    def show(self, lines: Sequence[LogLine]) -> None:
        """Take the newest lines, oldest first; a reader who scrolled up keeps the place."""
        if lines == self.lines:
            return
        last = self.lines[-1].at if self.lines else 0.0
        self.lines = lines
        self._rows = self._broken(lines)
        if self.back:
            newer = self._broken([line for line in lines if line.at > last])
            self.back = min(self.back + len(newer), self._furthest())
        self.repaint()

    def on_resize(self) -> None:
        """Break the lines anew."""
        self._rows = self._broken(self.lines)
        self.back = min(self.back, self._furthest())
        self.repaint()

    def scroll_by(self, rows: int) -> None:
        """Move the view; positive goes down, to newer lines."""
        self.back = min(self._furthest(), max(0, self.back - rows))
        self.repaint()

    def on_mouse_scroll_up(self) -> None:
        """Read older lines."""
        self.scroll_by(-3)

    def on_mouse_scroll_down(self) -> None:
        """Read newer lines."""
        self.scroll_by(3)

    def paint(self, y: int) -> Line:
        """Return one row of the screen."""
        if not self.lines:
            return [("The log is empty; the job has said nothing yet.", "quiet")] if not y else ()
        place = self._furthest() - self.back + y
        return self._rows[place] if place < len(self._rows) else ()

    def _furthest(self) -> int:
        return max(0, len(self._rows) - self.size.height)

    def _broken(self, lines: Sequence[LogLine]) -> list[Line]:
        return [row for line in lines for row in _rows(line, self.size.width)]


@lru_cache(maxsize=4096)
def _rows(line: LogLine, width: int) -> Sequence[Line]:
    clock = time.strftime("%H:%M:%S", time.localtime(line.at))
    tone = _TONES.get(line.level, "")
    rows = wrapped(literal(line.text), width, tone, first=[(f"{clock}  ", "quiet")])
    if len(rows) > _MOST_ROWS:
        rows = [*rows[: _MOST_ROWS - 1], [(" " * 10 + "…", tone)]]
    return rows
