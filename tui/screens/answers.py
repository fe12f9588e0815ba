"""What the model answered to a few validation rows as it trained, row by row and step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.screen import Screen

from tui.answering import Answers, Reader, cells, detail, header, nothing
from tui.feed import Broken, Fresh
from tui.keys import bindings
from tui.widgets.canvas import Lines
from tui.widgets.keybar import KeyBar
from tui.widgets.page import Page
from tui.widgets.table import Column, Entry, Table

if TYPE_CHECKING:
    from tui.app import TunesmithApp

_COLUMNS = (
    Column("newest", 8),
    Column("asked", 20, grow=True),
    Column("expected", 24, room=75),
    Column("newest answer", 36, room=120),
)


class AnswersScreen(Screen[None]):
    """The rows that one run asked its model.

    Args:
        run_id: The run.
    """

    app: TunesmithApp
    PLACE = "answers"
    BINDINGS = bindings("answers")
    CSS = """
    AnswersScreen VerticalScroll {
        scrollbar-size-vertical: 1; scrollbar-background: $background; scrollbar-color: $faint;
    }
    AnswersScreen #asked { height: 35%; max-height: 12; margin-top: 1; }
    AnswersScreen #row { height: 1fr; padding: 0 1; border-top: solid $faint; }
    AnswersScreen #row:focus { border-top: solid $secondary; }
    AnswersScreen #empty { display: none; height: 1fr; padding: 2 3; }
    AnswersScreen.-empty #empty { display: block; }
    AnswersScreen.-empty #asked, AnswersScreen.-empty #row { display: none; }
    """

    def __init__(self, run_id: int) -> None:
        super().__init__()
        self.run_id = run_id
        self._found: Answers | None = None
        self._reader = Reader(run_id)

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Lines(id="header")
        yield Table(_COLUMNS, id="asked")
        with VerticalScroll(id="row"):
            yield Page(id="row-text")
        with Container(id="empty"):
            yield Page(id="empty-text")
        yield KeyBar()

    def on_mount(self) -> None:
        """Give the rows the keys."""
        self.query_one(Table).focus()

    def on_screen_resume(self) -> None:
        """Follow the answers while the screen is shown."""
        self.app.feed.watch(self, self._reader)

    def on_screen_suspend(self) -> None:
        """Rest while another screen lies above."""
        self.app.feed.release(self)

    def on_resize(self) -> None:
        """Draw the lines for the new width."""
        self._show()

    @on(Fresh)
    def take(self, message: Fresh) -> None:
        """Show what the feed read."""
        if isinstance(message.value, Answers):
            self._found = message.value
            self._show()
            self.refresh_bindings()

    @on(Broken)
    def complain(self, message: Broken) -> None:
        """Say that the store could not be read."""
        self.app.complain(message.error)

    @on(Table.Moved)
    def moved(self) -> None:
        """Show the row under the cursor from its beginning."""
        self.query_one("#row", VerticalScroll).scroll_home(animate=False)
        self._show_row()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that do something now."""
        del parameters
        if action in ("read", "move", "page"):
            return self._found is not None and bool(self._found.rows)
        return True

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        self.query_one(Table).move(rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        table = self.query_one(Table)
        table.move(pages * table.page)

    def action_read(self) -> None:
        """Read on in the row; from its end, anew."""
        pane = self.query_one("#row", VerticalScroll)
        if pane.scroll_offset.y >= pane.max_scroll_y:
            pane.scroll_home(animate=False)
        else:
            pane.scroll_page_down(animate=False)

    def action_back(self) -> None:
        """Go back to the monitor."""
        self.app.pop_screen()

    def action_copy_command(self) -> None:
        """Copy the command that shows the same."""
        self.app.copy_command(f"show {self.run_id} --answers")

    def _show(self) -> None:
        found = self._found
        if found is None:
            return
        self.query_one("#header", Lines).show(header(found, self.app.size.width))
        self.set_class(not found.rows, "-empty")
        self.query_one("#empty-text", Page).show(lambda width: nothing(found, width))
        self.query_one(Table).show([Entry(row.row_id, cells(row)) for row in found.rows])
        self._show_row()

    def _show_row(self) -> None:
        key = self.query_one(Table).key
        rows = self._found.rows if self._found else ()
        row = next((row for row in rows if row.row_id == key), None)
        page = self.query_one("#row-text", Page)
        page.show(lambda width: detail(row, width) if row else ())
