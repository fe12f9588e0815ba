"""The help: what every key of a screen does, made from the table of keys."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.keys import APP, KEYS, Key, bindings
from tui.widgets.canvas import Line, Lines
from tui.widgets.keybar import KeyBar

_SYMBOLS: tuple[Line, ...] = (
    (
        *(("● ", "active"), ("running   ", ""), ("○ ", "quiet"), ("waiting   ", "")),
        *(("✓ ", "good"), ("done   ", ""), ("■ ", "warn"), ("stopped   ", "")),
        *(("‖ ", "warn"), ("paused", "")),
    ),
    (("✗ ", "bad"), ("failed    ", ""), ("? ", "bad"), ("lost: its process died", "")),
)


class HelpScreen(ModalScreen[None]):
    """The keys of one screen.

    Args:
        place: The screen's name in the table of keys.
    """

    PLACE = "help"
    BINDINGS = bindings("help")

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place

    def compose(self) -> ComposeResult:
        """Show the table."""
        keys = [_line(key) for key in (*KEYS.get(self._place, ()), *APP)]
        lines = [*keys, *_SYMBOLS]
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Keys"
            shown = Lines(lines)
            shown.styles.height = len(lines)
            yield shown
        yield KeyBar()

    def action_back(self) -> None:
        """Close the help."""
        self.dismiss()


def _line(key: Key) -> Line:
    name = key.shown or key.keys.split(",")[0]
    return [(f"{name:>6}", "key"), (f"   {key.help}", "")]
