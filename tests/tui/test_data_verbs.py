"""`tunesmith data` on real files, as a user would call it."""

from __future__ import annotations

import gzip
import importlib.util
import json
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.base import project
from engine.base.errors import TunesmithError
from engine.base.project import DataSettings, Mapping, Objective, Project
from engine.base.store import Store
from engine.data.dataset import load
from tui.cli import cli


def package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        pytest.skip(f"the package {name} is not installed")
    return Path(spec.origin).parent


def run(*arguments: str, code: int = 0) -> str:
    """Call the command line as its `main` does; return all that it wrote."""
    done = CliRunner().invoke(cli, ["data", *arguments])
    fault = done.exception
    found = fault.exit_code if isinstance(fault, TunesmithError) else done.exit_code
    assert found == code, (done.output, fault)
    return done.output + (str(fault) if isinstance(fault, TunesmithError) else "")


def report(*arguments: str, code: int = 0) -> dict:
    text = run(*arguments, "--json", code=code)
    return json.JSONDecoder().raw_decode(text)[0]


@pytest.fixture(scope="module")
def faq() -> Path:
    return package("zaragoza_construction_faq") / "data"


FIVE = ("faq-en.csv", "faq-en.json", "faq-en.jsonl", "faq-en-alpaca.jsonl", "faq-en-sharegpt.jsonl")


def test_the_same_content_in_five_formats_checks_the_same(faq: Path) -> None:
    reports = [report("check", str(faq / name)) for name in FIVE]
    for found in reports:
        for finding in found["findings"]:
            finding.pop("file"), finding.pop("row"), finding.pop("what"), finding.pop("other")
        assert found["rows"] == 503
    told = [{k: v for k, v in found.items() if k != "gate"} for found in reports]
    assert all(one == told[0] for one in told)


def test_the_same_content_in_five_formats_is_one_dataset(faq: Path, tmp_path: Path) -> None:
    """Five projects, five builds by the worker, one id and the same rows in the same splits."""
    built = set()
    for name in FIVE:
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_bytes((faq / name).read_bytes())
        made = Project(
            name="faq",
            objective=Objective(
                instruction="Answer.", prompt="Answer.", task="free", output="text"
            ),
            data=DataSettings(sources=(name,)),
        )
        project.save(made, folder)
        arguments = ["--workspace", str(tmp_path / "w"), "data", "build", "--json"]
        done = CliRunner().invoke(cli, [*arguments, "--project", str(folder)])
        assert done.exit_code == 0, done.output
        store = Store(tmp_path / "w")
        built.add(store.scalar("SELECT subject FROM gates ORDER BY id DESC LIMIT 1"))
        store.close()
    assert len(built) == 1
    store = Store(tmp_path / "w")
    assert len(load(store, built.pop()).rows("train")) > 300
    store.close()


def test_a_corpus_of_ten_sentences_fails_the_gate_and_says_why() -> None:
    corpus = package("chatterbot_corpus") / "data" / "english" / "tech_support.yml"
    found = report("check", str(corpus), code=3)
    assert (found["rows"], found["kept"]) == (1050, 10)
    assert "10 different prompts in 1,050 rows" in found["gate"]["reasons"][0]
    text = run("check", str(corpus), code=3)
    assert "learn them by heart" in text


def test_columns_are_detected_told_and_can_be_corrected(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    lines = [f"Wie geht das {n}?,so {n},t{n % 3}" for n in range(60)]
    path.write_text("\n".join(["alpha,beta,Thema", *lines]), encoding="utf-8")
    run("check", str(path), code=3)
    found = report("check", str(path), "--map", "prompt=alpha", "--map", "completion=beta")
    assert (found["rows"], found["kept"], found["problems"]) == (60, 60, [])
    told = run("detect", str(path), "--map", "prompt=alpha", "--map", "completion=beta")
    assert "completion ← beta" in told
    assert "Thema (scenario=Thema: 3 values)" in told
    assert run("check", str(path), "--map", "promt=alpha", code=2)


def test_fix_writes_a_new_file_that_has_no_such_problems(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    rows = []
    for n in range(60):
        turns = [{"role": "user", "content": f"first question about case {n * 7919}"}]
        if n % 4 == 0:
            turns.append({"role": "user", "content": "are you there?"})
        turns.append({"role": "assistant", "content": f"answer number {n}"})
        if n % 5 == 0:
            turns.append({"role": "user", "content": "thanks"})
        rows.append({"messages": turns})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = path.read_bytes()
    broken = report("check", str(path), code=3)
    assert broken["problems"]
    assert all(problem["fixable"] for problem in broken["problems"])
    found = report("check", str(path), "--fix", "--to", str(tmp_path / "new.jsonl"))
    assert (found["kept"], found["problems"]) == (60, [])
    assert path.read_bytes() == before
    again = report("check", found["fixed"])
    assert (again["rows"], again["kept"], again["problems"]) == (60, 60, [])


def test_policies_are_given_for_each_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"prompt": f"question {n * 7919} of mine", "completion": f"a{n}"} for n in range(60)]
    rows += [{"prompt": f"write to u{n}@example.net now", "completion": "ok"} for n in range(3)]
    rows += [{"prompt": f"it is at 8.8.8.{n} today", "completion": "ok"} for n in range(4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = report("check", str(path), "--pii", "keep", "--pii", "email=drop")
    assert found["pii"] == {"email": 3, "ip": 4}
    actions = {(f["what"], f["action"]) for f in found["findings"] if f["kind"] == "pii"}
    assert actions == {("email", "dropped"), ("ip", "kept")}
    assert "email=shred" not in run("check", str(path), "--pii", "email=shred", code=2)
    assert "nearest is `email`" in run("check", str(path), "--pii", "emial=drop", code=2)


def test_nothing_of_a_row_reaches_the_terminal_raw(tmp_path: Path) -> None:
    """Escape sequences, markup and very long lines in rows, keys and file names."""
    nasty = "\x1b[2J\x9b31m[bold red]\u202e" + "x" * 50
    path = tmp_path / "a\x1b[31m[red].jsonl.gz"
    rows = [
        {"prompt": f"{nasty} {n}", "completion": nasty, nasty: 1, "scenario": nasty}
        for n in range(60)
    ]
    rows.append({nasty: 1})
    rows.append({"prompt": "word " * 200_000, "completion": "\x1b]0;title\x07"})
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.write("".join(json.dumps(row) + "\n" for row in rows))
    for arguments in (("check",), ("check", "--json"), ("detect",), ("detect", "--json")):
        done = CliRunner().invoke(cli, ["data", *arguments, str(path)])
        assert done.exception is None or isinstance(done.exception, TunesmithError | SystemExit)
        raw = {
            c for c in done.output if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\t"
        }
        assert not raw
        assert max(map(len, done.output.splitlines())) < 3_000


def test_a_mapping_in_the_project_is_used_by_the_build(tmp_path: Path) -> None:
    (tmp_path / "faq.tsv").write_text(
        "a\tb\ttopic\n" + "".join(f"why is it {n * 7919}?\tso {n}\tt{n % 2}\n" for n in range(80))
    )
    mapping = {"faq.tsv": Mapping(prompt="a", completion="b", scenario="topic")}
    made = Project(
        name="faq",
        objective=Objective(instruction="Answer.", prompt="Answer.", task="free", output="text"),
        data=DataSettings(sources=("faq.tsv",), mapping=mapping),
    )
    project.save(made, tmp_path)
    arguments = ["--workspace", str(tmp_path), "data", "build", "--project", str(tmp_path)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    store = Store(tmp_path)
    dataset = load(store, store.scalar("SELECT id FROM datasets"))
    assert {row.scenario for row in dataset.rows("train")} == {"t0", "t1"}
    store.close()
