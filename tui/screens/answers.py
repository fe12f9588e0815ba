"""What the model answered to a few validation rows as it trained, row by row and step by step."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll

from tui.answering import Answers, Reader, cells, detail, header, nothing
from tui.keys import bindings
from tui.screens.followed import FollowedScreen
from tui.widgets.canvas import Lines
from tui.widgets.keybar import KeyBar
from tui.widgets.page import Page
from tui.widgets.table import Column, Entry, Table

_COLUMNS = (
    Column("newest", 8),
    Column("asked", 20, grow=True),
    Column("expected", 24, room=75),
    Column("newest answer", 36, room=120),
)


class AnswersScreen(FollowedScreen[Answers]):
    """The rows that one run asked its model.

    Args:
        run_id: The run.
    """

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
        super().__init__(run_id, Reader(run_id))

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Lines(id="header")
        yield Table(_COLUMNS, id="asked")
        with VerticalScroll(id="row"):
            yield Page(id="row-text")
        with Container(id="empty"):
            yield Page(id="empty-text")
        yield KeyBar()

    @on(Table.Moved)
    def begin_row(self) -> None:
        """Show a row from its beginning."""
        self.query_one("#row", VerticalScroll).scroll_home(animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that do something now."""
        del parameters
        if action in ("read", "move", "page"):
            return self.look is not None and bool(self.look.rows)
        return True

    def action_read(self) -> None:
        """Read on in the row; from its end, anew."""
        pane = self.query_one("#row", VerticalScroll)
        if pane.scroll_offset.y >= pane.max_scroll_y:
            pane.scroll_home(animate=False)
        else:
            pane.scroll_page_down(animate=False)

    def action_copy_command(self) -> None:
        """Copy the command that shows the same."""
        self.app.copy_command(f"show {self.run_id} --answers")

    def _show(self) -> None:
        found = self.look
        if found is None:
            return
        self.query_one("#header", Lines).show(header(found, self.app.size.width))
        self.set_class(not found.rows, "-empty")
        self.query_one("#empty-text", Page).show(lambda width: nothing(found, width))
        self.query_one(Table).show([Entry(row.row_id, cells(row)) for row in found.rows])
        self._show_row()

    def _show_row(self) -> None:
        key = self.query_one(Table).key
        rows = self.look.rows if self.look else ()
        row = next((row for row in rows if row.row_id == key), None)
        page = self.query_one("#row-text", Page)
        page.show(lambda width: detail(row, width) if row else ())
