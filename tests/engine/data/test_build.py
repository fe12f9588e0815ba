from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.base.errors import GateError, UsageError
from engine.base.files import sha256
from engine.base.work import Stopped, Work
from engine.data.build import build
from engine.data.dataset import SPLITS, Dataset, latest, load, require_answers

MakeWork = Callable[..., Work]
Varied = Callable[[int], list[dict[str, str]]]
KEY = "hf_" + "QwErTyUiOp" * 4


def built(work: Work) -> Dataset:
    build(work)
    return load(work.store, latest(work.store, work.project_id))


def test_a_dataset_holds_every_kept_row_once_and_its_spec(
    make_work: MakeWork, varied: Varied
) -> None:
    work = make_work(varied(200), varied(210)[200:])
    dataset = built(work)
    parts = {split: dataset.rows(split) for split in SPLITS}
    ids = [row.id for split in ("train", "validation", "test") for row in parts[split]]
    record = work.store.row("SELECT * FROM datasets WHERE id = ?", (dataset.id,))
    assert record is not None
    assert len(ids) == len(set(ids)) == record["rows_kept"]
    assert [len(parts[split]) for split in SPLITS] == [record[split] for split in SPLITS]
    assert len(parts["golden"]) == 10
    assert record["tokens_longest"] > 50
    assert 0 < record["tokens_answers"] < 0.6 * record["tokens_train"]
    assert record["golden_sha256"] == sha256(work.project_dir / "golden.jsonl")
    spec = (dataset.folder / "data-spec.md").read_text()
    assert sha256(work.project_dir / "data.jsonl") in spec
    assert f"dataset {dataset.id}" in spec
    assert "| return |" in spec


def test_the_manifest_proves_the_files(make_work: MakeWork, varied: Varied) -> None:
    dataset = built(make_work(varied(120)))
    manifest = json.loads((dataset.folder / "manifest.json").read_text())
    for name, entry in manifest["files"].items():
        assert sha256(dataset.folder / name) == entry["sha256"]


def test_the_same_rows_give_the_same_dataset_without_writing_it_again(
    make_work: MakeWork, varied: Varied
) -> None:
    first = built(make_work(varied(120)))
    before = (first.folder / "data-spec.md").stat().st_mtime_ns
    work = make_work(varied(120))
    again = built(work)
    assert again.id == first.id
    assert (again.folder / "data-spec.md").stat().st_mtime_ns == before
    assert work.store.scalar("SELECT count(*) FROM datasets") == 1
    assert built(make_work(varied(121))).id != first.id


def test_two_projects_with_equal_rows_share_a_dataset(make_work: MakeWork, varied: Varied) -> None:
    one, other = make_work(varied(120)), make_work(varied(120), name="second")
    assert built(one).id == built(other).id


def test_an_older_version_built_again_is_the_latest(make_work: MakeWork, varied: Varied) -> None:
    first = built(make_work(varied(120)))
    built(make_work(varied(130)))
    work = make_work(varied(120))
    build(work)
    assert latest(work.store, work.project_id) == first.id


def test_findings_are_recorded_and_no_secret_is_written_anywhere(
    make_work: MakeWork, varied: Varied
) -> None:
    rows = [*varied(120), {"prompt": f"key {KEY} of ann@example.com fails", "completion": "x"}]
    rows.append(rows[2])
    work = make_work(rows, extra_lines=f'{{"prompt": "{KEY}", "completion": \n')
    dataset = built(work)
    found = work.store.rows("SELECT * FROM dataset_findings WHERE dataset_id = ?", (dataset.id,))
    assert {
        (row["kind"], row["row"], row["action"]) for row in found if row["kind"] != "related"
    } == {
        ("broken", 123, "dropped"),
        ("exact duplicate", 122, "dropped"),
        ("pii", 121, "masked"),
        ("secret", 121, "masked"),
    }
    work.store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in work.store.workspace.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()
            assert b"ann@example.com" not in path.read_bytes()


def test_a_failed_gate_stops_the_journey_and_leaves_no_dataset(
    make_work: MakeWork, varied: Varied
) -> None:
    work = make_work(varied(30))
    with pytest.raises(GateError, match="30 rows left"):
        build(work)
    assert work.store.scalar("SELECT result FROM gates") == "fail"
    assert work.store.scalar("SELECT count(*) FROM datasets") == 0
    with pytest.raises(UsageError):
        latest(work.store, work.project_id)


def test_an_accepted_failure_goes_on_and_is_recorded(make_work: MakeWork, varied: Varied) -> None:
    work = make_work(varied(30), accept="a first try")
    dataset = built(work)
    assert work.store.scalar("SELECT accepted FROM gates") == "a first try"
    assert "a first try" in (dataset.folder / "data-spec.md").read_text()


def test_rows_longer_than_the_model_can_read_are_dropped_and_named(
    make_work: MakeWork, varied: Varied
) -> None:
    work = make_work([*varied(120), {"prompt": "long words here " * 60, "completion": "x"}])
    build(work)
    assert work.store.scalar("SELECT row FROM dataset_findings WHERE kind = 'too long'") == 121
    assert "data.jsonl:121" in work.store.scalar("SELECT reasons FROM gates")


def test_a_group_that_swallows_a_split_is_said(make_work: MakeWork, varied: Varied) -> None:
    rows = [{**row, "group": "one"} for row in varied(120)]
    with pytest.raises(GateError, match="No rows for"):
        build(make_work(rows))


def test_a_missing_source_is_wrong_use(make_work: MakeWork, varied: Varied) -> None:
    work = make_work(varied(60))
    (work.project_dir / "data.jsonl").unlink()
    with pytest.raises(UsageError, match=r"data\.jsonl"):
        build(work)


def test_a_request_to_stop_is_obeyed(make_work: MakeWork, varied: Varied) -> None:
    work = make_work(varied(60))
    work.store.update("jobs", work.job_id, {"request": "stop"})
    with pytest.raises(Stopped):
        build(work)


def test_worked_examples_cover_the_scenarios_and_never_change(
    make_work: MakeWork, varied: Varied
) -> None:
    dataset = built(make_work(varied(200)))
    shots = dataset.few_shot(5)
    assert len({row.scenario for row in shots}) == 5
    assert shots == dataset.few_shot(5)
    assert dataset.few_shot(7)[:5] == shots
    train = {row.id for row in dataset.rows("train")}
    assert all(row.id in train for row in dataset.few_shot(12))


def test_a_vanished_folder_is_said_and_can_be_built_again(
    make_work: MakeWork, varied: Varied, tmp_path: Path
) -> None:
    import shutil

    work = make_work(varied(120))
    dataset = built(work)
    shutil.rmtree(dataset.folder)
    with pytest.raises(UsageError, match="Build it again"):
        load(work.store, dataset.id)
    assert built(make_work(varied(120))).id == dataset.id


def test_a_cap_leaves_training_rows_out_and_says_so(make_work: MakeWork, varied: Varied) -> None:
    rows = varied(300)
    work = make_work(
        [row for row in rows if row["scenario"] != "cancel" or rows.index(row) < 60], cap=20
    )
    dataset = built(work)
    counts = Counter(row.scenario for row in dataset.rows("train"))
    assert max(counts.values()) == 20
    record = work.store.row("SELECT * FROM datasets WHERE id = ?", (dataset.id,))
    assert record is not None
    assert record["rows_kept"] == record["train"] + record["validation"] + record["test"]
    left_out = work.store.scalar("SELECT count(*) FROM dataset_findings WHERE kind = 'balance'")
    assert left_out > 50
    assert "at most 20 rows of a scenario" in (dataset.folder / "data-spec.md").read_text()


def test_wanted_edge_cases_without_rows_are_a_warning_and_unknown_ones_a_fault(
    make_work: MakeWork, varied: Varied
) -> None:
    work = make_work(varied(120), edges=("emoji",), least=3)
    build(work)
    assert "emoji" in work.store.scalar("SELECT reasons FROM gates")
    with pytest.raises(UsageError, match="emoji"):
        build(make_work(varied(120), edges=("emojy",), name="other"))


def test_a_build_mends_when_it_is_told_to(make_work: MakeWork, varied: Varied) -> None:
    bad = '{"prompt": "what\\u0000 now, my order never came", "completion": "wait"}\n'
    work = make_work(varied(120), extra_lines=bad)
    work.args["fix"] = True
    dataset = built(work)
    (found,) = work.store.rows(
        "SELECT kind, row, action FROM dataset_findings WHERE dataset_id = ? AND kind <> 'related'",
        (dataset.id,),
    )
    assert tuple(found) == ("fixed", 121, "fixed")


def test_preferences_make_a_dataset_that_supervised_tuning_refuses(
    make_work: MakeWork, varied: Varied
) -> None:
    rows = [
        {"prompt": row["prompt"], "chosen": f"good {at}", "rejected": f"bad {at}"}
        for at, row in enumerate(varied(120))
    ]
    work = make_work(rows)
    dataset = built(work)
    assert work.store.scalar("SELECT form FROM datasets") == "preference"
    assert all(row.rejected for row in dataset.rows("train"))
    with pytest.raises(UsageError, match="supervised fine-tuning"):
        require_answers(work.store, dataset.id)


def test_conversations_keep_their_turns_and_system_prompt(
    make_work: MakeWork, varied: Varied
) -> None:
    rows = [
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": row["prompt"]},
                {"role": "assistant", "content": "Which one?"},
                {"role": "user", "content": f"the one of case {at}"},
                {"role": "assistant", "content": f"done {at}"},
            ]
        }
        for at, row in enumerate(varied(120))
    ]
    dataset = built(make_work(rows))
    row = dataset.rows("train")[0]
    assert (row.system, len(row.history), row.history[0].role) == ("Be brief.", 2, "user")
