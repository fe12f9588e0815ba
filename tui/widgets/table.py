"""A table that holds only a window of its rows, so that ten rows or a million cost the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.message import Message

from tui.widgets.canvas import Canvas, Line, Part
from tui.words import fit


class Column(NamedTuple):
    """One column.

    Attributes:
        title: Its heading.
        width: Its width in cells; the column that grows has at least this.
        right: Whether its figures stand at the right.
        grow: Whether it takes the room that is left; give this to one column.
        room: The narrowest table, in cells, that shows it.
    """

    title: str
    width: int
    right: bool = False
    grow: bool = False
    room: int = 0


class Entry(NamedTuple):
    """One row: what it stands for, and one cell (text and tone) for each column."""

    key: int | str
    cells: Sequence[Part]


class Table(Canvas, can_focus=True):
    """Rows with a cursor; the first line is the heading.

    Args:
        columns: The columns, from the left.
        empty: What to say when there is no row.
        id: Textual's id.
        classes: Textual's classes.
    """

    class Moved(Message):
        """The cursor stands on another row, or the rows around it are wanted."""

    class Chosen(Message):
        """A row was clicked twice."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str = "",
        id: str | None = None,  # noqa: A002 - Textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._columns = columns
        self._empty = empty
        self._entries: Sequence[Entry] = ()
        self._offset = 0
        self.total = 0
        self.cursor = 0
        self.top = 0

    @property
    def key(self) -> int | str | None:
        """What the row under the cursor stands for; None when there is none."""
        at = self.cursor - self._offset
        return self._entries[at].key if 0 <= at < len(self._entries) else None

    @property
    def page(self) -> int:
        """How many rows fit."""
        return max(1, self.size.height - 1)

    def show(self, entries: Sequence[Entry], *, offset: int = 0, total: int | None = None) -> None:
        """Take a window of the rows; the cursor stays with what it stood on.

        Args:
            entries: The rows of the window.
            offset: The place of the window's first row among all rows.
            total: How many rows there are in all; the window's end when None.
        """
        before, moved = self.key, 0
        if before is not None and self.cursor:
            places = {entry.key: offset + at for at, entry in enumerate(entries)}
            moved = places.get(before, self.cursor) - self.cursor
        self._entries, self._offset = entries, offset
        self.total = offset + len(entries) if total is None else total
        self.top += moved if self.top else 0
        self._place(self.cursor + moved)
        self.repaint()
        if self.key != before:
            self.post_message(self.Moved())

    def move(self, rows: int) -> None:
        """Move the cursor."""
        before = (self.cursor, self.top)
        self._place(self.cursor + rows)
        if (self.cursor, self.top) != before:
            self.repaint()
            self.post_message(self.Moved())

    def ground(self, y: int) -> str:
        """Return the colour under the cursor's line."""
        marked = bool(y and self.total) and self.top + y - 1 == self.cursor
        return "cursor" if marked else ""

    def paint(self, y: int) -> Line:
        """Return the heading, or one row."""
        if y == 0:
            return self._line([(column.title, "quiet") for column in self._columns])
        at = self.top + y - 1
        if at >= self.total:
            return [(f"  {self._empty}", "quiet")] if not self.total and y == 2 else ()
        if not 0 <= at - self._offset < len(self._entries):
            return [("  …", "quiet")]
        return self._line(self._entries[at - self._offset].cells, marked=at == self.cursor)

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._place(self.cursor)
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row; a second click chooses it."""
        offset = event.get_content_offset(self)
        at = self.top + offset.y - 1 if offset and offset.y else self.total
        if at < self.total:
            self.move(at - self.cursor)
            if event.chain > 1:
                self.post_message(self.Chosen())

    def on_mouse_scroll_down(self) -> None:
        """Go down."""
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        """Go up."""
        self.move(-3)

    def _place(self, cursor: int) -> None:
        self.cursor = min(max(0, cursor), max(0, self.total - 1))
        self.top = max(0, min(self.top, self.total - self.page))
        self.top = min(max(self.top, self.cursor - self.page + 1), self.cursor)

    def _line(self, cells: Sequence[Part], *, marked: bool = False) -> Line:
        width = self.size.width
        shown = [
            (column, cell)
            for column, cell in zip(self._columns, cells, strict=True)
            if column.room <= width
        ]
        spare = width - 1 - sum(column.width + 2 for column, _ in shown)
        parts: list[Part] = [("▸" if marked else " ", "accent")]
        for column, (text, tone) in shown:
            room = column.width + (max(0, spare) if column.grow else 0)
            parts.append((" " + fit(text, room, right=column.right) + " ", tone))
        return parts
