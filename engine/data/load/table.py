"""Tables as text: CSV and TSV with any delimiter, quotes and line ends."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.data.load.column_names import COMPLETIONS, LABELS, PROMPTS
from engine.data.load.lines import split
from engine.data.load.records import LONGEST, Broken, Record, Records
from engine.data.load.shown import shown

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLED = 50  # rows by which the delimiter is told
_WIDEST = 10_000  # columns
_CELL = 4 << 20  # characters
_NAME = 64  # characters of a column's name
_KNOWN = frozenset((*PROMPTS, *COMPLETIONS, *LABELS, "chosen", "rejected", "id"))
_SEP = re.compile(r"sep=(.)", re.IGNORECASE)
_HEADER = "Write the columns' names into the first row, such as prompt,completion."


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        delimiter: Between cells.
        escape: Before a quote within a quoted cell; empty where quotes are doubled.
        quoted: Whether quotes mean anything.
        spaced: Whether blanks between a delimiter and a quote are no part of the cell.
    """

    delimiter: str
    escape: str = ""
    quoted: bool = True
    spaced: bool = False

    def rows(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """Yield the cells of each row; raises `csv.Error` for a row that is none."""
        csv.field_size_limit(_CELL)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            escapechar=self.escape or None,
            doublequote=not self.escape,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            skipinitialspace=self.spaced,
            strict=True,
        )


def sniff(head: str) -> Dialect:
    """Return how a table is written, by its first characters."""
    named = _SEP.match(head.lstrip("\ufeff"))
    choices = (named[1],) if named else _DELIMITERS
    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", head)[:-1] or [head]
    found = max((_score(Dialect(sign), lines) for sign in choices), key=lambda item: item[:2])
    dialect = found[2]
    if found[3]:
        if '\\"' in head:
            return replace(dialect, escape="\\")
        if dialect.delimiter == "\t":
            return replace(dialect, quoted=False)
    spaced = len(re.findall(rf'{re.escape(dialect.delimiter)} +"(?!")', head))
    return replace(dialect, spaced=spaced > len(lines) // 2)


def _score(dialect: Dialect, lines: list[str]) -> tuple[int, float, Dialect, bool]:
    """Return whether the first row has known names, how even the rows are, and any error."""
    widths: Counter[int] = Counter()
    names: list[str] = []
    broken = False
    rows = dialect.rows(iter(lines))
    for _ in range(_SAMPLED):
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            broken = broken or "unexpected end" not in str(error)
            continue
        names = names or row
        widths[len(row)] += bool(row)
    known = sum(name.strip().casefold() in _KNOWN for name in names)
    total = widths.total() or 1
    even = widths[len(names)] / total
    return known, even * (min(len(names), 20) if len(names) > 1 else 0.5), dialect, broken


class _Feed:
    """The lines of a table, with the number of each, which can be given back."""

    def __init__(self, lines: Iterator[tuple[int, str | None]]) -> None:
        self._lines = lines
        self._again: deque[tuple[int, str]] = deque()
        self.taken: list[tuple[int, str]] = []
        self._size = 0
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._size > LONGEST:
            raise StopIteration
        if self._again:
            self.number, text = self._again.popleft()
        else:
            self.number, line = next(self._lines)
            text = "" if line is None else line
        self.taken.append((self.number, text))
        self._size += len(text)
        return f"{text}\n"

    def first(self) -> int:
        """Return the number of the first line of this row."""
        return self.taken[0][0] if self.taken else self.number

    def longest(self) -> int:
        """Return the length of the longest line of this row, in characters."""
        return max((len(text) for _, text in self.taken), default=0)

    def begin(self) -> None:
        """Forget the lines of the row before."""
        self.taken, self._size = [], 0

    def give_back(self) -> None:
        """Let all lines of this row but the first be read again."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.begin()


def records(pieces: Iterator[str], file: str, dialect: Dialect) -> Records:
    """Yield the rows of a table as objects; `number` is the line on which a row begins."""
    feed = _Feed(split(pieces))
    header: list[str] = []
    rows = 0
    reader = dialect.rows(feed)
    while True:
        feed.begin()
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Broken(file, feed.first(), *_told(error, feed.longest()))
            if _unclosed(error):
                feed.give_back()
                reader = dialect.rows(feed)
            continue
        number = feed.first()
        if not any(cell.strip() for cell in row):
            continue
        if header:
            rows += 1
            yield _record(row, header, file, number)
            continue
        if number == 1 and row[0].lower() == "sep=" and not any(row[1:]):
            continue
        header = _header(row)
        problem = _header_fault(header)
        if problem:
            yield Broken(file, number, problem, _HEADER)
            return
    if header and not rows:
        yield Broken(file, feed.number, "The table has one row only, its header.", _HEADER)


def _header(row: list[str]) -> list[str]:
    names = [cell.strip().strip("\ufeff") for cell in row]
    while names and not names[-1]:
        names.pop()
    return names


def _record(row: list[str], header: list[str], file: str, number: int) -> Record | Broken:
    width = len(header)
    row = [cell.removesuffix("\r") for cell in row]
    while len(row) > width and not row[-1].strip():
        row.pop()
    if len(row) != width:
        fix = "Put cells that hold the delimiter or a line's end in quotes."
        return Broken(file, number, f"The row has {len(row)} cells, the header {width}.", fix)
    return Record(file, number, dict(zip(header, row, strict=True)), True, sum(map(len, row)))


def _header_fault(header: list[str]) -> str:
    names = [name for name in header if name]
    if len(header) > _WIDEST:
        return f"The table has {len(header):,} columns."
    double = next((name for name, count in Counter(names).items() if count > 1), "")
    if double.casefold() in _KNOWN:
        return f"Two columns are called `{shown(double)}`."
    if not any(name.casefold() in _KNOWN for name in names):
        sentences = sum(len(name) > _NAME or name[-1] in ".?!。？！" for name in names)
        numbers = sum(name.replace(".", "", 1).isdigit() for name in names)
        if not names or sentences or numbers:
            return "The first row does not name the columns."
    return ""


def _unclosed(error: csv.Error) -> bool:
    return any(word in str(error) for word in ("unexpected end", "field limit", "field larger"))


def _told(error: csv.Error, longest: int) -> tuple[str, str]:
    if "field" in str(error) and longest > _CELL // 2:
        return f"A cell has more than {_CELL >> 20} million characters.", "Split it into rows."
    if _unclosed(error):
        return "A quote that opens on this line is never closed.", "Close it, or double it."
    if "expected after" in str(error):
        return "A quote stands within a quoted cell.", 'Double it: "" for each ".'
    return "The row is not CSV that can be read.", "Export the table again."
