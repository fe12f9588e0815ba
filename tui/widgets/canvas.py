"""The ground of every live widget: lines of toned text, drawn without a layout or any markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

# A piece of text and its tone, or "" for the widget's own colour.
Part = tuple[str, str]
Line = Sequence[Part]

# Tone -> the theme's variable that colours it; a bold tone has its name in _BOLD.
TONES = {
    "quiet": "quiet",
    "faint": "faint",
    "band": "band",
    "strong": "foreground",
    "active": "primary",
    "good": "success",
    "warn": "warning",
    "bad": "error",
    "accent": "accent",
    "key": "accent",
}
_BOLD = frozenset({"strong", "accent", "key"})


class Canvas(Widget):
    """A widget that draws each of its lines itself; a change repaints, and never lays out."""

    ALLOW_SELECT = False
    _painted: tuple[Size, list[tuple[str, Line]]] = (Size(), [])

    def paint(self, y: int) -> Line:
        """Return the parts of line `y`, from the left."""
        raise NotImplementedError

    def ground(self, y: int) -> str:
        """Return the theme's variable that colours the ground of line `y`; empty for none."""
        del y
        return ""

    def repaint(self) -> None:
        """Draw again the lines that changed, and no other: over a slow line every byte counts."""
        size, before = self._painted
        now: list[tuple[str, Line]] = [
            (self.ground(y), tuple(self.paint(y))) for y in range(self.size.height)
        ]
        self._painted = (self.size, now)
        if size != self.size:
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, now, strict=True)):
            if old != new:
                self.refresh(Region(0, y, size.width, 1))

    def render_line(self, y: int) -> Strip:
        """Draw one line, padded or cut to the widget's width."""
        variables = self.app.theme_variables
        base = self.visual_style.rich_style
        if ground := self.ground(y):
            base += Style(bgcolor=Color.parse(variables[ground]).rich_color)
        segments = [
            Segment(text, base + _ink(tone, variables[TONES[tone]]) if tone else base)
            for text, tone in self.paint(y)
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)


@lru_cache(maxsize=256)
def _ink(tone: str, colour: str) -> Style:
    return Style(color=Color.parse(colour).rich_color, bold=tone in _BOLD or None)


class Lines(Canvas):
    """Some lines of text that change often.

    Args:
        lines: The first content.
        name: Textual's name of the widget.
        id: Textual's id.
        classes: Textual's classes.
    """

    def __init__(
        self,
        lines: Iterable[Line] = (),
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - Textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.lines = list(lines)

    def show(self, *lines: Line) -> None:
        """Replace the content."""
        self.lines = list(lines)
        self.repaint()

    def paint(self, y: int) -> Line:
        """Return the parts of a line."""
        return self.lines[y] if y < len(self.lines) else ()


def spread(left: Line, right: Line, width: int) -> Line:
    """Return one line with `left` at its start and `right` at its end; the left part gives way."""
    room = width - cells(right)
    used = cells(left)
    if used < room:
        return (*left, (" " * (room - used), ""), *right)
    return (*_cut(left, max(0, room - 1)), (" ", ""), *right)


def cells(line: Line) -> int:
    """Return the width of a line in cells."""
    return sum(cell_len(text) for text, _ in line)


def _cut(line: Line, width: int) -> list[Part]:
    from tui.words import fit

    kept: list[Part] = []
    for text, tone in line:
        length = cell_len(text)
        if length >= width:
            return [*kept, (fit(text, width), tone)]
        kept.append((text, tone))
        width -= length
    return kept
