"""Files written and read in one step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.base.project import Mapping
from engine.data.load.read import read
from engine.data.rows import Problem, Row

Items = list[Row | Problem]
Reading = Callable[..., Items]


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    """Write a file and return what reading it gives."""

    def of(name: str, content: str | bytes, mapping: Mapping | None = None) -> Items:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read(path, name, mapping))

    return of
