"""Mapped columns that lie deeper: `--map prompt=data.question` reads a key of a key."""

from __future__ import annotations

from typing import Any

from engine.base.project import Mapping
from engine.data.load.records import Record, Records


def lifted(records: Records, mapping: Mapping) -> Records:
    """Yield the records with each dotted column of the mapping as a column of its own.

    A number in it is a place in a list, from 0. A column whose own name has the dot stays.
    """
    parts = (mapping.prompt, mapping.completion, mapping.rejected, mapping.label, mapping.messages)
    more = (mapping.text, mapping.system, mapping.group, mapping.scenario)
    wanted = [column for column in (*parts, *more) if "." in column]
    if not wanted:
        yield from records
        return
    for item in records:
        if isinstance(item, Record) and isinstance(item.content, dict):
            found = {column: _within(item.content, column) for column in wanted}
            new = {k: v for k, v in found.items() if v is not None and k not in item.content}
            yield item._replace(content=item.content | new)
        else:
            yield item


def _within(value: Any, column: str) -> Any:
    for key in column.split("."):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and len(key) < 9 and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value
