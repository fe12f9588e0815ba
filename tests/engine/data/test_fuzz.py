"""3,000 malformed files, made from valid ones of every container and format by a seeded generator.

Each ends in rows and problems or in a TunesmithError: never in another error, never in a hang, with
nothing left on disk, and with no control character in what is said.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import random
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import TunesmithError
from engine.base.work import Work
from engine.data.build import build
from engine.data.check import check
from engine.data.load.detect import detect
from engine.data.load.read import read
from engine.data.rows import Problem, Row

FILES = 3000
SECONDS = 5  # for one file
Rows = list[dict[str, Any]]


def _formats(chance: random.Random) -> dict[str, Rows]:
    def text() -> str:
        words = [
            "order",
            "你好",
            "größe",
            "🙂",
            "a\nb",
            '"q"',
            "x;y",
            "[red]",
            "Ünï",
            "1,5",
            "</s>",
        ]
        return " ".join(chance.choices(words, k=chance.randint(1, 6))) + str(chance.random())

    def turn(role: str) -> dict[str, str]:
        return {"role": role, "content": text()}

    def many(make: Callable[[], dict[str, Any]]) -> Rows:
        return [make() for _ in range(chance.randint(1, 6))]

    return {
        "pairs": many(lambda: {"prompt": text(), "completion": text(), "group": "g"}),
        "answers": many(lambda: {"question": text(), "answer": text(), "category": "c"}),
        "messages": many(lambda: {"messages": [turn("system"), turn("user"), turn("assistant")]}),
        "sharegpt": many(
            lambda: {
                "conversations": [
                    {"from": "human", "value": text()},
                    {"from": "gpt", "value": text()},
                ]
            }
        ),
        "alpaca": many(
            lambda: {
                "instruction": text(),
                "input": text(),
                "output": text(),
                "history": [[text(), text()]],
            }
        ),
        "preference": many(lambda: {"prompt": text(), "chosen": text(), "rejected": text()}),
        "chats": many(
            lambda: {
                "prompt": [turn("user")],
                "chosen": [turn("assistant")],
                "rejected": [turn("assistant")],
            }
        ),
        "kto": many(lambda: {"prompt": text(), "completion": text(), "label": True}),
        "dialogue": many(lambda: {"dialogue": [text(), text(), text(), text()]}),
        "text": many(lambda: {"text": text()}),
    }


def _jsonl(rows: Rows) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def _table(rows: Rows, delimiter: str) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    for row in rows:
        writer.writerow({k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()})
    return stream.getvalue().encode()


def _parquet(rows: Rows) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def _arrow(rows: Rows, *, stream: bool) -> bytes:
    import pyarrow as pa

    table, sink = pa.Table.from_pylist(rows), io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _yaml(rows: Rows) -> bytes:
    lines = ["categories:", "- x", "conversations:"]
    for row in rows:
        lines += [
            f"- - {json.dumps(str(next(iter(row.values()))), ensure_ascii=False)}",
            "  - an answer",
        ]
    return "\n".join(lines).encode()


CONTAINERS: dict[str, Callable[[Rows], bytes]] = {
    ".jsonl": _jsonl,
    ".json": lambda rows: json.dumps({"version": 1, "data": rows}, indent=1).encode(),
    ".array.json": lambda rows: json.dumps(rows).encode(),
    ".csv": lambda rows: _table(rows, ","),
    ".tsv": lambda rows: _table(rows, "\t"),
    ".parquet": _parquet,
    ".arrow": lambda rows: _arrow(rows, stream=True),
    ".file.arrow": lambda rows: _arrow(rows, stream=False),
    ".yml": _yaml,
    ".txt": lambda rows: "\n\n".join(str(row) for row in rows).encode(),
    "": _jsonl,
}


def _zip(data: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/rows.jsonl", data)
        archive.writestr("b.csv", data[: len(data) // 2])
    return sink.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": _zip,
}
JUNK = (
    b"\0", b"\x1b]0;x\x07\x1b[31m", b"[bold red]x[/]", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    b"\xf8\x88\x80\x80\x80", b'"', b"{", b"}", b"[" * 3000, b'{"a":' * 3000, b"9" * 5000, b"1e999",
    b"NaN", b"\\ud800", b"\r", b"\n\n", b",", b"&a", b"*a", b"- " * 500, b"x" * (1 << 20),
    b"<|im_end|>", b"</s>", b"\xe2\x80\xa8", b"null", b'{"prompt":"a","prompt":"b"}', b"\x85", b"]]>",
    b'{"messages":[{"role":"u\\u001b[31m[red]","content":1}]}\n',
)  # fmt: skip


def _mutated(data: bytes, chance: random.Random, other: bytes) -> bytes:
    for _ in range(chance.randint(1, 3)):
        place = chance.randint(0, len(data))
        kind = chance.randrange(9)
        if kind == 0:
            data = data[:place]
        elif kind == 1:
            data = data[place:]
        elif kind in {2, 3} and data:
            flipped = bytearray(data)
            for _ in range(chance.randint(1, 8)):
                flipped[chance.randrange(len(flipped))] = chance.randrange(256)
            data = bytes(flipped)
        elif kind == 4:
            data = data[:place] + other[chance.randint(0, len(other)) :]
        elif kind == 5:
            codes = ("utf-16", "utf-16-le", "utf-32-be", "gb18030", "cp1252", "shift_jis")
            data = data.decode(errors="replace").encode(chance.choice(codes), "replace")
        elif kind == 6:
            data = data[:place] + data[max(0, place - chance.randint(1, 200)) :]
        else:
            data = data[:place] + chance.choice(JUNK) + data[place:]
    return data[: 3 << 20]


@contextmanager
def _guard() -> Iterator[None]:
    def hang(*_: object) -> None:
        raise AssertionError("a file took longer than it may")

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _fine(text: str) -> bool:
    return text.isprintable() and "[" not in text and len(text) < 400


def _take(path: Path) -> str:
    """Read a file; return what came of it. Names are the test's own, and are not judged."""
    rows = problems = 0
    error: TunesmithError | None = None
    try:
        with _guard():
            for item in read(path, "f"):
                if isinstance(item, Row):
                    rows += 1
                    continue
                assert isinstance(item, Problem)
                problems += 1
                if problems < 50:
                    assert _fine(item.what), (path, item)
                    assert item.fix
                    assert item.fix.isprintable()
                    assert item.file.startswith("f")
    except TunesmithError as found:
        error = found
    if error is not None:
        assert _fine(error.what), (path, error.what)
        assert error.fix
        assert str(error).isprintable()
        return "error"
    return "rows" if rows else "problems" if problems else "empty"


def _file(number: int, folder: Path) -> Path:
    """Write the malformed file of a number, and return it."""
    chance = random.Random(number)
    rows = chance.choice(list(_formats(chance).values()))
    suffix = chance.choice(list(CONTAINERS))
    packing = chance.choice(list(PACKINGS)) if chance.random() < 0.3 else ""
    data = CONTAINERS[suffix](rows)
    if packing and chance.random() < 0.5:
        data = PACKINGS[packing](_mutated(data, chance, data[::-1]))
    else:
        data = _mutated(PACKINGS[packing](data), chance, JUNK[0] + data)
    if chance.random() < 0.1:  # under another name than its kind
        suffix = chance.choice(list(CONTAINERS))
    path = folder / f"f{suffix}{packing}"
    path.write_bytes(data)
    return path


def test_malformed_files_end_in_rows_and_problems_or_in_one_sentence(tmp_path: Path) -> None:
    found: dict[str, int] = {}
    for number in range(FILES):
        path = _file(number, tmp_path)
        try:
            outcome = _take(path)
        except Exception as error:
            raise AssertionError(f"file {number} ({path.name})") from error
        found[outcome] = found.get(outcome, 0) + 1
        assert [item.name for item in tmp_path.iterdir()] == [path.name], number
        path.unlink()
    assert min(found.get(kind, 0) for kind in ("rows", "problems", "error")) > FILES // 50, found


def test_detection_says_no_more_than_reading_does(tmp_path: Path) -> None:
    for number in range(0, FILES, 15):
        path = _file(number, tmp_path)
        try:
            with _guard():
                found = detect(path, "f").to_json()
        except TunesmithError:
            continue
        finally:
            path.unlink()
        assert json.dumps(found).isascii()
        assert all(_fine(column) for column in found["columns"]), number


def test_the_whole_check_takes_them_too(tmp_path: Path) -> None:
    for number in range(0, FILES, 5):
        path = _file(number, tmp_path)
        try:
            with _guard():
                said = [problem.what for problem in check([path]).cleaned.problems]
        except TunesmithError as error:
            said = [error.what]
        assert all(map(_fine, said)), number
        path.unlink()


def test_no_malformed_file_leaves_half_a_dataset(
    make_work: Callable[..., Work], varied: Callable[[int], list[dict[str, str]]], tmp_path: Path
) -> None:
    """Beside sound rows it is left out, told, and the dataset whole; alone it leaves none."""
    work = make_work(varied(80))
    folder = tmp_path / "malformed"
    folder.mkdir()
    whole = 0
    for number in range(0, FILES, 75):
        path = _file(number, folder)
        alone = number % 2 == 0
        names = (str(path),) if alone else (str(path), "data.jsonl")
        data = replace(work.project.data, sources=names)
        work.project = replace(work.project, data=data)
        before = {item.name for item in work.store.workspace.glob("datasets/*")}
        fault = ""
        try:
            build(work)
        except TunesmithError as error:
            fault = error.what
        after = {item.name for item in work.store.workspace.glob("datasets/*")}
        assert fault.isprintable()
        assert not fault or after == before, number
        whole += not fault
        path.unlink()
    found = list(work.store.workspace.glob("datasets/*"))
    assert whole >= len(found) > 0
    assert all((item / "manifest.json").is_file() for item in found)
    assert not [item for item in work.store.workspace.rglob(".*") if item.is_dir()]


def test_odd_things_in_place_of_files(tmp_path: Path) -> None:
    outside = tmp_path / "outside.jsonl"
    outside.write_text('{"prompt": "a", "completion": "b"}\n')
    folder = tmp_path / "folder"
    (folder / "empty").mkdir(parents=True)
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "loop").symlink_to(folder)
    (folder / "link.jsonl").symlink_to(outside)
    (folder / "gone.jsonl").symlink_to(folder / "nowhere")
    (folder / "\x1b[31m.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    (folder / "bad\udcff.csv").write_bytes(b"\xff")
    assert _take(folder) == "rows"
    for path in (folder / "empty", folder / "pipe.jsonl", folder / "gone.jsonl", Path("x\0y")):
        assert _take(path) == "error"
    names = [item.file if isinstance(item, Problem) else item.source for item in read(folder, "f")]
    assert all(name.isprintable() for name in names)
    assert len(names) == 2


@pytest.mark.parametrize("packing", [".gz", ".xz", ".bz2", ".zip"])
def test_a_bomb_costs_no_memory(tmp_path: Path, packing: str) -> None:
    import tracemalloc

    path = tmp_path / f"bomb.jsonl{packing}"
    path.write_bytes(PACKINGS[packing](bytes(80 << 20)))
    began = time.monotonic()
    tracemalloc.start()
    try:
        found = list(read(path, "bomb"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found
    assert not any(isinstance(item, Row) for item in found)
    assert peak < 64 << 20
    assert time.monotonic() - began < SECONDS
