from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from engine.base.errors import TunesmithError
from engine.data.load.read import read
from engine.data.load.text import LONGEST_PIECE, cut
from engine.data.rows import Problem, Row
from tests.engine.data.load.all_rows import read_all

from .conftest import Reading

PAIRS = [{"prompt": f"question {n}?", "completion": f"answer {n}"} for n in range(3)]
LINES = "\n".join(map(json.dumps, PAIRS)) + "\n"


def prompts(found: list[Row | Problem]) -> list[str]:
    return [item.prompt if isinstance(item, Row) else item.what for item in found]


def test_five_formats_of_one_content_give_identical_rows() -> None:
    spec = find_spec("zaragoza_construction_faq")
    if spec is None or spec.origin is None:
        pytest.skip("zaragoza_construction_faq is not installed")
    folder = Path(spec.origin).parent / "data"
    names = (
        "faq-en.csv",
        "faq-en.json",
        "faq-en.jsonl",
        "faq-en-alpaca.jsonl",
        "faq-en-sharegpt.jsonl",
    )
    found = [read_all({name: folder / name}) for name in names]
    assert [len(item.rows) for item in found] == [503] * 5
    assert not any(item.problems for item in found)
    assert len({tuple(row.id for row in item.rows) for item in found}) == 1


def test_a_chat_corpus_in_28_languages_is_read_whole() -> None:
    spec = find_spec("chatterbot_corpus")
    if spec is None or spec.origin is None:
        pytest.skip("chatterbot_corpus is not installed")
    found = read_all({"c": Path(spec.origin).parent / "data"})
    assert len(found.rows) > 6000
    assert found.lines["c"] == len(found.rows) + len(found.problems) == 7644
    assert {item.what for item in found.problems if item.repaired} >= {
        "The conversation ends without an answer."
    }


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(PAIRS),
        json.dumps(PAIRS, indent=2),
        "[\n" + ",\n".join(map(json.dumps, PAIRS)) + "\n]\n",
        json.dumps(
            {"version": {"a": 1}, "tags": ["x"], "people": [{"name": "n"}], "questions": PAIRS}
        ),
        json.dumps({"info": "x", "data": {"rows": PAIRS}}, indent=1),
        json.dumps({str(number): pair for number, pair in enumerate(PAIRS)}),
        json.dumps({"train": PAIRS[:2], "test": PAIRS[2:]}),
        "\n".join(json.dumps(pair, indent=2) for pair in PAIRS),
        "".join(map(json.dumps, PAIRS)),
        LINES,
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".data"])
def test_json_in_any_shape_is_read(reading: Reading, content: str, suffix: str) -> None:
    assert prompts(reading(f"rows{suffix}", content)) == [pair["prompt"] for pair in PAIRS]


@pytest.mark.parametrize("key", ["data", "stories"])
def test_a_long_object_is_read_member_by_member(reading: Reading, key: str) -> None:
    content = {"about": {"x": ["y"] * 300_000}, "names": [{"n": 1}], key: PAIRS, "end": 1}
    assert prompts(reading("rows.json", json.dumps(content))) == [pair["prompt"] for pair in PAIRS]


def test_a_broken_element_is_named_and_the_others_are_read(reading: Reading) -> None:
    parts = list(map(json.dumps, PAIRS))
    parts[1] = '{"prompt": "a [ \\" }", "completion" "b", "more": {"x": [1]}}'
    parts.append('{"prompt": "a", "completion": "b", "prompt": "c"}')
    first, bad, third, twice = reading("rows.json", f"[{', '.join(parts)}]")
    assert isinstance(first, Row)
    assert isinstance(bad, Problem)
    assert (bad.row, bad.what) == (2, "Element 2: It is not JSON: Expecting ':' delimiter.")
    assert isinstance(third, Row)
    assert third.source == "rows.json:3"
    assert isinstance(twice, Problem)
    assert "twice" in twice.what


@pytest.mark.parametrize("end", [-1, -5, -20])
def test_an_array_that_is_cut_off_gives_its_whole_elements(reading: Reading, end: int) -> None:
    found = reading("rows.json", json.dumps(PAIRS)[:end])
    assert [item.row for item in found if isinstance(item, Problem)] == [4 if end == -1 else 3]
    assert isinstance(found[-1], Problem)
    assert "not read" in found[-1].what


def test_an_element_that_is_too_long_ends_the_file(reading: Reading) -> None:
    content = json.dumps([PAIRS[0], {"prompt": "a" * (19 << 20), "completion": "b"}])
    first, last = reading("rows.json", content)
    assert isinstance(first, Row)
    assert isinstance(last, Problem)
    assert "longer than 16 million" in last.what


@pytest.mark.parametrize(
    ("ending", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", None)],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".json", ".parquet"])
def test_packed_files_are_read_as_they_are(
    tmp_path: Path, ending: str, pack: Callable[[bytes], bytes] | None, suffix: str
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(PAIRS), sink)
    table = "prompt,completion\n" + "".join(f"{p['prompt']},{p['completion']}\n" for p in PAIRS)
    content = {
        ".jsonl": LINES.encode(),
        ".csv": table.encode(),
        ".json": json.dumps(PAIRS).encode(),
        ".parquet": sink.getvalue(),
    }[suffix]
    data = pack(content) if pack else pa.Codec("zstd").compress(content, asbytes=True)
    path = tmp_path / f"rows{suffix}{ending}"
    path.write_bytes(data)
    found = list(read(path, "r"))
    assert prompts(found) == [pair["prompt"] for pair in PAIRS]
    if suffix != ".parquet":
        path.write_bytes(data[: len(data) // 2])
        last = list(read(path, "r"))[-1]
        assert isinstance(last, Problem)
        assert "damaged or ends early" in last.what
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_two_packed_parts_in_one_file_are_both_read(reading: Reading) -> None:
    for name, pack in (("a.jsonl.gz", gzip.compress), ("a.jsonl.xz", lzma.compress)):
        assert len(reading(name, pack(LINES.encode()) * 2)) == 6


def test_an_archive_may_hold_several_files(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b/two.json", json.dumps(PAIRS))
        archive.writestr("a.jsonl.gz", gzip.compress(LINES.encode()))
        archive.writestr("__MACOSX/a.jsonl", "junk")
        archive.writestr("../../up.csv", "prompt,completion\nx,y\n")
        archive.writestr("README.md", "no data")
    sources = [item.source for item in read(path, "all.zip") if isinstance(item, Row)]
    assert sources == [
        *(f"all.zip/a.jsonl.gz:{n}" for n in (1, 2, 3)),
        *(f"all.zip/b/two.json:{n}" for n in (1, 2, 3)),
    ]


def test_an_archive_with_a_password_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "locked.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jsonl", LINES)
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag of an encrypted member, here
    data[data.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    path.write_bytes(bytes(data))
    with pytest.raises(TunesmithError, match="locked with a password"):
        list(read(path))


def test_a_workbook_is_told_from_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "table.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "x")
        archive.writestr("xl/data.json", "[]")
    with pytest.raises(TunesmithError, match="Office document"):
        list(read(tmp_path / "table.xlsx"))


@pytest.mark.parametrize("name", ["rows.txt", "rows.csv", "rows", "rows.jsonl.bak"])
def test_json_under_another_name_is_json(reading: Reading, name: str) -> None:
    assert prompts(reading(name, LINES)) == [pair["prompt"] for pair in PAIRS]


def test_a_folder_is_read_in_order_with_every_file_named(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "z.jsonl").write_text(LINES)
    (tmp_path / "a.csv").write_text("prompt,completion\nx,y\nx\n")
    (tmp_path / "broken.yml").write_text("a: [")
    (tmp_path / "README.md").write_text("# about")
    (tmp_path / ".hidden.jsonl").write_text(LINES)
    found = list(read(tmp_path, "set/"))
    assert [item.source if isinstance(item, Row) else (item.file, item.row) for item in found] == [
        "set/a.csv:2",
        ("set/a.csv", 3),
        ("set/broken.yml", 1),
        *(f"set/b/z.jsonl:{n}" for n in (1, 2, 3)),
    ]


def test_a_folder_of_texts_gives_raw_text_grouped_by_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("First paragraph.\n\n" * 400)
    (tmp_path / "b.md").write_text("第一句话。" * 1000)
    found = [item for item in read(tmp_path, "t") if isinstance(item, Row)]
    assert {item.form for item in found} == {"text"}
    assert [item.group for item in found] == ["t/a.txt"] * 2 + ["t/b.md"] * 2
    assert all(len(item.completion) <= LONGEST_PIECE for item in found)
    assert found[0].completion.endswith("First paragraph.")
    assert found[2].completion.endswith("第一句话。")


@pytest.mark.parametrize(
    "text", ["word " * 3000, "字" * 9000, "One. Two! 三。四？\n\n" * 900, "x" * 9000 + ". y"]
)
def test_pieces_hold_all_of_a_text(text: str) -> None:
    pieces = list(cut(iter([text[:5000], text[5000:]])))
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert max(map(len, pieces)) <= LONGEST_PIECE


def test_yaml_aliases_and_depth_are_refused(reading: Reading) -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nconversations: [*b, *b]\n"
    with pytest.raises(TunesmithError, match="aliases"):
        reading("talks.yml", bomb)
    with pytest.raises(TunesmithError, match="too deep"):
        reading("talks.yml", "[" * 300 + "]" * 300)
    with pytest.raises(TunesmithError, match="not YAML"):
        reading("talks.yml", "conversations:\n- - a\n  b\n -")


def test_yaml_words_stay_words(reading: Reading) -> None:
    (row,) = reading("talks.yml", "conversations:\n- - Is it so?\n  - Yes\n")
    assert isinstance(row, Row)
    assert row.completion == "Yes"
    (row,) = reading("rows.yaml", "- prompt: When?\n  completion: 2024-01-01\n")
    assert isinstance(row, Row)
    assert row.completion == "2024-01-01"


def _saved(folder: Path) -> None:
    """Write what `datasets.save_to_disk` writes for two splits, with a column of numbered labels."""
    import pyarrow as pa

    features = {"label": {"names": ["refund", "login"], "_type": "ClassLabel"}}
    told = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
        table = pa.table({"text": ["money back", "no way in"], "label": [0, 1]})
        table = table.replace_schema_metadata(told)
        with pa.ipc.new_stream(folder / split / "data-00000-of-00001.arrow", table.schema) as out:
            out.write_table(table)
        (folder / split / "state.json").write_text('{"_data_files": []}')
        (folder / split / "dataset_info.json").write_text("{}")
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')


def test_a_saved_dataset_is_read_with_the_names_of_its_labels(tmp_path: Path) -> None:
    _saved(tmp_path / "saved")
    found = list(read(tmp_path / "saved", "s"))
    assert [(item.prompt, item.completion) for item in found if isinstance(item, Row)] == [
        ("money back", "refund"),
        ("no way in", "login"),
    ] * 2
    assert isinstance(found[-1], Row)
    assert found[-1].source == "s/train/data-00000-of-00001.arrow:2"
    assert len(list(read(tmp_path / "saved" / "test", "s"))) == 2


def test_parquet_holds_nested_messages_numbers_and_empty_cells(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    pq.write_table(pa.table({"messages": [talk, None]}), tmp_path / "talks.parquet")
    row, empty = read(tmp_path / "talks.parquet", "t")
    assert isinstance(row, Row)
    assert (row.prompt, row.completion) == ("a", "b")
    assert isinstance(empty, Problem)
    assert empty.what == "`messages` is empty."
    table = pa.table({"prompt": ["a", "b", "c", None], "completion": [1.5, 2.0, float("nan"), 1.0]})
    pq.write_table(table, tmp_path / "numbers.parquet")
    found = list(read(tmp_path / "numbers.parquet", "n"))
    assert [item.completion if isinstance(item, Row) else item.what for item in found] == [
        "1.5",
        "2.0",
        "`completion` is empty (`nan` is what a table writes for it).",
        "`prompt` is empty.",
    ]


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    import tracemalloc

    peaks = []
    for count in (16_000, 48_000):
        path = tmp_path / f"rows{count}.{kind}"
        _write(path, kind, count)
        tracemalloc.start()
        try:
            assert sum(isinstance(item, Row) for item in read(path)) == count
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.25
    assert peaks[1] < 32 << 20


def _write(path: Path, kind: str, count: int) -> None:
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        numbers = list(map(str, range(count)))
        pq.write_table(
            pa.table({"prompt": numbers, "completion": [f"x{n}" for n in numbers]}), path
        )
        return
    with path.open("w") as stream:
        start = {"json": "[", "csv": "prompt,completion\n"}.get(kind, "")
        stream.write(start)
        for number in range(count):
            pair = {"prompt": f"{number} {'x' * 90}", "completion": f"it is {number}"}
            last = "]" if number == count - 1 else ",\n"
            line = f"{pair['prompt']},{pair['completion']}" if kind == "csv" else json.dumps(pair)
            stream.write(line + (last if kind == "json" else "\n"))
