"""Detection: how a file would be read, told before it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.base.errors import TunesmithError
from engine.base.project import Mapping
from engine.data.load import formats
from engine.data.load.cells import blank, labels
from engine.data.load.formats import Plan
from engine.data.load.read import opened, sampled, usual
from engine.data.load.records import Broken, Record
from engine.data.load.shown import place, shown
from engine.data.load.sources import Source, is_saved_dataset, sources

_FILES = 5  # of a folder are looked at
_MOST_COLUMNS = 200
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Detected:
    """How a file or folder would be read.

    Attributes:
        name: As the user named it.
        format: The format of most records; empty where none fits.
        confidence: How sure that is, 0 to 1: the format's own times the share of records it fits.
        mapping: Which column is what.
        encoding: Of its text; empty for binary files.
        container: jsonl, json, csv, tsv, yaml, text, parquet or arrow, with "packed with gzip" and
            "folder of" where it is so.
        columns: All columns seen.
        unused: The columns that become nothing, each with a hint where there is one.
        formats: How many of the sampled records fit which format.
    """

    name: str
    format: str = ""
    confidence: float = 0.0
    mapping: Mapping = field(default_factory=Mapping)
    encoding: str = ""
    container: str = ""
    columns: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    formats: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it for machines; of the mapping what is known."""
        mapping = {name: value for name, value in asdict(self.mapping).items() if value}
        return {**asdict(self), "mapping": mapping}


def detect(path: Path, name: str = "", mapping: Mapping | None = None) -> Detected:
    """Look at the first records of a file or folder and say how it would be read.

    Args:
        path: The file or folder.
        name: What to call it.
        mapping: What is known already; it goes before what is detected.

    Raises:
        UsageError: There is no such file, or it may not be read.
        TunesmithError: It is of no kind that can be read.
    """
    label, mapping = place(name or str(path)), mapping or Mapping()
    sample: list[Record | Broken] = []
    first: tuple[str, str] | None = None
    count = 0
    for source in sources(path, label):
        count += 1
        if count > _FILES:
            break
        try:
            container, records = opened(source, mapping)
        except TunesmithError:
            if not path.is_dir():
                raise
            continue
        first = first or (_described(source, container.kind), container.encoding)
        sample += sampled(records)
    container_name, code = first or ("", "")
    if path.is_dir():
        saved = "saved dataset of" if is_saved_dataset(path) else "folder of"
        container_name = f"{saved} {container_name}"
    return _told(label, container_name, code, sample, mapping)


def _described(source: Source, kind: str) -> str:
    return f"{kind}, packed with {source.packing}" if source.packing else kind


def _told(
    name: str, container: str, code: str, sample: list[Record | Broken], mapping: Mapping
) -> Detected:
    found: Counter[str] = Counter()
    columns: dict[str, None] = {}
    plan = usual(sample, mapping)
    for item in sample:
        own = formats.recognise(item.content, mapping) if isinstance(item, Record) else None
        found[own.format if own else _UNKNOWN] += 1
        if isinstance(item, Record) and isinstance(item.content, dict):
            columns |= dict.fromkeys(map(str, item.content))
    columns = dict.fromkeys(list(columns)[:_MOST_COLUMNS])
    share = found[plan.format] / len(sample) if plan else 0.0
    return Detected(
        name=name,
        format=plan.format if plan else "",
        confidence=round(plan.confidence * share, 3) if plan else 0.0,
        mapping=_filled(plan, mapping) if plan else mapping,
        encoding=code.removesuffix("-sig"),
        container=container,
        columns=tuple(shown(column) for column in columns),
        unused=tuple(_unused(columns, plan, sample)),
        formats=dict(found.most_common()),
    )


def _filled(plan: Plan, mapping: Mapping) -> Mapping:
    return Mapping(
        format=plan.format,
        prompt=plan.prompt,
        completion=plan.completion,
        rejected=plan.rejected,
        label=plan.label,
        messages=plan.messages,
        text=plan.text,
        system=plan.system,
        system_prompt=mapping.system_prompt,
        group=plan.group,
        scenario=plan.scenario,
        roles=mapping.roles,
        encoding=mapping.encoding,
    )


def _unused(
    columns: dict[str, None], plan: Plan | None, sample: list[Record | Broken]
) -> list[str]:
    """Return the columns that become nothing, with what they might be."""
    used = plan.used() if plan else frozenset()
    told = []
    for column in columns:
        if column in used or not column:
            continue
        values = [
            item.content[column]
            for item in sample
            if isinstance(item, Record) and isinstance(item.content, dict)
            if not blank(item.content.get(column))
        ]
        counted = labels(values)
        if plan and not plan.scenario and counted:
            told.append(f"{shown(column)} (scenario={shown(column)}: {len(counted)} values)")
        elif plan and not plan.group and _repeats(values, len(sample)):
            told.append(f"{shown(column)} (group={shown(column)}, if its rows belong together)")
        else:
            told.append(shown(column))
    return told


def _repeats(values: list[Any], total: int) -> bool:
    """Whether many short values occur more than once, as customers and documents do."""
    if len(values) < 0.9 * total or total < 20:
        return False
    if not all(isinstance(item, str | int) and len(str(item)) <= 60 for item in values):
        return False
    return 2 < len(set(values)) <= 0.6 * len(values)
