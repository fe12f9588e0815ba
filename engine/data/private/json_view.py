"""A text as its readers see it: a JSON text with the escapes of its strings undone.

Finders read the view; what they replace goes back into the text, and a JSON text stays JSON.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)
_VALUE_BEFORE = re.compile(r'"\s*:\s*\Z')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)\Z", re.ASCII)


class _Piece(NamedTuple):
    """A part of a text: punctuation, the inside of a string, a number, or all of a plain text."""

    kind: str
    raw: str
    seen: str
    raw_start: int
    start: int


class View:
    """A text and what it says.

    Attributes:
        seen: The text with the escapes of JSON strings undone.
    """

    def __init__(self, text: str) -> None:
        self._pieces = _json_pieces(text) or [_Piece("plain", text, text, 0, 0)]
        self.seen = "".join(piece.seen for piece in self._pieces)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return where a part of `seen` stands in the text."""
        piece = self._piece(start)
        if piece.raw != piece.seen:
            return piece.raw_start, piece.raw_start + len(piece.raw)
        moved = piece.raw_start - piece.start
        return start + moved, min(end, piece.start + len(piece.seen)) + moved

    def replaced(self, changes: list[tuple[int, int, str]]) -> str:
        """Return the text with parts of `seen` replaced.

        Args:
            changes: Start, end and new text of each part; in order, none overlaps another.
        """
        parts = []
        for piece in self._pieces:
            end = piece.start + len(piece.seen)
            own = [change for change in changes if piece.start <= change[0] < end]
            parts.append(_changed(piece, own) if own else piece.raw)
        return "".join(parts)

    def _piece(self, start: int) -> _Piece:
        return next(piece for piece in reversed(self._pieces) if piece.start <= start)


def _json_pieces(text: str) -> list[_Piece]:
    """Return the pieces of a JSON object or list; none where the text is no JSON."""
    if text.lstrip()[:1] not in ("{", "["):
        return []
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return []
    pieces: list[_Piece] = []
    place = seen = 0

    def add(kind: str, start: int, end: int, said: str | None = None) -> None:
        nonlocal place, seen
        raw = text[start:end]
        pieces.append(_Piece(kind, raw, raw if said is None else said, start, seen))
        seen += len(pieces[-1].seen)
        place = end

    for match in _TOKEN.finditer(text):
        string = match[1] is not None
        start, end = match.span(1) if string else match.span()
        add("between", place, start)
        said = str(json.loads(match[0], strict=False)) if string and "\\" in match[1] else None
        add("string" if string else "number", start, end, said)
    add("between", place, len(text))
    return [piece for piece in pieces if piece.raw]


def _changed(piece: _Piece, changes: list[tuple[int, int, str]]) -> str:
    if piece.kind == "between":
        return piece.raw
    parts, place = [], 0
    for start, end, new in changes:
        before = piece.seen[place : start - piece.start]
        place = min(end - piece.start, len(piece.seen))
        bare = piece.kind == "plain" and _bare_value(piece.seen, start, place)
        parts += [before, _value(new) if bare else new]
    whole = "".join(parts) + piece.seen[place:]
    if piece.kind == "number":
        return _value(whole)
    return _quoted(whole)[1:-1] if piece.kind == "string" else whole


def _bare_value(text: str, start: int, end: int) -> bool:
    """Say whether a part is a number of a JSON object that stands inside another text."""
    before = _VALUE_BEFORE.search(text, max(0, start - 16), start)
    return before is not None and text[end:].lstrip()[:1] in ("}", ",")


def _value(text: str) -> str:
    return text if _NUMBER.match(text) else _quoted(text)


def _quoted(text: str) -> str:
    """Return a JSON string; half a surrogate pair stays the escape that it was."""
    broken = any("\ud800" <= character <= "\udfff" for character in text)
    return json.dumps(text, ensure_ascii=broken)
