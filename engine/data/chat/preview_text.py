"""Text of data drawn for a terminal: barred lines, and nothing in them that moves the cursor."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

READ, LEARNT = "│", "█"  # the first column of a line: only read, or learnt
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_LONGEST = 200  # lines of one piece that are shown; of a longer one its middle is left out


def drawn(pieces: Iterable[tuple[str, bool]], width: int) -> list[str]:
    """Return pieces of text as lines that begin with a bar.

    Args:
        pieces: Texts, each with whether it is learnt.
        width: The most columns of a line.
    """
    lines = []
    for text, learnt in pieces:
        own: list[str] = []
        *ended, last = text.split("\n")
        for line in ended:
            own += _cells(f"{visible(line)}↵", width - 2)
        if last:
            own += _cells(visible(last), width - 2)
        if len(own) > _LONGEST:
            half = _LONGEST // 2
            left = f"… {len(own) - 2 * half:,} lines left out …"
            own = [*own[:half], left, *own[-half:]]
        lines += [f"{LEARNT if learnt else READ} {line}" for line in own]
    return lines


def visible(text: str) -> str:
    """Return text with all that cannot be seen (controls, directions, tabs) as its code."""
    return "".join(
        f"\\x{ord(char):02x}" if unicodedata.category(char) in _UNSEEN else char for char in text
    )


def wrapped(start: str, text: str, width: int) -> list[str]:
    """Return a sentence in lines of at most `width` columns; all but the first are indented."""
    lines = []
    room = width - len(start)
    while len(text) > room:
        place = text.rfind(" ", 0, room + 1)
        place = place if place > 0 else room
        lines.append(text[:place])
        text = text[place:].lstrip()
    lines.append(text)
    blank = " " * len(start)
    return [(blank if number else start) + line for number, line in enumerate(lines)]


def _cells(text: str, width: int) -> list[str]:
    """Cut text into lines of at most so many columns; Chinese characters take two."""
    lines, line, room = [], "", width
    for char in text:
        size = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        size = 0 if unicodedata.combining(char) else size
        if size > room:
            lines.append(line)
            line, room = "", width
        line, room = line + char, room - size
    return [*lines, line]
