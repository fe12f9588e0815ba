"""A finding's place in a text, and the text as the finders read it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple


class Span(NamedTuple):
    """A finding in a text: its kind (as in `<EMAIL_1>`) and its place."""

    kind: str
    start: int
    end: int


# full-width forms, and the dashes and blanks that typesetting puts for the plain ones
_PLAIN = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_PLAIN |= dict.fromkeys(map(ord, "‐‑‒–—−－﹣"), ord("-"))
_PLAIN |= dict.fromkeys((0xA0, 0x2007, 0x2009, 0x200A, 0x202F, 0x3000), ord(" "))
_UNUSUAL = re.compile("[" + re.escape("".join(map(chr, _PLAIN))) + "]")
_ESCAPE = re.compile(r"\\[nrt]")


def plain(text: str) -> str:
    """Return a text of the same length with full-width digits, dashes and blanks made plain.

    A line break written as backslash and n becomes two blanks, so that it is part of no value.
    """
    if not text.isascii() and _UNUSUAL.search(text):
        text = text.translate(_PLAIN)
    return _ESCAPE.sub("  ", text) if "\\" in text else text


def add(spans: list[Span], found: Iterable[Span]) -> None:
    """Add to a list, which is in order, the spans that overlap none in it."""
    for span in found:
        at = bisect_left(spans, span.start, key=_start)
        free_before = at == 0 or spans[at - 1].end <= span.start
        if free_before and (at == len(spans) or span.end <= spans[at].start):
            spans.insert(at, span)


def _start(span: Span) -> int:
    return span.start


def without(text: str, spans: Iterable[Span]) -> str:
    """Return a text of the same length with nothing to find in some places, which are in order."""
    parts, place = [], 0
    for span in spans:
        parts += [text[place : span.start], "\0" * (span.end - span.start)]
        place = span.end
    return "".join(parts) + text[place:]
