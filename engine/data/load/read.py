"""Reading: from files of any kind to rows, one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from engine.base.errors import TunesmithError, UsageError
from engine.base.project import Mapping
from engine.data.load import containers, formats
from engine.data.load.cells import Cells
from engine.data.load.convert import Converter
from engine.data.load.formats import Plan
from engine.data.load.nested import lifted
from engine.data.load.records import Broken, Record, Records
from engine.data.load.shown import place
from engine.data.load.sources import Source, sources
from engine.data.rows import Problem, Row

SAMPLED = 1000  # records by which a file's format is told
_SAMPLED_SIZE = 4 << 20  # characters of them


def read(path: Path, name: str = "", mapping: Mapping | None = None) -> Iterator[Row | Problem]:
    """Stream a file, a folder or an archive: for each record its row or its problem.

    Args:
        path: The file or folder.
        name: What to call it in `source` and in problems; the path as given when empty.
        mapping: Which column is what, where the detection is wrong.

    Raises:
        UsageError: There is no such file, or it may not be read.
        TunesmithError: It is of no kind that can be read.
    """
    label, mapping = place(name or str(path)), mapping or Mapping()
    try:
        for source in sources(path, label):
            try:
                yield from _stream(source, mapping)
            except TunesmithError as error:
                if source.name == label:
                    raise
                yield Problem(source.name, 1, error.what, error.fix)
    except OSError as error:
        raise UsageError(
            f"The file cannot be read ({error.strerror or 'its device fails'}).",
            "Check its name and rights.",
            label,
        ) from error


def opened(source: Source, mapping: Mapping) -> tuple[containers.Container, Records]:
    """Return what a stream is, and its records.

    Raises:
        TunesmithError: It is of no kind that can be read.
    """
    container = containers.look(source, mapping.encoding)

    def fits(content: object) -> bool:
        known = not isinstance(content, str)  # a text may be anything
        return known and formats.recognise(content, mapping) is not None

    return container, lifted(containers.records(source, container, fits), mapping)


def sampled(records: Records, most: int = SAMPLED) -> list[Record | Broken]:
    """Take the first records, as many as say what the others are like."""
    sample: list[Record | Broken] = []
    size = 0
    for item in records:
        sample.append(item)
        size += item.size if isinstance(item, Record) else 0
        if len(sample) >= most or size > _SAMPLED_SIZE:
            break
    return sample


def usual(sample: Iterable[Record | Broken], mapping: Mapping) -> Plan | None:
    """Return how most records are read, or None where they fit no format."""
    found = Counter(
        plan
        for item in sample
        if isinstance(item, Record)
        if (plan := formats.recognise(item.content, mapping)) is not None
    )
    return found.most_common(1)[0][0] if found else None


def _by_keys(sample: Iterable[Record | Broken], mapping: Mapping) -> dict[tuple[str, ...], Plan]:
    """Return how most of the records with the same keys are read."""
    found: dict[tuple[str, ...], Counter[Plan]] = {}
    for item in sample:
        if isinstance(item, Record) and isinstance(item.content, dict):
            plan = formats.recognise(item.content, mapping)
            if plan is not None:
                found.setdefault(tuple(item.content), Counter())[plan] += 1
    return {keys: plans.most_common(1)[0][0] for keys, plans in found.items()}


def _stream(source: Source, mapping: Mapping) -> Iterator[Row | Problem]:
    _, records = opened(source, mapping)
    sample = sampled(records)
    plan = usual(sample, mapping)
    tables = [item for item in sample if isinstance(item, Record) and item.cells]
    if tables and plan is None:
        yield _no_columns(tables[0], mapping)
        return
    cells = Cells(item.content for item in tables)
    converter = Converter(mapping, plan, cells, _by_keys(sample, mapping))
    del tables
    waiting, sample = sample, []
    for item in chain(waiting, records):
        yield converter.convert(item)


def _no_columns(record: Record, mapping: Mapping) -> Problem:
    converter = Converter(mapping, None, Cells())
    found = converter.convert(record)
    if isinstance(found, Problem):
        return found
    return Problem(record.file, record.number, "The table fits no format.", "Use --map.")
