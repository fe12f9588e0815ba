"""What containers give and formats take: one record at a time, with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

LONGEST = 16 << 20  # bytes of one line, or characters of one element; beyond it is no example


class Record(NamedTuple):
    """One record of a file, before anything is known of its format.

    Attributes:
        file: The file as problems call it; in a folder or an archive with its path there.
        number: The line where the container has lines, else the record's number, from 1.
        content: An object, a list or a text.
        cells: Whether the content comes from a table, where an empty cell has many spellings.
        size: About how many characters it has.
    """

    file: str
    number: int
    content: Any
    cells: bool = False
    size: int = 0


class Broken(NamedTuple):
    """A record that cannot be read.

    Attributes:
        file: As in a record.
        number: As in a record.
        what: What is wrong.
        fix: How to mend it.
        mended: The content that the fix makes; None where only a person can tell.
        cells: As in a record.
    """

    file: str
    number: int
    what: str
    fix: str
    mended: Any = None
    cells: bool = False


Records = Iterator[Record | Broken]
