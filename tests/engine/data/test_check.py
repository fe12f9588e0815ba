from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.base.errors import UsageError
from engine.base.project import DataSettings
from engine.data.check import check

Varied = Callable[[int], list[dict[str, str]]]


def write(path: Path, rows: list[dict[str, str]], extra: str = "") -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + extra)
    return path


def test_clean_rows_pass(tmp_path: Path, varied: Varied) -> None:
    report = check([write(tmp_path / "a.jsonl", varied(120))]).to_json()
    findings = report.pop("findings")
    assert {finding["kind"] for finding in findings} == {"related"}
    related = len({finding["row"] for finding in findings})
    assert report == {
        "rows": 120,
        "kept": 120,
        "form": "answer",
        "duplicates": {"exact": 0, "near": related, "merged": 0, "related": related},
        "conflicts": 0,
        "too_long": 0,
        "pii": {},
        "secrets": {},
        "leaks": 0,
        "languages": {"en": 120},
        "flags": {},
        "detectors": {},
        "problems": [],
        "gate": {"result": "pass", "reasons": []},
    }


def test_everything_planted_is_counted_and_placed(tmp_path: Path, varied: Varied) -> None:
    rows = varied(120)
    key = "hf_" + "QwErTyUiOp" * 4
    rows.append({**rows[3], "prompt": rows[3]["prompt"].upper()})
    rows.append({**rows[4], "prompt": rows[4]["prompt"] + " thx"})
    rows.append({**rows[5], "completion": '{"intent": "another"}'})
    rows.append({"prompt": f"mail me at ann@example.com about key {key}", "completion": "x"})
    golden = write(tmp_path / "golden.jsonl", [rows[7]])
    path = write(tmp_path / "a.jsonl", rows, '{"prompt": "half\n')
    report = check([path], golden)
    found = report.to_json()
    assert found["rows"] == 125
    assert found["kept"] == 119
    assert (found["duplicates"]["exact"], found["duplicates"]["merged"]) == (1, 1)
    assert (found["conflicts"], found["leaks"]) == (2, 1)
    assert (found["pii"], found["secrets"]) == ({"email": 1}, {"hugging face": 1})
    (problem,) = found["problems"]
    assert (problem["file"], problem["row"]) == (str(path), 125)
    assert found["gate"]["result"] == "warn"
    places = {(finding["kind"], finding["row"]) for finding in found["findings"]}
    assert {place for place in places if place[0] != "related"} == {
        ("broken", 125), ("leak", 8), ("exact duplicate", 121), ("near duplicate", 122),
        ("conflict", 6), ("conflict", 123), ("pii", 124), ("secret", 124),
    }  # fmt: skip
    assert key not in json.dumps(found)
    assert "ann@example.com" not in json.dumps(found)
    assert any(f"{path}:8" in reason for reason in found["gate"]["reasons"])


@pytest.mark.parametrize(
    ("policy", "kept", "words"),
    [("mask", 51, "now masked"), ("drop", 50, "dropped"), ("keep", 51, "as the project says")],
)
def test_personal_data_goes_as_the_project_says(
    tmp_path: Path, varied: Varied, policy: str, kept: int, words: str
) -> None:
    rows = [*varied(50), {"prompt": "please write to ann@example.com", "completion": "x"}]
    settings = DataSettings(sources=(), pii=policy)
    report = check([write(tmp_path / "a.jsonl", rows)], None, settings)
    assert len(report.cleaned.rows) == kept
    assert report.to_json()["pii"] == {"email": 1}
    assert words in report.gate.reasons[0]
    text = " ".join(row.prompt for row in report.cleaned.rows)
    assert ("ann@example.com" in text) == (policy == "keep")


def test_no_rows_and_few_rows_fail(tmp_path: Path, varied: Varied) -> None:
    empty = check([write(tmp_path / "a.jsonl", [])])
    assert (empty.gate.result, empty.gate.reasons[0][:16]) == ("fail", "There are no row")
    few = check([write(tmp_path / "b.jsonl", varied(49))])
    assert few.gate.result == "fail"
    assert "49 rows left" in few.gate.reasons[0]


def test_rows_that_all_say_the_same_fail(tmp_path: Path, varied: Varied) -> None:
    report = check([write(tmp_path / "a.jsonl", varied(15) * 20)])
    assert report.gate.result == "fail"
    assert "15 different prompts" in report.gate.reasons[0]
    assert "95%" in report.gate.reasons[0]


def test_many_broken_lines_fail_and_the_first_are_named(tmp_path: Path, varied: Varied) -> None:
    path = write(tmp_path / "a.jsonl", varied(60), "broken\n" * 20)
    report = check([path])
    assert report.gate.result == "fail"
    assert f"{path}:61" in report.gate.reasons[0]


def test_a_missing_file_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        check([tmp_path / "none.jsonl"])


def test_twenty_thousand_rows_take_seconds(tmp_path: Path, varied: Varied) -> None:
    path = write(tmp_path / "a.jsonl", varied(20_000))
    golden = write(tmp_path / "g.jsonl", varied(60))
    start = time.process_time()
    report = check([path], golden)
    assert report.cleaned.read == 20_000
    assert time.process_time() - start < 30  # quadratic code would take minutes


def test_the_check_loads_no_heavy_library(tmp_path: Path, varied: Varied) -> None:
    path = write(tmp_path / "a.jsonl", varied(60))
    code = (
        "import sys; from pathlib import Path; from engine.data.check import check;"
        f"check([Path({str(path)!r})]);"
        "heavy = {'torch', 'transformers', 'datasets', 'pyarrow', 'tokenizers', 'jinja2'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=60)
@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=12))
def test_any_text_goes_through_and_every_line_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    rows = [{"prompt": prompt, "completion": completion} for prompt, completion in pairs]
    path = write(folder / "a.jsonl", rows)
    cleaned = check([path], write(folder / "g.jsonl", rows[:1])).cleaned
    gone = ("leak", "exact duplicate", "near duplicate", "conflict")
    lost = sum(map(cleaned.count, gone))
    broken = sum(problem.file == str(path) for problem in cleaned.problems)
    assert cleaned.read == len(cleaned.rows) + lost + broken


def test_rows_longer_than_the_model_reads_are_named_with_what_would_be_cut(
    tmp_path: Path, varied: Varied, tiny_model: Path
) -> None:
    rows = [*varied(60), {"prompt": "a question", "completion": "long answer " * 60}]
    report = check([write(tmp_path / "a.jsonl", rows)], base_model=str(tiny_model))
    (found,) = report.cleaned.found("too long")
    assert found.row == 61
    assert "of the answer would be cut" in found.what
    assert any("longer than the model" in reason for reason in report.gate.reasons)
