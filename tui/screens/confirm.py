"""A question before something that ends work."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.keys import bindings
from tui.widgets.canvas import Lines
from tui.widgets.keybar import KeyBar


class Confirm(ModalScreen[bool]):
    """A question with yes and no; esc is no.

    Args:
        question: What is asked, in a few words.
        detail: What it means, in one line of at most 70 cells.
    """

    PLACE = "confirm"
    BINDINGS = bindings("confirm")

    def __init__(self, question: str, detail: str) -> None:
        super().__init__()
        self._question = question
        self._detail = detail

    def compose(self) -> ComposeResult:
        """Ask."""
        with Vertical(classes="dialog"):
            yield Lines(
                [
                    [(self._question, "strong")],
                    [],
                    [(self._detail, "")],
                    [],
                    [("y", "key"), (" yes    ", ""), ("n", "key"), (" no", "")],
                ],
                classes="question",
            )
        yield KeyBar()

    def action_answer(self, answer: bool) -> None:
        """Take the answer."""
        self.dismiss(answer)
