"""JSON files: arrays, objects that hold arrays, and objects one after the other.

Elements are decoded as they come, so the memory depends on the longest one, not on the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from engine.data.load.column_names import HOLDERS
from engine.data.load.json_text import NotJsonError, fault, scan
from engine.data.load.records import LONGEST, Broken, Record, Records
from engine.data.load.shown import listed

Fits = Callable[[Any], bool]
_WHOLE = 1 << 20  # characters up to which an object is read whole, to see what it is
_KEPT = 1 << 16  # characters behind the place that may stay in memory
_BLANK = re.compile("[ \t\r\n\ufeff\0]*")
_SIGN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*("?)|[\[\]{}]', re.DOTALL)
_FIX = "Mend it, or export it again."


class _EndError(Exception):
    """The text ends, or one value is too long, before the value does; the argument says which."""


class _Window:
    """The part of a text that is being read."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self.text, self.at, self.ended = "", 0, False

    def more(self) -> bool:
        """Take in at least as much again as is unread; return whether there was any."""
        unread = self.text[self.at :]
        parts, wanted = [unread], max(len(unread), 1)
        while wanted > 0 and not self.ended:
            piece = next(self._pieces, None)
            self.ended = piece is None
            parts.append(piece or "")
            wanted -= len(piece or "")
        self.text, self.at = "".join(parts), 0
        return len(self.text) > len(unread)

    def peek(self) -> str:
        """Return the next character that is no blank; none at the end."""
        while True:
            found = _BLANK.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def value(self, longest: int = LONGEST) -> Any:
        """Read the next value.

        Raises:
            NotJsonError: It is none; the place stays before it.
            _EndError: It does not end.
        """
        if self.at > _KEPT:  # an error counts the lines before its place
            self.text, self.at = self.text[self.at :], 0
        while True:
            try:
                value, end = scan(self.text, self.at)
            except (StopIteration, ValueError, RecursionError) as error:
                if not _cut(error, len(self.text)) or self.ended:
                    raise self._told(error) from error
            else:
                if end - self.at <= longest and (end < len(self.text) or self.ended):
                    self.at = end
                    return value
            if len(self.text) - self.at > longest:
                raise _EndError(f"is longer than {longest >> 20} million characters")
            self.more()

    def _told(self, error: BaseException) -> Exception:
        if self.ended and _cut(error, len(self.text)):
            return _EndError("is cut off")
        found = fault(error)
        what = found.what.replace("The line is", "It is").partition(", at character")[0]
        return NotJsonError(
            f"{what.rstrip('.')}.", _FIX if found.fix.startswith("W") else found.fix
        )

    def end(self) -> int:
        """Return the place behind a broken value, found by its brackets; -1 where there is none."""
        while True:
            depth = 0
            for sign in _SIGN.finditer(self.text, self.at):
                if sign[0][0] == '"':
                    if not sign[1]:
                        break
                    continue
                depth += 1 if sign[0] in "[{" else -1
                if depth <= 0:
                    return sign.end() if depth == 0 else -1
            if len(self.text) - self.at > LONGEST or not self.more():
                return -1


def _cut(error: BaseException, length: int) -> bool:
    """Whether an error may come from the end of the text alone."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg.startswith("Unterminated string") or error.pos >= length - 16
    return isinstance(error, StopIteration) and error.value >= length - 16


def records(pieces: Iterator[str], file: str, fits: Fits) -> Records:
    """Yield the records of JSON text, numbered from 1.

    Args:
        pieces: The text.
        file: As problems call it.
        fits: Says whether some content is a record of a known format.
    """
    window, number = _Window(pieces), 0
    try:
        while sign := window.peek():
            before = number
            for item in _values(window, sign, fits):
                number += 1
                if isinstance(item, NotJsonError):
                    yield Broken(file, number, f"Element {number}: {item.what}", item.fix)
                else:
                    yield Record(file, number, item, False, 0)
            if number == before and sign == "{":
                break
    except NotJsonError as error:
        yield Broken(file, number + 1, f"Element {number + 1}: {error.what}", error.fix)
    except _EndError as error:
        what = f"Element {number + 1} {error}; the rest of the file is not read."
        yield Broken(file, number + 1, what, _FIX)


def _values(window: _Window, sign: str, fits: Fits) -> Iterator[Any]:
    if sign == "[":
        yield from _array(window)
    elif sign == "{":
        try:
            content = window.value(_WHOLE)
        except _EndError:
            yield from _members(window, fits)
        except NotJsonError as error:
            end = window.end()
            if end >= 0 and window.text[end : end + 64].lstrip().startswith("{"):
                window.at = end
                yield error
            else:
                yield from _members(window, fits)
        else:
            yield from held(content, fits)
    else:
        if sign in ",;":
            window.at += 1
            return
        raise NotJsonError("It is not JSON: no array or object where one should be.", _FIX)


def _array(window: _Window) -> Iterator[Any]:
    """Yield the elements of an array; a broken one as its error."""
    window.at += 1
    while True:
        sign = window.peek()
        if sign == ",":
            window.at += 1
        elif sign == "]":
            window.at += 1
            return
        elif not sign:
            raise _EndError("and the end of the array are missing")
        else:
            try:
                item = window.value()
            except NotJsonError as error:
                item = error
                end = window.end() if sign in "{[" else -1
                if end < 0:
                    raise
                window.at = end
            yield item


def _members(window: _Window, fits: Fits) -> Iterator[Any]:
    """Yield the records that the members of a long object hold."""
    window.at += 1
    found, names = False, []
    while (sign := window.peek()) != "}":
        if sign == ",":
            window.at += 1
            continue
        name = _key(window, sign)
        names.append(name)
        items = _array(window) if window.peek() == "[" else held(window.value(), fits, nested=True)
        wanted: bool | None = None
        for item in items:
            if wanted is None:
                wanted = name in HOLDERS or fits(item)
            if wanted:
                found = True
                yield item
    window.at += 1
    if not found:
        raise _nothing(names)


def _key(window: _Window, sign: str) -> Any:
    """Read the key of a member and go behind its colon."""
    if not sign:
        raise _EndError("is cut off")
    if sign != '"':
        raise NotJsonError("It is not JSON: no key where one should be.", _FIX)
    name = window.value()
    if window.peek() != ":":
        raise NotJsonError("It is not JSON: no `:` after a key.", _FIX)
    window.at += 1
    return name


def held(content: Any, fits: Fits, *, nested: bool = False, depth: int = 3) -> Iterator[Any]:
    """Yield the records that a value holds: itself, the elements of its lists, or its members.

    Args:
        content: Any JSON value.
        fits: Says whether some content is a record of a known format.
        nested: Whether a value without records is nothing, and not a record with a fault.
        depth: How many levels of objects to look into.
    """
    if fits(content):
        yield content
        return
    found = False
    if isinstance(content, dict) and depth:
        for name, value in content.items():
            if isinstance(value, list) and value and (name in HOLDERS or fits(value[0])):
                found = True
                yield from value
            elif isinstance(value, dict):
                for item in held(value, fits, nested=True, depth=depth - 1):
                    found = True
                    yield item
    if not found and not nested:
        yield content


def _nothing(names: list[Any]) -> NotJsonError:
    return NotJsonError(
        f"The object holds no list of records; its keys are {listed(names)}.",
        "Name the columns with --map, or write one object a line.",
    )
