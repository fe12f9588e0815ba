from __future__ import annotations

import gzip
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import TunesmithError
from engine.base.project import Mapping
from engine.data.load.detect import Detected, detect


def detected(
    folder: Path, name: str, content: str | bytes, mapping: Mapping | None = None
) -> Detected:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return detect(path, name, mapping)


def test_a_file_is_described_before_it_is_read(tmp_path: Path) -> None:
    rows = [
        {
            "Frage": "x",
            "question": f"q {n}",
            "answer": f"a {n}",
            "topic": "ab"[n % 2],
            "user_id": n // 3,
        }
        for n in range(60)
    ]
    content = "\n".join(map(json.dumps, [*rows, {"odd": 1}]))
    found = detected(tmp_path, "rows.jsonl.gz", gzip.compress(content.encode()))
    assert found.format == "prompt-completion"
    assert found.confidence == pytest.approx(0.95 * 60 / 61, abs=0.01)
    assert found.mapping == Mapping("prompt-completion", prompt="question", completion="answer")
    assert found.container == "jsonl, packed with gzip"
    assert found.encoding == "utf-8"
    assert found.columns == ("Frage", "question", "answer", "topic", "user_id", "odd")
    assert "topic (scenario=topic: 2 values)" in found.unused
    assert any(item.startswith("user_id (") for item in found.unused)
    assert found.formats == {"prompt-completion": 60, "unknown": 1}
    assert json.loads(json.dumps(found.to_json()))["mapping"] == {
        "format": "prompt-completion",
        "prompt": "question",
        "completion": "answer",
    }


@pytest.mark.parametrize(
    ("name", "content", "container", "code"),
    [
        ("a.csv", "问题;答案\n你好吗？;我很好，谢谢你。\n".encode("gb18030"), "csv", "gb18030"),
        ("a.tsv", b"prompt\tcompletion\na\tb\n", "tsv", "utf-8"),
        ("a.json", b'[{"prompt": "a", "completion": "b"}]', "json", "utf-8"),
        ("a", b'{"prompt": "a", "completion": "b"}\n' * 2, "jsonl", "utf-8"),
        ("a.txt", "Straße\n".encode("cp1252"), "text", "cp1252"),
        ("a.yml", b"conversations:\n- - a\n  - b\n", "yaml", "utf-8"),
        ("a.jsonl", '{"prompt": "a", "completion": "b"}\n'.encode("utf-16"), "jsonl", "utf-16"),
        ("a.csv", b"\xef\xbb\xbfprompt,completion\na,b\n", "csv", "utf-8"),
    ],
)
def test_the_container_and_the_encoding_are_told(
    tmp_path: Path, name: str, content: bytes, container: str, code: str
) -> None:
    found = detected(tmp_path, name, content)
    assert (found.container, found.encoding) == (container, code)
    assert found.confidence > 0.5


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"messages": [{"role": "user", "content": "a"}]}, "messages"),
        ({"conversations": [{"from": "human", "value": "a"}]}, "sharegpt"),
        ({"instruction": "a", "input": "", "output": "b"}, "alpaca"),
        ({"prompt": "a", "completion": "b", "messages": None}, "prompt-completion"),
        (
            {
                "prompt": "a",
                "chosen": "b",
                "rejected": "c",
                "messages": [{"role": "user", "content": "a"}],
            },
            "preference",
        ),
        ({"prompt": "a", "completion": "b", "label": False}, "kto"),
        ({"prompt": "a", "completion": "b", "label": "refund"}, "prompt-completion"),
        ({"dialog": ["a", "b"]}, "dialogue"),
        ({"text": "a"}, "text"),
        ({"colour": "a"}, ""),
    ],
)
def test_the_format_is_told_in_the_order_that_leaves_no_doubt(
    tmp_path: Path, content: dict[str, Any], name: str
) -> None:
    assert detected(tmp_path, "rows.jsonl", json.dumps(content)).format == name


def test_a_mapping_fills_what_detection_cannot_know(tmp_path: Path) -> None:
    content = '{"colour": "a", "price": "b"}\n'
    assert detected(tmp_path, "rows.jsonl", content).confidence == 0
    mapping = Mapping(prompt="colour", completion="price", scenario="colour")
    found = detected(tmp_path, "rows.jsonl", content, mapping)
    assert (found.format, found.confidence) == ("prompt-completion", 1.0)
    assert found.mapping.scenario == "colour"
    assert found.unused == ()


def test_five_files_of_one_content_are_told_apart() -> None:
    spec = find_spec("zaragoza_construction_faq")
    if spec is None or spec.origin is None:
        pytest.skip("zaragoza_construction_faq is not installed")
    folder = Path(spec.origin).parent / "data"
    found = {
        name: detect(folder / name)
        for name in ("faq.csv", "faq.json", "faq.jsonl", "faq-alpaca.jsonl", "faq-sharegpt.jsonl")
    }
    assert [(item.container, item.format) for item in found.values()] == [
        ("csv", "prompt-completion"),
        ("json", "prompt-completion"),
        ("jsonl", "prompt-completion"),
        ("jsonl", "alpaca"),
        ("jsonl", "sharegpt"),
    ]
    assert all("category (scenario=category: 39 values)" in item.unused for item in found.values())
    assert all(item.confidence >= 0.9 for item in found.values())


def test_what_is_no_data_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TunesmithError, match="no kind of file"):
        detected(tmp_path, "tool.exe", b"MZ\x90\0\x03\0\0\xff" * 99)
