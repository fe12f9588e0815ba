from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.errors import UsageError
from engine.data.load.read import read
from engine.data.rows import Problem, Row, from_json, make, to_json


def read_bytes(folder: Path, content: bytes) -> list[Row | Problem]:
    path = folder / "rows.jsonl"
    path.write_bytes(content)
    return list(read(path, "rows.jsonl"))


def test_a_row_keeps_its_text_and_knows_where_it_came_from(tmp_path: Path) -> None:
    (row,) = read_bytes(tmp_path, '{"prompt": " 你好 ", "completion": "hi\\n"}\n'.encode())
    assert isinstance(row, Row)
    assert (row.prompt, row.completion, row.source) == (" 你好 ", "hi\n", "rows.jsonl:1")


def test_a_row_without_group_is_a_group_of_its_own(tmp_path: Path) -> None:
    row, grouped = read_bytes(
        tmp_path,
        b'{"prompt": "a", "completion": "b"}\n{"prompt": "a", "completion": "c", "group": 7}\n',
    )
    assert isinstance(row, Row)
    assert isinstance(grouped, Row)
    assert row.group == row.id
    assert grouped.group == "7"


def test_a_json_answer_is_written_in_one_form(tmp_path: Path) -> None:
    (row,) = read_bytes(tmp_path, b'{"prompt":"a","completion":{"x":null,"y":["\\u00e9"]}}')
    assert isinstance(row, Row)
    assert row.completion == '{"x": null, "y": ["é"]}'


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_accepted(tmp_path: Path) -> None:
    found = read_bytes(
        tmp_path,
        b'\xef\xbb\xbf{"prompt":"a","completion":"b"}\r\n\r\n{"prompt":"c","completion":"d"}\r\n',
    )
    assert [item.source for item in found if isinstance(item, Row)] == [
        "rows.jsonl:1",
        "rows.jsonl:3",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"prompt": "a", "completion": ', "not JSON"),
        (b'["a", "b"]', "not an object"),
        (b'{"completion": "b"}', "no `prompt`"),
        (b'{"text": "a", "label": "b"}', "the line has text, label"),
        (b'{"prompt": "a", "completion": ""}', "`completion` is empty"),
        (b'{"prompt": " \\n ", "completion": "b"}', "`prompt` is empty"),
        (b'{"prompt": ["a"], "completion": "b"}', "`prompt` is a list"),
        (b'{"prompt": "a", "completion": true}', "`completion` is true or false"),
        (b'{"prompt": "a", "completion": 5}', "`completion` is a number"),
        (b'{"prompt": "a", "completion": "b", "group": {}}', "`group` is an object"),
        (b'{"prompt": "a\\u0000", "completion": "b"}', "control character"),
        (b'{"prompt": "a\\ud800", "completion": "b"}', "control character"),
        (b'{"prompt": "a<|im_end|>", "completion": "b"}', "control token"),
        (b'{"prompt": "a", "completion": {"x": NaN}}', "not JSON"),
        (b'{"prompt": "\xff", "completion": "b"}', "not UTF-8"),
        (b'\xff\xfe{\x00"\x00', "UTF-16"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_bad_line_is_a_problem_with_its_row_and_a_way_out(
    tmp_path: Path, line: bytes, words: str
) -> None:
    (problem,) = read_bytes(tmp_path, line)
    assert isinstance(problem, Problem)
    assert words in problem.what
    assert (problem.file, problem.row) == ("rows.jsonl", 1)
    assert problem.fix


@given(st.lists(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), max_size=8))
def test_malformed_lines_never_raise(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    for item in read_bytes(folder, b"\n".join(lines)):
        assert isinstance(item, Problem)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["prompt", "completion", "group", "scenario"]), _JSON))
def test_any_json_object_is_a_row_that_survives_a_round_trip_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    (item,) = read_bytes(folder, json.dumps(content).encode())
    if isinstance(item, Row):
        assert from_json(to_json(item)) == item


def test_an_id_depends_on_content_alone() -> None:
    assert make("a", "b", group="g", source="x:1").id == make("a", "b").id
    assert make("a", "bc").id != make("ab", "c").id


def test_a_missing_file_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        list(read(tmp_path / "none.jsonl"))
