"""What the screens of one run share: a table, and more about the row under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

from textual import on
from textual.screen import Screen

from tui.feed import Broken, Fresh, Reader
from tui.widgets.table import Table

if TYPE_CHECKING:
    from tui.app import TunesmithApp

Look = TypeVar("Look")


class FollowedScreen(Screen[None], Generic[Look]):
    """Follows one run in the store while it is shown.

    Args:
        run_id: The run.
        reader: Reads what the screen shows.

    Attributes:
        look: What was read last; None before the first look.
    """

    app: TunesmithApp

    def __init__(self, run_id: int, reader: Reader) -> None:
        super().__init__()
        self.run_id = run_id
        self.look: Look | None = None
        self._reader = reader

    def on_mount(self) -> None:
        """Give the rows the keys."""
        self.query_one(Table).focus()

    def on_screen_resume(self) -> None:
        """Follow the run while the screen is shown."""
        self.app.feed.watch(self, self._reader)

    def on_screen_suspend(self) -> None:
        """Rest while another screen lies above."""
        self.app.feed.release(self)

    def on_resize(self) -> None:
        """Draw the lines for the new width."""
        self._show()

    @on(Fresh)
    def take(self, message: Fresh) -> None:
        """Show what the feed read; it reads for this screen only what its reader returns."""
        self.look = cast("Look", message.value)
        self._show()
        self.refresh_bindings()

    @on(Broken)
    def complain(self, message: Broken) -> None:
        """Say that the store could not be read."""
        self.app.complain(message.error)

    @on(Table.Moved)
    def explain(self) -> None:
        """Tell all about the row under the cursor."""
        self._show_row()

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        self.query_one(Table).move(rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        table = self.query_one(Table)
        table.move(pages * table.page)

    def action_back(self) -> None:
        """Go back; what is at work goes on."""
        self.app.pop_screen()

    def _show(self) -> None:
        """Show what was read last."""
        raise NotImplementedError

    def _show_row(self) -> None:
        """Show the row under the cursor."""
        raise NotImplementedError
