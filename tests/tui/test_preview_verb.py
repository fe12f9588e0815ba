"""`tunesmith data preview` on a dataset of two rows and the real base model's template."""

from __future__ import annotations

import json
import time

import pytest
from click.testing import CliRunner

from engine.base import project
from engine.base.errors import GateError, UsageError
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store
from engine.base.work import register
from engine.data.dataset import SPLITS
from engine.data.rows import make, to_json
from tui.verbs.preview import preview

TAUGHT = make("Where is it?", "On its way.", source="data/talk.jsonl:3", system="Be kind.")
EMPTY = make("Where is it now?", " ", source="data/talk.jsonl:4")


@pytest.fixture
def call(tmp_path, monkeypatch):
    """The verb in a project whose dataset holds two rows."""
    described = Project(
        name="talk",
        objective=Objective(instruction="Say where.", prompt="Say where."),
        data=DataSettings(sources=("data/talk.jsonl",)),
        base_model="smollm2-135m-instruct",
    )
    project.save(described, tmp_path)
    store = Store(tmp_path)
    own = register(store, tmp_path, described)
    counts = dict.fromkeys(("rows_read", "rows_kept", *SPLITS, "tokens_train", "tokens_longest"), 2)
    created = {"project_id": own, "created": time.time()}
    store.insert("datasets", {"id": "d1", "path": "d1", **counts, **created})
    store.insert(
        "gates", {"gate": "data", "subject": "d1", "result": "pass", "reasons": "", **created}
    )
    store.close()
    (tmp_path / "d1").mkdir()
    (tmp_path / "d1" / "manifest.json").write_text("{}")
    for split, rows in {**dict.fromkeys(SPLITS, ()), "train": (TAUGHT, EMPTY)}.items():
        (tmp_path / "d1" / f"{split}.jsonl").write_text("".join(to_json(r) + "\n" for r in rows))
    monkeypatch.setenv("TUNESMITH_WORKSPACE", str(tmp_path))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(preview, ["--project", str(tmp_path), *arguments])
        if done.exception:
            done.exception.written = done.stdout
            raise done.exception
        return done.stdout

    return run


def test_a_row_is_shown_by_the_place_it_came_from(call):
    shown = call("--row", "talk.jsonl:3")
    assert "█ On its way.<|im_end|>" in shown
    assert "│ Be kind.<|im_end|>↵" in shown
    assert "Say where." not in shown
    assert "The training rows: 2 rows" in shown
    assert call() == shown


def test_for_machines_it_is_one_document(call):
    most = json.loads(call("--json"))["row"]["tokens"] - 2
    content = json.loads(call("--json", "--max-length", str(most)))
    assert (content["row"]["limit"], content["row"]["cut"]) == (most, 2)
    assert content["train"]["rows"] == 2


def test_a_row_that_teaches_nothing_is_shown_and_refused(call):
    with pytest.raises(GateError, match="No word of an answer is learnt") as caught:
        call("--row", "talk.jsonl:4")
    assert "✗ learnt" in caught.value.written


def test_an_unknown_row_is_told(call):
    with pytest.raises(UsageError, match="no row from there"):
        call("--row", "talk.jsonl:5")
