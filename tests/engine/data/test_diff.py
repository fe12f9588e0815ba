"""Comparing two datasets: what stayed, came, went, changed and moved."""

from __future__ import annotations

import json
import tracemalloc
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.base.errors import TunesmithError
from engine.data.dataset import SPLITS, Dataset
from engine.data.diff import diff
from engine.data.diff_text import to_text
from engine.data.difference import Place, shift
from engine.data.rows import Row, Turn, make, to_json


def row(prompt: str, answer: str = "yes", line: int = 1, **parts) -> Row:
    return make(prompt, answer, source=f"data.jsonl:{line}", **parts)


def written(folder: Path, name: str, manifest: dict | None = None, **splits: list[Row]) -> Dataset:
    path = folder / name
    path.mkdir()
    for split in SPLITS:
        rows = splits.get(split, [])
        (path / f"{split}.jsonl").write_text("".join(to_json(row) + "\n" for row in rows))
    (path / "manifest.json").write_text(json.dumps({"id": name, **(manifest or {})}))
    return Dataset(name, path)


def width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


def test_a_dataset_does_not_differ_from_itself(tmp_path):
    one = written(tmp_path, "a", train=[row("p"), row("q", line=2)], test=[row("r", line=3)])
    found = diff(one, one, examples=5)
    assert not any(
        (found.added, found.removed, found.changed, found.moved, found.settings, found.examples)
    )
    assert found.kept == {"train": 2, "test": 1}
    assert found.to_json()["scenario_shift"] == 0


def test_added_removed_changed_and_moved_rows_are_told_apart(tmp_path):
    old = written(
        tmp_path,
        "old",
        train=[row("stays"), row("goes", line=2), row("typo hree", line=3), row("moves", line=4)],
        validation=[row("answered", "no", line=5)],
    )
    new = written(
        tmp_path,
        "new",
        train=[row("stays"), row("typo here", line=3), row("comes", line=9)],
        validation=[row("moves", line=4)],
        test=[row("answered", "yes", line=50)],
    )
    found = diff(old, new)
    assert found.removed == [Place("train", "data.jsonl:2")]
    assert found.added == [Place("train", "data.jsonl:9")]
    changed = {(c.before.source, c.after.source): c.parts for c in found.changed}
    assert changed == {
        ("data.jsonl:3", "data.jsonl:3"): ("prompt",),
        ("data.jsonl:5", "data.jsonl:50"): ("completion",),
    }
    assert [(c.before.split, c.after.split) for c in found.moved] == [("train", "validation")]
    assert found.kept == {"train": 1}
    assert found.crossed == []


def test_every_row_is_counted_once_on_each_side(tmp_path):
    old = written(
        tmp_path, "old", train=[row(f"p{n}", line=n) for n in range(40)], golden=[row("g", line=99)]
    )
    new = written(
        tmp_path,
        "new",
        train=[row(f"p{n}" if n % 3 else f"x{n}", line=n + n % 2) for n in range(20, 60)],
        test=[row(f"p{n}", line=n) for n in range(5)],
    )
    found = diff(old, new)
    both = sum(found.kept.values()) + len(found.moved) + len(found.changed)
    assert both + len(found.removed) == 41
    assert both + len(found.added) == 45


def test_a_row_held_out_before_and_trained_on_now_is_a_crossing(tmp_path):
    old = written(
        tmp_path,
        "old",
        train=[row("a")],
        test=[row("b", line=2), row("c", line=3), row("d", line=4)],
    )
    new = written(
        tmp_path,
        "new",
        train=[row("a"), row("b", line=2), row("c", "no", line=3), row("other", line=4)],
    )
    found = diff(old, new)
    assert len(found.changed) == 2
    assert {change.before.source for change in found.crossed} == {"data.jsonl:2", "data.jsonl:3"}
    assert "2 rows held out before are trained on now" in to_text(found)
    assert found.to_json()["held_out_to_train"] == 2


def test_raw_texts_have_no_question_to_be_paired_by(tmp_path):
    old = written(tmp_path, "old", train=[row("", "one text", line=1, form="text")])
    new = written(tmp_path, "new", train=[row("", "another", line=2, form="text")])
    found = diff(old, new)
    assert not found.changed
    assert len(found.added) == len(found.removed) == 1


def test_a_conversation_with_another_history_is_another_question(tmp_path):
    first, second = (Turn("user", "hi"),), (Turn("user", "ho"),)
    old = written(tmp_path, "old", train=[row("and?", line=1, history=first)])
    new = written(tmp_path, "new", train=[row("and?", line=1, history=second)])
    assert diff(old, new).changed[0].parts == ("history",)


def test_groups_and_scenarios_of_unchanged_rows_are_compared(tmp_path):
    old = written(tmp_path, "old", train=[row("p", scenario="refund", group="g"), row("q", line=2)])
    new = written(tmp_path, "new", train=[row("p", scenario="return", group="g"), row("q", line=2)])
    found = diff(old, new)
    assert found.retagged == 1
    assert not found.changed
    assert found.scenarios == {
        "": {"train": (1, 1)},
        "refund": {"train": (1, 0)},
        "return": {"train": (0, 1)},
    }
    assert found.to_json()["scenario_shift"] == pytest.approx(0.5)


def test_settings_sources_and_golden_set_come_from_the_manifests(tmp_path):
    old = written(
        tmp_path,
        "old",
        {"settings": {"seed": 1, "pii": "mask"}, "sources": {"a": "1", "b": "2"}},
        golden=[row("g")],
    )
    new = written(
        tmp_path,
        "new",
        {
            "settings": {"seed": 2, "pii": "mask", "cap": 5},
            "sources": {"a": "9", "c": "3"},
            "golden_sha256": "f",
        },
        golden=[row("h", line=7)],
    )
    found = diff(old, new)
    assert found.settings == {"seed": (1, 2), "cap": (None, 5)}
    assert found.sources == {"a": ("1", "9"), "b": ("2", None), "c": (None, "3")}
    assert found.golden_file
    text = to_text(found)
    assert "golden set changed" in text
    assert "source b: no longer read" in text


def test_the_shift_of_answers_is_per_key_and_only_where_they_are_labels(tmp_path):
    def answers(share: int) -> list[Row]:
        return [
            row(f"p{n}", json.dumps({"intent": "a" if n < share else "b", "order": n}), line=n)
            for n in range(400)
        ]

    found = diff(
        written(tmp_path, "old", train=answers(200)), written(tmp_path, "new", train=answers(100))
    )
    assert found.to_json()["label_shift"] == {"intent": pytest.approx(0.25)}
    assert "key intent: 25.0%" in to_text(found)


def test_the_shift_is_the_share_that_would_have_to_change_sides():
    assert shift({"a": (5, 10), "b": (5, 10)}) == 0
    assert shift({"a": (4, 0), "b": (0, 2)}) == 1
    assert shift({"a": (4, 0)}) is None


def test_no_text_of_a_row_is_shown_unless_asked_for_and_then_made_harmless(tmp_path):
    old = written(tmp_path, "old", train=[row("secret one", line=n) for n in (1,)])
    new = written(tmp_path, "new", train=[row("secret \x1b[31mtwo\u202e", line=1)])
    quiet = diff(old, new)
    assert "secret" not in to_text(quiet) + json.dumps(quiet.to_json())
    loud = to_text(diff(old, new, examples=1))
    assert "- prompt: secret one" in loud
    assert "\\x1b[31mtwo\\x202e" in loud
    assert all(char.isprintable() for char in loud.replace("\n", ""))


def test_the_text_fits_80_columns_in_any_script(tmp_path):
    name = "很长的场景名称" * 20
    old = written(
        tmp_path, "old", {"settings": {"instruction": "x" * 200}}, train=[row("问" * 300, "a")]
    )
    new = written(
        tmp_path,
        "new",
        {"settings": {"instruction": "长" * 200}},
        train=[row("答" * 300, "b", scenario=name)],
        test=[row(f"t{n}", line=n, scenario=f"{name}{n}") for n in range(2, 30)],
    )
    text = to_text(diff(old, new, examples=3))
    assert max(map(width, text.splitlines())) <= 80
    assert "and 18 more" in text


def test_a_file_that_is_gone_or_broken_is_told_with_its_place(tmp_path):
    whole = written(tmp_path, "a", train=[row("p")])
    for number, harm in enumerate(("gone", "{", '{"id": "x"}')):
        broken = written(tmp_path, f"b{number}", train=[row("p")])
        path = broken.folder / "test.jsonl"
        path.unlink() if harm == "gone" else path.write_text(harm)
        with pytest.raises(TunesmithError) as fault:
            diff(whole, broken)
        assert fault.value.where == str(path)


def test_memory_does_not_grow_with_the_length_of_the_rows(tmp_path):
    def peak(name: str, length: int) -> int:
        old = written(tmp_path, f"{name}o", train=[row(f"{n}a" * length) for n in range(300)])
        new = written(tmp_path, f"{name}n", train=[row(f"{n}b" * length) for n in range(300)])
        tracemalloc.start()
        diff(old, new)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak("warm", 1)
    assert peak("long", 2000) < peak("short", 10) + 300_000  # the texts differ by 2,400,000


@pytest.fixture
def two_datasets(make_work, varied, monkeypatch):
    """A project with two builds, and a function that runs the verb in it."""
    from engine.data.build import build

    rows = varied(120)
    work = make_work(rows)
    build(work)
    work = make_work(rows[:100] + varied(140)[120:])
    build(work)
    monkeypatch.setenv("TUNESMITH_WORKSPACE", str(work.store.workspace))
    from tui.verbs.diff import diff as verb

    def run(*arguments: str):
        return CliRunner().invoke(verb, [*arguments, "--project", str(work.project_dir)])

    return run, work


def test_the_verb_compares_the_two_newest_datasets(two_datasets):
    run, work = two_datasets
    done = run("--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    ids = [r["id"] for r in work.store.rows("SELECT id FROM datasets ORDER BY created")]
    assert [found["old"], found["new"]] == ids
    assert found["moved"] == []
    assert len(found["added"]) + len(found["changed"]) == 20
    assert len(found["removed"]) + len(found["changed"]) == 20
    assert run(ids[1], ids[0], "--json").exit_code == 0
    assert ids[0] in run().output


def test_the_verb_needs_two_datasets(make_work, varied, monkeypatch):
    from engine.base.errors import UsageError
    from engine.data.build import build
    from tui.verbs.diff import diff as verb

    work = make_work(varied(60))
    build(work)
    monkeypatch.setenv("TUNESMITH_WORKSPACE", str(work.store.workspace))
    done = CliRunner().invoke(verb, ["--project", str(work.project_dir)])
    assert isinstance(done.exception, UsageError)
    assert "one dataset only" in done.exception.what
