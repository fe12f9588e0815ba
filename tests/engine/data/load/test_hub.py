from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.base.errors import UsageError
from engine.data.load.hub import located, parsed
from tests.engine.data.load.all_rows import read_all

SHA = "0123456789abcdef0123456789abcdef01234567"
ROW = b'{"question": "What is %s?", "answer": "A word."}\n'
FILES = {
    "README.md": b"# A dataset",
    "loader.py": b"raise SystemExit('code of a stranger')",
    "data/train-00000-of-00001.jsonl": ROW % b"a train" * 2,
    "data/test-00000-of-00001.jsonl": ROW % b"a test",
    "train.csv": b"question,answer\nWhat?,That.\n",
}
CODE = """
import sys
from engine.base.errors import TunesmithError
from engine.data.load.hub import resolve
try:
    print(resolve(sys.argv[1]))
except TunesmithError as error:
    print("error:", error)
"""


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as downloading a dataset needs."""

    asked: list[str] = []  # noqa: RUF012 - one server at a time

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, *, body: bool = True) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        start = f"/datasets/o/n/resolve/{SHA}/"
        if path in {"/api/datasets/o/n/revision/main", "/api/datasets/o/n"}:
            siblings = [{"rfilename": name} for name in FILES]
            content = json.dumps({"id": "o/n", "sha": SHA, "siblings": siblings}).encode()
        elif path == f"/api/datasets/o/n/tree/{SHA}":
            content = json.dumps(
                [
                    {"type": "file", "path": name, "size": len(data), "oid": self.hash(data)}
                    for name, data in FILES.items()
                ]
            ).encode()
        elif path.removeprefix(start) in FILES and path.startswith(start):
            content = FILES[path.removeprefix(start)]
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{self.hash(content)}"')
        self.send_header("X-Repo-Commit", SHA)
        self.end_headers()
        if body:
            self.wfile.write(content)

    @staticmethod
    def hash(data: bytes) -> str:
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Hub.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def resolve(source: str, cache: Path, endpoint: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CODE, source],
        env=os.environ
        | {
            "HF_ENDPOINT": endpoint,
            "HF_HUB_OFFLINE": "0" if endpoint else "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "TUNESMITH_CACHE": str(cache),
            "HF_HOME": str(cache / "hf"),
        },
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_dataset_is_downloaded_without_its_code(tmp_path: Path, hub: str) -> None:
    folder = Path(resolve("hf:o/n", tmp_path, hub))
    found = read_all({"hf:o/n": folder})
    assert [row.source for row in found.rows] == [
        "hf:o/n/train.csv:2",
        "hf:o/n/data/test-00000-of-00001.jsonl:1",
        "hf:o/n/data/train-00000-of-00001.jsonl:1",
        "hf:o/n/data/train-00000-of-00001.jsonl:2",
    ]
    assert not found.problems
    assert not any("loader" in path or "README" in path for path in Hub.asked)


def test_a_split_is_downloaded_alone(tmp_path: Path, hub: str) -> None:
    folder = Path(resolve("hf:o/n:test", tmp_path, hub))
    assert [row.prompt for row in read_all({"d": folder}).rows] == ["What is a test?"]
    answer = resolve("hf:o/n:rare", tmp_path, hub)
    assert answer.startswith("error: hf:o/n:rare: The dataset has no data files of this split")


def test_what_the_hub_lacks_is_one_sentence(tmp_path: Path, hub: str) -> None:
    answer = resolve("hf:o/other", tmp_path, hub)
    assert answer == (
        "error: hf:o/other: The hub has no such dataset or revision. Check the name after hf:."
    )


def test_offline_is_one_sentence(tmp_path: Path) -> None:
    answer = resolve("hf:o/n", tmp_path, "")
    assert answer.startswith("error: hf:o/n: The Hugging Face Hub cannot be reached.")


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("hf:o/n", ("o/n", "", "")),
        ("hf:squad", ("squad", "", "")),
        ("hf:o/n.v-2@refs/pr/1:train", ("o/n.v-2", "refs/pr/1", "train")),
        ("hf:o/n@main", ("o/n", "main", "")),
        ("hf:o/n:validation", ("o/n", "", "validation")),
    ],
)
def test_a_source_names_repository_revision_and_split(
    source: str, parts: tuple[str, str, str]
) -> None:
    assert parsed(source) == parts


@pytest.mark.parametrize(
    "source", ["hf:", "hf:a/b/c", "hf:../x", "hf:o/n@", "hf:o/n:\x1b", "hf:o n"]
)
def test_what_names_no_dataset_is_wrong_use(source: str) -> None:
    with pytest.raises(UsageError, match="names no dataset"):
        parsed(source)


def test_other_sources_are_paths(tmp_path: Path) -> None:
    assert located("rows.jsonl", tmp_path) == tmp_path / "rows.jsonl"
    assert located("/a/rows.jsonl", tmp_path) == Path("/a/rows.jsonl")
