"""Plain text: each file in pieces that end where a paragraph or a sentence does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.data.load.records import Record, Records

LONGEST_PIECE = 4000  # characters
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"[.!?…][\"'»”’)\]]*\s+|[。！？；][」』”’）]*|\n")
_WORD = re.compile(r"\s+|[,，、;；:：]")


def records(pieces: Iterator[str], file: str) -> Records:
    """Yield the pieces of a text, numbered from 1; the file is their group."""
    for number, piece in enumerate(cut(pieces), start=1):
        content = {"text": piece, "group": file}
        yield Record(file, number, content, False, len(piece))


def cut(pieces: Iterator[str]) -> Iterator[str]:
    """Yield pieces of at most 4,000 characters, without blanks around; all text is in one."""
    rest = ""
    for piece in pieces:
        rest += piece.replace("\r\n", "\n").replace("\r", "\n")
        begin = 0
        while len(rest) - begin > LONGEST_PIECE:
            end = _end(rest[begin : begin + LONGEST_PIECE])
            if found := rest[begin : begin + end].strip():
                yield found
            begin += end
        rest = rest[begin:]
    if found := rest.strip():
        yield found


def _end(text: str) -> int:
    """Return where to cut: behind the last paragraph, else sentence, else word in the text."""
    for pattern, least in ((_PARAGRAPH, 4), (_SENTENCE, 4), (_WORD, 2)):
        end = max((found.end() for found in pattern.finditer(text)), default=0)
        if end > len(text) // least:
            return end
    return len(text)
