"""The only writer of the command line: text for people, JSON for machines, nothing raw.

Text from data sets and models is shown with its control characters made visible, so that it can
neither move the cursor nor colour the terminal.
"""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import click

Cell = str | int | float | None
_ESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *range(0xD800, 0xE000))}
_ESCAPED |= {code: f"\\u{code:04x}" for code in (*range(0x200B, 0x2010), *range(0x2028, 0x202F))}
_ESCAPED |= {code: f"\\u{code:04x}" for code in (*range(0x2060, 0x2070), 0xFEFF)}
MARKS = {"pass": "✓", "warn": "!", "fail": "✗"}


def printable(text: str) -> str:
    """Return text with control, bidi and other invisible format characters made visible."""
    return "".join(
        char
        if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
        else f"\\x{ord(char):02x}"
        for char in text
    )


def one_line(text: str, width: int = 80) -> str:
    """Return text on one line, cut to a width."""
    line = " ".join(printable(text).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def say(text: str = "") -> None:
    """Write a line for people to standard output."""
    click.echo(printable(text))


def note(text: str) -> None:
    """Write a line of narration to standard error."""
    click.echo(printable(text), err=True)


def passing(text: str) -> None:
    """Show what is being done on the terminal's last line; empty text clears it."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[2K{one_line(text, 78)}", nl=False, err=True)


def emit(data: Any) -> None:
    """Write data as one JSON document to standard output."""
    click.echo(_json(data, indent=2))


def emit_line(data: Mapping[str, Any]) -> None:
    """Write one event as one line of JSON."""
    click.echo(_json(data))


def _json(data: Any, indent: int | None = None) -> str:
    """Return JSON; what could move a cursor or turn the writing direction is escaped."""
    text = json.dumps(data, ensure_ascii=False, indent=indent, default=str)
    return text.translate(_ESCAPED) if not text.isascii() else text


def table(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Write a table; numbers to the right, the last column cut to the terminal's width."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max(len(header), *(len(row[i]) for row in cells), 0) if cells else len(header)
        for i, header in enumerate(headers)
    ]
    right = [
        all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(headers))
    ]
    limit = shutil.get_terminal_size((200, 24)).columns if sys.stdout.isatty() else 10_000
    for line in [list(headers), ["─" * width for width in widths], *cells]:
        text = "  ".join(
            value.rjust(width) if to_right else value.ljust(width)
            for value, width, to_right in zip(line, widths, right, strict=True)
        )
        click.echo(text.rstrip()[:limit])


def gate(result: str, name: str, reasons: Sequence[str]) -> None:
    """Write what a gate said: mark, word and reasons."""
    say(f"  {MARKS[result]} {name} gate: {result}")
    for reason in reasons:
        say(f"      {reason}")


def percent(value: float | None, digits: int = 0) -> str:
    """Return a share as per cent, or a dash."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def amount(count: float) -> str:
    """Return bytes in the unit a person would use (powers of 1000)."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit in {"B", "kB", "MB"} else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float | None) -> str:
    """Return a time span as people say it: 42 s, 3 min 05 s, 2 h 10 min."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _cell(value: Cell) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else one_line(str(value), 100)
