"""JSONL: one record a line, read in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterator

from engine.data.load.json_text import NotJsonError, fault, mended, parse, scan
from engine.data.load.records import LONGEST, Broken, Record, Records

_GIVEN_UP = 1 << 28  # characters without a line's end


def split(pieces: Iterator[str]) -> Iterator[tuple[int, str | None]]:
    """Yield each line with its number from 1; None stands for one that is too long.

    Lines end with LF, CRLF or, where the first piece has no LF, with CR.
    """
    parts: list[str] = []  # of the line that has not ended yet
    number = size = 0
    mark = ""
    for piece in pieces:
        mark = mark or ("\r" if "\r" in piece and "\n" not in piece else "\n")
        first, *others = piece.split(mark)
        size += len(first)
        if size <= LONGEST:
            parts.append(first)
        else:
            parts.clear()
        if not others:
            if size > _GIVEN_UP:
                break
            continue
        number += 1
        yield number, "".join(parts) if size <= LONGEST else None
        rest = others.pop()
        for line in others:
            number += 1
            yield number, line
        parts, size = [rest], len(rest)
    if size:
        yield number + 1, "".join(parts) if size <= LONGEST else None


def records(pieces: Iterator[str], file: str) -> Records:
    """Yield the records of JSONL text; blank lines are skipped."""
    for number, line in split(pieces):
        if line is None:
            what = f"The line has more than {LONGEST >> 20} million characters."
            yield Broken(file, number, what, "Split it into rows.")
            continue
        text = line.strip()
        if not text:
            continue
        try:
            content, end = scan(text, 0)
        except (StopIteration, ValueError, RecursionError) as error:
            yield _broken(text, file, number, fault(error))
            continue
        if end == len(text):
            yield Record(file, number, content, False, end)
        else:
            yield _broken(text, file, number)


def _broken(text: str, file: str, number: int, found: NotJsonError | None = None) -> Broken:
    try:
        parse(text)
    except NotJsonError as error:
        found = error
    assert found is not None
    return Broken(file, number, found.what, found.fix, mended(text))
