"""Text of any length for a pane that scrolls: a pure function draws it for a width."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len, chop_cells

from tui.widgets.canvas import Canvas, Line, Part, cells

Draw = Callable[[int], Sequence[Line]]
_SYMBOLS = {"pass": ("✓", "good"), "warn": ("!", "warn"), "fail": ("✗", "bad")}


class Page(Canvas):
    """Lines as tall as they need to be; put it into a scrolling container.

    Attributes:
        lines: What is drawn now.
    """

    DEFAULT_CSS = "Page { height: auto; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self._draw: Draw = lambda _: ()
        self.lines: Sequence[Line] = ()

    def show(self, draw: Draw) -> None:
        """Take new content; the layout is touched only when its height changes."""
        self._draw = draw
        self._fill()

    def on_resize(self) -> None:
        """Break the lines anew."""
        self._fill()

    def paint(self, y: int) -> Line:
        """Return the parts of a line."""
        return self.lines[y] if y < len(self.lines) else ()

    def _fill(self) -> None:
        if not self.size.width:
            return
        before, self.lines = self.lines, self._draw(self.size.width)
        if len(before) != len(self.lines):
            self.styles.height = max(1, len(self.lines))
        if before != self.lines:
            self.refresh()


def wrapped(
    text: str, width: int, tone: str = "", *, first: Line = (), indent: int = 0
) -> list[Line]:
    """Return text broken into lines at its spaces.

    Args:
        text: Safe text; a line feed begins a new line.
        width: The width of a line in cells.
        tone: The tone of the text.
        first: What stands before the first line.
        indent: The cells left free before the other lines; at least as wide as `first`.
    """
    indent = max(indent, cells(first))
    lines: list[Line] = []
    for paragraph in text.split("\n"):
        for piece in _broken(paragraph, max(8, width - indent)):
            lead: Line = (
                [*first, (" " * (indent - cells(first)), "")] if not lines else [(" " * indent, "")]
            )
            lines.append([*lead, (piece, tone)])
    return lines


def verdict(
    result: str, name: str, reasons: Sequence[str], width: int, accepted: str = ""
) -> list[Line]:
    """Return what a gate said: symbol, word and reasons, and why it was overridden, if it was."""
    symbol, tone = _SYMBOLS.get(result, ("·", "quiet"))
    lines: list[Line] = [[(f"{symbol} {name}: {result}", tone)]]
    if accepted:
        lines += wrapped(accepted, width, "warn", first=[("  accepted: ", "warn")])
    for reason in reasons:
        lines += wrapped(reason, width, first=[("  · ", "quiet")])
    return lines


def titled(text: str, width: int) -> Line:
    """Return a heading with a rule that fills the line."""
    return [(f"{text} ", "strong"), ("─" * max(0, width - cell_len(text) - 1), "faint")]


def keyed(name: str, text: str, width: int, *, room: int = 14, tone: str = "") -> list[Line]:
    """Return a name and what belongs to it, side by side."""
    first: list[Part] = [(f"{name:<{room}}", "quiet")]
    return wrapped(text, width, tone, first=first, indent=room)


def _broken(text: str, width: int) -> list[str]:
    """Break at spaces; a word that is longer than the line is cut."""
    lines, line, used = [], "", 0
    for word in _words(text, width):
        length = cell_len(word)
        if line and used + 1 + length > width:
            lines.append(line)
            line, used = word, length
        else:
            line, used = (f"{line} {word}", used + 1 + length) if line else (word, length)
    return [*lines, line]


def _words(text: str, width: int) -> list[str]:
    return [piece for word in text.split(" ") for piece in (chop_cells(word, width) or [""])]
