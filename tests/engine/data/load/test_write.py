"""What is written back is read as the same rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.base.project import Mapping
from engine.data.load.read import read
from engine.data.load.write import mend, record
from engine.data.rows import Row, Turn, make

TALK = (Turn("user", "hello"), Turn("assistant", "hi"))
ROWS = [
    make("a", "b"),
    make("a", "b", group="g", scenario="s"),
    make("a", "b", system="be kind"),
    make("a", "b", history=TALK, system="be kind"),
    make(
        "",
        "it is 7",
        history=(*TALK, Turn("user", "q"), Turn("assistant", "call"), Turn("tool", "7")),
    ),
    make("a", "good", form="preference", rejected="bad"),
    make("a", "good", form="preference", rejected="bad", history=TALK),
    make("a", "so", form="feedback", label=False),
    make("a", "so", form="feedback", label=True, history=TALK),
    make("", "a text as it is", form="text"),
]


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_a_row_comes_back_as_it_was(row: Row, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(record(row)) + "\n")
    (again,) = read(path, "a.jsonl")
    assert isinstance(again, Row), again
    assert again.id == row.id
    assert (again.group == again.id) == (row.group == row.id)


def test_mending_writes_all_or_nothing_and_leaves_the_source(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"prompt": "a\\u0000", "completion": "b"}\n{"prompt": 1\n')
    before = source.read_bytes()
    target = tmp_path / "out.jsonl"
    assert mend({"a": source}, {"a": Mapping()}, target) == 1
    assert json.loads(target.read_text()) == {"prompt": "a", "completion": "b"}
    assert source.read_bytes() == before
