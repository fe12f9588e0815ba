"""Names from files, such as keys and columns, made safe to show."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 30  # characters of one name
_MOST = 6  # names in one sentence


def shown(name: object) -> str:
    """Return a name without control characters or markup, and cut at 30 characters."""
    text = str(name)
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return "".join(_plain(char) for char in cut)


def listed(names: Iterable[object]) -> str:
    """Return the first names, each made safe, with commas between."""
    some = [shown(name) for _, name in zip(range(_MOST + 1), names, strict=False)]
    return ", ".join([*some[:_MOST], "…"] if len(some) > _MOST else some)


def place(name: str) -> str:
    """Return a file's name so that no terminal takes a part of it for a command."""
    return name if name.isprintable() else "".join(_plain(char) for char in name)


def _plain(char: str) -> str:
    if char in "[]":
        return "(" if char == "[" else ")"
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
