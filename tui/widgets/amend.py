"""A dialog to change some texts of a row: what would steer the terminal is spelled out in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import TextArea

from tui.keys import bindings
from tui.widgets.canvas import Lines
from tui.widgets.keybar import KeyBar
from tui.words import literal

# Controls, marks that turn the writing direction, and the bracket that begins a spelled sign. A
# line feed is a new line; joiners belong to scripts and to emoji.
_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff⟦]"
)
_SPELLED = re.compile(r"⟦([0-9a-f]{1,6})⟧")


def spell(text: str) -> str:
    """Return text that is safe to edit: each steering sign as its number, such as `⟦1b⟧`."""
    return _STEERING.sub(lambda sign: f"⟦{ord(sign[0]):x}⟧", text)


def unspell(text: str) -> str:
    """Return the text that `spell` was given; what is not a number of a sign stays as it is."""
    return _SPELLED.sub(lambda sign: _sign(sign[0], int(sign[1], 16)), text)


def _sign(spelled: str, number: int) -> str:
    return chr(number) if number <= 0x10FFFF else spelled


@dataclass(frozen=True)
class Text:
    """A text that may be changed.

    Attributes:
        key: What it is called in the answer.
        name: What it is called on the screen.
        text: The text as it stands.
        lines: The least lines that it gets.
    """

    key: str
    name: str
    text: str
    lines: int = 3


class Amend(ModalScreen[dict[str, str] | None]):
    """Asks for new texts; None when the user turned back.

    Args:
        title: What is changed.
        hint: What to know; empty for nothing.
        texts: The texts.
    """

    PLACE = "amend"
    BINDINGS = bindings("amend")
    CSS = """
    Amend { align: center middle; background: $background 60%; }
    Amend .dialog { width: 92%; max-width: 140; height: 90%; padding: 0 1; }
    Amend Lines { height: 1; }
    Amend TextArea {
        height: 1fr; min-height: 3; background: $panel; border: none !important;
        padding: 0 1 !important; scrollbar-size-vertical: 1;
    }
    Amend TextArea:focus { background: $cursor; }
    """

    def __init__(self, title: str, hint: str, texts: Sequence[Text]) -> None:
        super().__init__()
        self._title, self._hint, self._texts = title, hint, texts

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog"):
            yield Lines([[(literal(self._title), "strong")]])
            if self._hint:
                yield Lines([[(literal(self._hint), "quiet")]])
            for text in self._texts:
                yield Lines([[(text.name, "quiet")]])
                area = TextArea(
                    spell(text.text),
                    id=f"amend-{text.key}",
                    compact=True,
                    show_line_numbers=False,
                    highlight_cursor_line=False,
                    tab_behavior="focus",
                )
                area.styles.height = f"{text.lines}fr"
                yield area
            spelled = any(_STEERING.search(text.text) for text in self._texts)
            note = "⟦…⟧ is the number of a sign that cannot be shown   " if spelled else ""
            keys = (("^s", " saves   "), ("esc", " turns back   "), ("tab", " next text"))
            yield Lines(
                [
                    [
                        (note, "warn"),
                        *(part for key, word in keys for part in ((key, "key"), (word, ""))),
                    ]
                ]
            )
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin in the last text: most often it is the answer that is wrong."""
        areas = list(self.query(TextArea))
        areas[1 if self._texts[0].key == "prompt" else 0].focus()

    def action_save(self) -> None:
        """Close with the texts as they stand."""
        self.dismiss(
            {
                text.key: unspell(self.query_one(f"#amend-{text.key}", TextArea).text)
                for text in self._texts
            }
        )

    def action_back(self) -> None:
        """Close without changing anything."""
        self.dismiss(None)
