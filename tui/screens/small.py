"""What a terminal that is too small shows: one line, and nothing broken."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen

from tui.terminal import SMALLEST
from tui.widgets.canvas import Lines


class SmallScreen(Screen[None]):
    """Covers the screens below until the terminal is large enough again."""

    PLACE = "small"

    def compose(self) -> ComposeResult:
        """Name the minimum."""
        yield Lines([[(f"Please enlarge the terminal to {SMALLEST[0]}x{SMALLEST[1]}.", "")]])
