"""One question above a screen."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.widgets.canvas import Lines


class Ask(ModalScreen[str]):
    """Asks for one line of text; empty when the user turned back.

    Args:
        title: The question.
        help: What the answer is for.
        text: The answer proposed.
    """

    PLACE = "ask"
    BINDINGS = [Binding("escape", "back", "Back", tooltip="Turn back", id="ask.back")]  # noqa: RUF012 - Textual's form
    DEFAULT_CSS = """
    Ask { align: center middle; background: $background 60%; }
    Ask Lines { height: 1; }
    Ask Input { margin: 1 0; background: $panel; border: none; padding: 0 1; }
    """

    def __init__(self, title: str, help: str, text: str = "") -> None:  # noqa: A002 - as elsewhere
        super().__init__()
        self._title, self._help, self._text = title, help, text

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog"):
            yield Lines([[(self._title, "strong")]])
            yield Lines([[(self._help, "quiet")]])
            yield Input(self._text, compact=True, select_on_focus=False)
            yield Lines([[("⏎", "key"), (" goes on   ", ""), ("esc", "key"), (" turns back", "")]])

    @on(Input.Submitted)
    def answer(self, message: Input.Submitted) -> None:
        """Close with the answer."""
        self.dismiss(message.value.strip())

    def action_back(self) -> None:
        """Close without one."""
        self.dismiss("")


def ask_why() -> Ask:
    """Return the question for the reason that overrides a gate."""
    return Ask(
        "Why go on although the gate says no?",
        "The reason is recorded and stands in every later report.",
    )
