from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.errors import TunesmithError, UsageError
from engine.data.load.read import read
from engine.data.rows import Problem, Row, from_json, to_json
from tests.engine.data.load.all_rows import read_all

from .conftest import Reading

PAIR = '{"prompt": "a", "completion": "b"}'


def read_bytes(folder: Path, content: bytes) -> list[Row | Problem]:
    path = folder / "rows.jsonl"
    path.write_bytes(content)
    return list(read(path, "rows.jsonl"))


def test_a_row_keeps_its_text_and_knows_where_it_came_from(reading: Reading) -> None:
    (row,) = reading("rows.jsonl", '{"prompt": " 你好 ", "completion": "hi\\n"}\n')
    assert isinstance(row, Row)
    assert (row.prompt, row.completion, row.source) == (" 你好 ", "hi\n", "rows.jsonl:1")


def test_a_row_without_group_is_a_group_of_its_own(reading: Reading) -> None:
    row, grouped = reading(
        "rows.jsonl", PAIR + '\n{"prompt": "a", "completion": "c", "group": 7, "scenario": "x"}\n'
    )
    assert isinstance(row, Row)
    assert isinstance(grouped, Row)
    assert row.group == row.id
    assert (grouped.group, grouped.scenario) == ("7", "x")


def test_a_json_answer_is_written_in_one_form(reading: Reading) -> None:
    (row,) = reading("rows.jsonl", '{"prompt":"a","completion":{"x":null,"y":["\\u00e9"]}}')
    assert isinstance(row, Row)
    assert row.completion == '{"x": null, "y": ["é"]}'


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_line_ends_and_blank_lines_are_accepted(reading: Reading, end: str) -> None:
    found = reading("rows.jsonl", "\ufeff" + PAIR + end + end + PAIR + end)
    assert [item.source for item in found if isinstance(item, Row)] == [
        "rows.jsonl:1",
        "rows.jsonl:3",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"prompt": "a", "completion": ', "not JSON"),
        (b"5", "is a number, not an object"),
        (b"null", "is null, not an object"),
        (b'{"completion": "b"}', "no `prompt`"),
        (b'{"colour": "a", "price": "b"}', "the record has colour, price"),
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
        (b'{"prompt": "a", "completion": {"x": 1e999}}', "cannot be written as JSON"),
        (b'{"prompt": "a", "completion": "b", "prompt": "c"}', "`prompt` stands there twice"),
        (b'{"prompt": "a", "completion": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
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


@pytest.mark.parametrize(
    ("line", "prompt", "completion"),
    [
        ('{"prompt": "a\tb", "completion": "c"}', "a\tb", "c"),
        ('{"prompt": "a\0b", "completion": "c"}', "ab", "c"),
        ("{'prompt': 'a', 'completion': 'it\\'s'}", "a", "it's"),
        ('{"prompt": "a", "completion": "c"},', "a", "c"),
        ('{"prompt": 7, "completion": true}', "7", "true"),
        ('{"prompt": "a", "completion": "c", "score": NaN}', "a", "c"),
    ],
)
def test_what_can_mean_one_thing_only_is_mended(
    reading: Reading, line: str, prompt: str, completion: str
) -> None:
    (problem,) = reading("rows.jsonl", line)
    assert isinstance(problem, Problem)
    assert problem.repaired is not None
    assert (problem.repaired.prompt, problem.repaired.completion) == (prompt, completion)
    assert problem.repaired.source == "rows.jsonl:1"


@pytest.mark.parametrize(
    "line",
    [
        '{"prompt": "a", "completion": "b", "prompt": "c"}',
        "{'prompt': 'a', 'completion': 'b', 'prompt': 'c'}",
        '{"prompt": "a", "completion": ""}',
        '{"prompt": "a", "completion": "a"}',
        "{'prompt': 'a', 'completion': open('x')}",
    ],
)
def test_what_only_a_person_can_tell_is_not_mended(reading: Reading, line: str) -> None:
    (problem,) = reading("rows.jsonl", line)
    assert isinstance(problem, Problem)
    assert problem.repaired is None


def test_a_key_that_repeats_with_the_same_value_does_no_harm(reading: Reading) -> None:
    (row,) = reading("rows.jsonl", '{"prompt": "a", "completion": "b", "prompt": "a"}')
    assert isinstance(row, Row)


def test_one_bad_line_is_its_own_problem(reading: Reading) -> None:
    good = '{"prompt": "größe", "completion": "b"}\n'.encode()
    found = reading("rows.jsonl", good * 3 + b'{"prompt": "x\xff", "completion": "b"}\n' + good)
    bad = [item for item in found if isinstance(item, Problem)]
    assert [(item.row, item.what) for item in bad] == [
        (4, "The prompt holds bytes that are not UTF-8.")
    ]


def test_a_line_that_is_too_long_is_a_problem_and_the_next_is_read(reading: Reading) -> None:
    found = reading("rows.jsonl", PAIR.replace("a", "a" * (17 << 20)) + "\n" + PAIR + "\n")
    assert [item.row if isinstance(item, Problem) else item.source for item in found] == [
        1,
        "rows.jsonl:2",
    ]


def test_keys_are_shown_without_commands_or_markup(reading: Reading) -> None:
    key = "[red]\x1b[31m" + "k" * 99
    (problem,) = reading("rows.jsonl", json.dumps({key: "secret text"}))
    assert isinstance(problem, Problem)
    assert "the record has (red)\\x1b(31mkkk" in problem.what
    assert "secret" not in problem.what
    assert problem.what.isprintable()
    assert len(problem.what) < 100


def test_a_list_of_texts_is_raw_text_and_a_text_among_records_is_a_problem(
    reading: Reading,
) -> None:
    found = reading("rows.json", '["one text", "another"]')
    assert [item.completion for item in found if isinstance(item, Row)] == ["one text", "another"]
    _, _, problem = reading("rows.json", f'[{PAIR}, {PAIR}, "a text"]')
    assert isinstance(problem, Problem)
    assert problem.what == "The record is text, not an object."


def test_an_empty_file_holds_nothing(reading: Reading) -> None:
    assert reading("rows.jsonl", "") == []


def test_a_mapping_goes_before_detection(tmp_path: Path) -> None:
    from engine.base.project import Mapping

    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "completion": "b", "vraag": "c", "klant": "k"}\n')
    mapping = Mapping(prompt="vraag", completion="prompt", group="klant", system_prompt="Be brief.")
    found = read_all({"r": path}, {"r": mapping})
    (row,) = found.rows
    assert (row.prompt, row.completion, row.group, row.system) == ("c", "a", "k", "Be brief.")
    assert found.lines == {"r": 1}


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        list(read(tmp_path / "none.jsonl"))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    with pytest.raises(TunesmithError, match="no kind of file"):
        list(read(tmp_path / "picture.png"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(TunesmithError, match="holds no data files"):
        list(read(tmp_path / "folder"))


@given(st.lists(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), max_size=8))
def test_malformed_lines_never_raise(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    for item in read_bytes(folder, b"\n".join(lines)):
        assert isinstance(item, Problem) or item.form == "text"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
_KEYS = ["prompt", "completion", "group", "scenario", "label", "chosen", "rejected", "messages"]


@given(st.dictionaries(st.sampled_from([*_KEYS, "text", "system", "history"]), _JSON))
def test_any_json_object_is_a_row_that_survives_a_round_trip_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    line = json.dumps(content).encode()
    item, _ = read_bytes(folder, line + b"\n" + line)
    row = item if isinstance(item, Row) else item.repaired
    if row is not None:
        assert from_json(to_json(row)) == row


@given(st.text(min_size=1).filter(lambda text: text.strip() and not set(text) & set("<&\xad")))
def test_text_without_fault_stays_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    from engine.data.load.texts import suspect

    folder = tmp_path_factory.mktemp("lines")
    content = {"prompt": text, "completion": f"x{text}"}
    (item,) = read_bytes(folder, json.dumps(content, ensure_ascii=False).encode())
    if not suspect(text):
        assert isinstance(item, Row)
        assert (item.prompt, item.completion) == (text, f"x{text}")
