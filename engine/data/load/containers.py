"""Containers: what kind of file a stream is, by its content first and its name second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from engine.base.errors import TunesmithError
from engine.base.project import Mapping
from engine.data.load import (
    columnar,
    encoding,
    formats,
    json_stream,
    lines,
    table,
    text,
    yaml_talks,
)
from engine.data.load.json_stream import Fits
from engine.data.load.json_text import scan
from engine.data.load.packed import DamagedError
from engine.data.load.records import Broken, Records
from engine.data.load.sources import Source

_TEXTS = {".txt": "text", ".md": "text", ".text": "text", ".yml": "yaml", ".yaml": "yaml"}
_JSON = (".jsonl", ".ndjson", ".json")
_KINDS = "Name it .jsonl, .json, .csv, .tsv, .parquet, .arrow, .yaml or .txt."


@dataclass(frozen=True)
class Container:
    """What a stream is.

    Attributes:
        kind: jsonl, json, csv, tsv, yaml, text, parquet or arrow.
        encoding: Of its text; empty for a binary kind.
        dialect: How its table is written, where it is one.
    """

    kind: str
    encoding: str = ""
    dialect: table.Dialect | None = None


def look(source: Source, code: str = "") -> Container:
    """Return what a stream is.

    Args:
        source: The stream.
        code: The encoding of its text, where it is known.

    Raises:
        UsageError: There is no such encoding.
        TunesmithError: It is of no kind that can be read.
    """
    head = source.head()
    if not head:  # no records; where it is packed, reading it says whether it is damaged
        return Container("jsonl", "utf-8")
    if head.startswith(columnar.PARQUET) or source.suffix == ".parquet":
        return Container("parquet")
    if head.startswith(columnar.ARROW) or columnar.is_stream(head) or source.suffix == ".arrow":
        return Container("arrow")
    code = encoding.known(code) if code else _sniffed(source)
    start = "".join(encoding.decoded(_Head(head), code))
    kind = _kind(source, start)
    if kind in {"csv", "tsv"}:
        dialect = table.sniff(start)
        return Container("tsv" if dialect.delimiter == "\t" else "csv", code, dialect)
    return Container(kind, code)


def records(source: Source, container: Container, fits: Fits) -> Records:
    """Yield the records of a stream; damage on the way is the last one, with its place.

    Args:
        source: The stream.
        container: What it is.
        fits: Says whether some content is a record of a known format.
    """
    if container.kind in {"parquet", "arrow"}:
        yield from columnar.records(source, container.kind)
        return
    number = 0
    with ExitStack() as stack:
        pieces = encoding.decoded(source.enter(stack), container.encoding)
        try:
            for item in _parsed(pieces, source.name, container, fits):
                number = item.number
                yield item
        except DamagedError as error:
            what = f"The {error} data is damaged or ends early; the rest is not read."
            yield Broken(source.name, number + 1, what, "Pack the file again.")


def _sniffed(source: Source) -> str:
    try:
        with ExitStack() as stack:
            return encoding.sniff(source.enter(stack))
    except DamagedError:
        return "utf-8"


def _parsed(pieces: Iterator[str], name: str, container: Container, fits: Fits) -> Records:
    kind = container.kind
    if kind == "jsonl":
        return lines.records(pieces, name)
    if kind == "json":
        return json_stream.records(pieces, name, fits)
    if kind == "yaml":
        return yaml_talks.records(pieces, name, fits)
    if kind == "text":
        return text.records(pieces, name)
    assert container.dialect is not None
    return table.records(pieces, name, container.dialect)


def _kind(source: Source, start: str) -> str:
    suffix, shape = source.suffix, start.lstrip("\ufeff\0 \t\r\n")[:1]
    if suffix not in {*_JSON, ".yml", ".yaml"} and shape and shape in "{[" and _is_json(start):
        return _json(".jsonl", start)
    if suffix in _TEXTS:
        return _TEXTS[suffix]
    if suffix in {".csv", ".tsv", ".tab"}:
        return "csv"
    if suffix in _JSON:
        return _json(suffix, start) if shape and shape in "{[" else _bare(suffix)
    if shape and shape in "{[":
        return _json(suffix, start)
    readable = sum(char.isprintable() or char in "\t\r\n" for char in start)
    if readable >= 0.97 * len(start):
        dialect = table.sniff(start)
        first = start.strip().splitlines()[0] if start.strip() else ""
        if dialect.delimiter in first:
            return "csv"
    raise TunesmithError("This is no kind of file that can be read.", _KINDS, source.name)


def _is_json(start: str) -> bool:
    """Whether the first line is a JSON object or list, whatever the file's name says."""
    first = start.lstrip("\ufeff \t\r\n").partition("\n")[0].strip()
    try:
        value, end = scan(first, 0)
    except (StopIteration, ValueError, RecursionError):
        return False
    return bool(value) and end == len(first)


def _bare(suffix: str) -> str:
    return "json" if suffix == ".json" else "jsonl"


def _json(suffix: str, start: str) -> str:
    """Tell lines from one value that may run over many lines."""
    found = [line.strip() for line in start.lstrip("\ufeff").splitlines() if line.strip("\0 \t")]
    first, second = found[0] if found else "", found[1] if len(found) > 1 else ""
    try:
        value, end = scan(first, 0)
    except (StopIteration, ValueError, RecursionError):
        end = 0
    if end and end == len(first):
        if isinstance(value, dict):
            one = suffix != ".json" and formats.recognise(value, Mapping()) is not None
            return "jsonl" if second or one else "json"
        records_in_list = isinstance(value, list) and any(
            isinstance(item, dict) and "role" not in item and "from" not in item for item in value
        )
        return "json" if records_in_list or (not second and suffix == ".json") else "jsonl"
    if first[end:].lstrip().startswith("{") and end:
        return "json"
    if first in {"{", "["} or first.startswith("["):
        return "json"
    if suffix == ".json":
        return "jsonl" if second.startswith("{") and first.endswith("}") else "json"
    return "json" if second and not second.startswith(("{", "[")) and _open(first) else "jsonl"


def _open(line: str) -> bool:
    """Whether a line of JSON goes on in the next: it is fine but for its end."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return error.pos >= len(line) - 1
    except (ValueError, RecursionError):
        pass
    return False


class _Head:
    """The first bytes of a stream, as a stream."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int, /) -> bytes:
        part, self._data = self._data[:size], self._data[size:]
        return part
