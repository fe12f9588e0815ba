"""What some files hold, read to their end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engine.base.project import Mapping
from engine.data.load.read import read
from engine.data.rows import Problem, Row


@dataclass
class Rows:
    """What some files held.

    Attributes:
        rows: The usable rows, in file order.
        problems: The records that are no row.
        lines: How many records of each file held anything, by file.
    """

    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)


def read_all(files: dict[str, Path], mapping: dict[str, Mapping] | None = None) -> Rows:
    """Read files or folders, each under the name by which findings shall call it."""
    found = Rows()
    for name, path in files.items():
        found.lines[name] = 0
        for item in read(path, name, (mapping or {}).get(name)):
            found.lines[name] += 1
            if isinstance(item, Row):
                found.rows.append(item)
            else:
                found.problems.append(item)
    return found
