import pytest

from engine.base.errors import UsageError
from engine.ship import history, records
from engine.ship.parity import Parity


def test_runs_come_newest_first_with_their_scores(workspace, add_run):
    first, second = add_run("desk-1", exact=0.7), add_run("desk-2", exact=0.9)
    found = history.runs(workspace)
    assert [run["id"] for run in found] == [second, first]
    assert found[0]["scores"] == {"exact_match": 0.9, "valid_json": 1.0}
    assert {"id", "name", "status", "method", "model", "dataset", "created"} <= set(found[0])
    assert [run["id"] for run in history.runs(workspace, limit=1, offset=1)] == [first]


def test_a_run_without_scores_is_listed_too(workspace, run):
    workspace.execute("UPDATE scores SET run_id = NULL")
    assert history.runs(workspace)[0]["scores"] == {}


def test_a_run_is_shown_with_the_keys_that_others_rely_on(workspace, run, add_file):
    artifact = add_file(run, "gguf:F16", 10)
    records.add_parity(
        workspace, artifact, Parity("adapter", "pass", (), 9, 99, 1.0, 0.0, 0.9, 0.0, 0.0, 0.0)
    )
    shown = history.show(workspace, "desk-1")
    assert shown["measured"] == {
        "peak_bytes": 1_900_000_000, "seconds": 50.0, "tokens_per_second": 400.0, "joules": None,
    }  # fmt: skip
    assert shown["plan"]["values"]["lora_rank"]["why"] == "few rows"
    assert shown["verdict"]["result"] == "better"
    metric = shown["verdict"]["metrics"]["exact_match"]
    assert metric == {
        "base": 0.0, "prompted": 0.2, "tuned": 0.9, "difference": pytest.approx(0.7),
        "low": pytest.approx(0.6), "high": pytest.approx(0.8), "n": 120,
    }  # fmt: skip
    file = shown["artifacts"][0]
    assert file["path"] == str(workspace.workspace / f"runs/{run}/export/gguf-F16.gguf")
    assert file["parity"]["token_agreement"] == 1.0
    assert file["parity"]["reasons"] == []


def test_a_run_that_was_not_evaluated_has_no_verdict(workspace, run):
    workspace.execute("DELETE FROM verdicts")
    assert history.show(workspace, run)["verdict"] is None


def test_a_run_is_named_by_id_name_or_start(workspace, add_run):
    first, second = add_run("desk-1"), add_run("mail-1")
    assert history.resolve_run(workspace, str(second)) == second
    assert history.resolve_run(workspace, "desk-1") == first
    assert history.resolve_run(workspace, "ma") == second


def test_of_equal_names_the_newest_is_meant(workspace, add_run):
    add_run("desk-1")
    newest = add_run("desk-1")
    assert history.resolve_run(workspace, "desk-1") == newest


@pytest.mark.parametrize("text", ["desk", "desk-3", "", "99", "9" * 30, "٣", "'; DROP TABLE runs"])
def test_what_names_no_single_run_is_refused(workspace, add_run, text):
    add_run("desk-1"), add_run("desk-2")
    with pytest.raises(UsageError):
        history.resolve_run(workspace, text)


def test_a_slip_of_the_pen_names_the_nearest(workspace, add_run):
    add_run("mail-7")
    with pytest.raises(UsageError, match="did you mean mail-7"):
        history.resolve_run(workspace, "mial-7")
