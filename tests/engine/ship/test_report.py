import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.gates import Gate, record
from engine.ship import records, report
from engine.ship.parity import Parity


@given(st.text())
def test_escaped_text_is_one_line_without_markup(text):
    shown = report.escape(text)
    assert len(shown.splitlines()) <= 1
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_{}\[\]<>#|~$!]", shown)
    assert not re.match(r"\s*([-+=]|\d+[.)])\s", shown)
    assert not set(shown) & {"\x1b", "\x00", "\u202e", "\x7f"}


def test_figures_stay_readable():
    assert report.escape("0.5") == "0.5"
    assert report.escape(-2.5) == "-2.5"
    assert report.escape("1. item") == r"1\. item"


def test_the_highest_point_is_a_full_block():
    assert report.sparkline([4.0, 2.0, 0.0]) == "█▅▁"
    assert report.sparkline([]) == ""
    assert report.sparkline([1.0, 1.0]) == "▁▁"


@pytest.fixture
def page(workspace, run, add_file):
    workspace.execute("UPDATE runs SET name = ? WHERE id = ?", ("| a <b>\n# evil", run))
    for kind, size, result in (("gguf:F16", 20, "pass"), ("gguf:Q4_0", 10, "fail")):
        reasons = () if result == "pass" else ("Only 80.0% agree.",)
        records.add_parity(
            workspace,
            add_file(run, kind, size),
            Parity("F16", result, reasons, 120, 2000, 0.8, 0.02, 0.9, -0.01, -0.04, 0.0),
        )
    records.recommend(workspace, run)
    refused = Gate("verdict", "fail", ("Too few rows.",))
    record(workspace, 1, refused, subject=f"run {run}", job_id=None, accepted="a <trial>")
    series = workspace.insert("series", {"run_id": run, "name": "loss"})
    workspace.insert_all(
        "points",
        [{"series_id": series, "step": i, "at": 1.0, "value": 3.0 / i} for i in range(1, 60)],
    )
    return report.write(workspace, run).read_text()


def test_the_report_tells_the_whole_journey(page):
    for part in ("Objective", "Data", "Advice", "Plan", "Training", "Scores", "Gates", "Artifacts"):
        assert f"\n## {part}\n" in page
    assert "90.0% (90.0% to 90.0%)" in page
    assert "400 tokens a second" in page
    assert re.search(r"Loss `█[▁▂▃▄▅▆▇█]+▁`", page)
    assert "Sort the message. Answer with JSON: intent." in page


def test_an_accepted_gate_is_printed_with_its_reason(page):
    assert r"**verdict: fail**; accepted: a \<trial\>" in page
    assert "    - Too few rows." in page


def test_the_recommended_file_is_named_and_the_failed_one_explained(page):
    assert "a1 (use this)" in page
    assert r"gguf:Q4\_0: Only 80.0% agree." in page
    assert "gguf-F16.gguf" in page.split("## How to use it")[1]


def test_text_from_data_cannot_become_markup(page):
    assert r"# Run 1: \| a \<b\> \# evil" in page
    assert "\n# evil" not in page


def test_a_run_that_did_nothing_yet_has_a_report_too(workspace, run):
    for table in ("verdicts", "answers", "score_metrics", "scores"):
        workspace.execute(f"DELETE FROM {table}")
    assert "Not evaluated yet." in report.text(workspace, run)
