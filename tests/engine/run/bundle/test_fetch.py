"""Bringing a bundle home: the run as of a local one, again and again, and never a stranger's trick."""

import json
import shutil
import sqlite3
import uuid
from dataclasses import replace

import pytest

from engine.base import jobs
from engine.base.errors import TunesmithError, UsageError
from engine.base.files import sha256
from engine.base.store import Store
from engine.plan import cost, memory
from engine.plan import plan as plans
from engine.run import checkpoints, launch, metrics
from engine.run.bundle.fetch import fetch
from engine.run.bundle.layout import write_label
from engine.ship.history import runs, show
from tests.engine.run.bundle import far_machine

TABLES = ("projects", "datasets", "plans", "runs", "jobs", "gates", "job_log", "series")
TABLES += ("points", "checkpoints", "predictions", "plan_values", "dataset_sources", "fetched_runs")


def _all(store):
    return {table: [tuple(r) for r in store.rows(f"SELECT * FROM {table}")] for table in TABLES}


@pytest.fixture
def folder(written, tmp_path):
    """A bundle of a run of four steps, without the program, which nobody starts here."""
    place = tmp_path / "bundle"
    shutil.copytree(written.folder, place, ignore=shutil.ignore_patterns("code"))
    write_label(place, replace(written.label, id=uuid.uuid4().hex))
    return place


@pytest.fixture
def other(tmp_path):
    """Another workspace, which knows nothing of the bundle."""
    store = Store(tmp_path / "other")
    yield store
    store.close()


def test_a_finished_run_is_as_a_local_one(bench, folder):
    far_machine.trains(folder, 1, 4)
    far_machine.ends(folder)
    [fetched] = fetch(bench.store, folder)
    assert (fetched.state, fetched.step, fetched.new) == ("done", 4, True)
    shown = show(bench.store, fetched.run)
    assert shown["status"] == "done"
    assert shown["measured"]["seconds"] == 6.0
    assert shown["plan"]["id"] == 1  # the plan that was saved when the bundle was written
    assert shown["model"] == "qwen2.5-0.5b-instruct"
    assert metrics.latest(bench.store, fetched.run)["loss"] == 1.0
    place = launch.folder(bench.store, fetched.run)
    assert (place / "adapter" / "adapter_model.safetensors").read_bytes() == b"weights of 4"
    assert (place / "plan.yaml").is_file()
    assert checkpoints.newest(bench.store, fetched.run, place / "checkpoints").step == 4
    job = jobs.get(bench.store, launch.get(bench.store, fetched.run)["job_id"])
    assert (job["state"], json.loads(job["args"])["project"]) == ("done", str(bench.folder))
    assert bench.store.sound()


def test_fetching_twice_changes_nothing(bench, folder):
    far_machine.trains(folder, 1, 4)
    far_machine.ends(folder)
    fetch(bench.store, folder)
    before = _all(bench.store)
    [again] = fetch(bench.store, folder)
    assert (again.new, again.changed) == (False, False)
    assert _all(bench.store) == before


def test_an_unfinished_run_brings_what_it_has_and_goes_on(bench, folder):
    far_machine.trains(folder, 1, 2)
    [first] = fetch(bench.store, folder)
    assert (first.state, first.step) == ("stopped", 2)
    assert [p.step for p in metrics.tail(bench.store, first.run, "loss", 0)] == [1, 2]
    before = _all(bench.store)
    [same] = fetch(bench.store, folder)
    assert (same.changed, _all(bench.store)) == (False, before)

    far_machine.trains(folder, 3, 4)
    far_machine.ends(folder)
    [last] = fetch(bench.store, folder)
    assert (last.run, last.state, last.new, last.changed) == (first.run, "done", False, True)
    assert [p.step for p in metrics.tail(bench.store, last.run, "loss", 0)] == [1, 2, 3, 4]
    log = bench.store.rows(
        "SELECT text FROM job_log WHERE job_id = ? ORDER BY id",
        (launch.get(bench.store, last.run)["job_id"],),
    )
    assert [line["text"] for line in log] == [f"step {step} of 4" for step in (1, 2, 3, 4)]


def test_points_that_a_resume_wrote_anew_replace_the_old(bench, folder):
    far_machine.trains(folder, 1, 3)
    [first] = fetch(bench.store, folder)
    far_machine.trains(folder, 2, 2)  # the machine was lost; it resumed from step 1
    fetch(bench.store, folder)
    assert [p.step for p in metrics.tail(bench.store, first.run, "loss", 0)] == [1, 2]


def test_a_run_that_never_started_is_fetched_too(bench, folder):
    [fetched] = fetch(bench.store, folder)
    assert (fetched.state, fetched.step, fetched.steps) == ("stopped", 0, 4)


def test_the_bundle_is_only_read(bench, folder):
    far_machine.trains(folder, 1, 2)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    fetch(bench.store, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_store_that_is_open_elsewhere_is_read_to_its_last_point(bench, folder):
    far_machine.trains(folder, 1, 2)
    worker = Store(folder)  # its log file is not yet written into runs.db
    worker.update("runs", 1, {"step": 2, "tokens": 4321})
    assert (folder / "runs.db-wal").stat().st_size > 0
    [fetched] = fetch(bench.store, folder)
    assert launch.get(bench.store, fetched.run)["tokens"] == 4321
    worker.close()


def test_checkpoints_can_be_left_there(bench, folder):
    far_machine.trains(folder, 1, 4)
    far_machine.ends(folder)
    [fetched] = fetch(bench.store, folder, with_checkpoints=False)
    place = launch.folder(bench.store, fetched.run)
    assert (place / "adapter").is_dir()
    assert not (place / "checkpoints").exists()


def test_a_half_written_checkpoint_stays_there(bench, folder):
    far_machine.trains(folder, 1, 2)
    far_machine.trains(folder, 3, 4)
    half = folder / "runs" / "1" / "checkpoints" / "checkpoint-4" / "adapter_model.safetensors"
    half.write_bytes(b"half")
    [fetched] = fetch(bench.store, folder)
    place = launch.folder(bench.store, fetched.run)
    assert [path.name for path in (place / "checkpoints").iterdir()] == ["checkpoint-2"]
    assert (
        bench.store.scalar(
            "SELECT group_concat(step) FROM checkpoints WHERE run_id = ?", (fetched.run,)
        )
        == "2"
    )


def test_a_run_that_was_resumed_here_is_not_put_back(bench, folder):
    far_machine.trains(folder, 1, 2)
    [fetched] = fetch(bench.store, folder)
    job = launch.get(bench.store, fetched.run)["job_id"]
    bench.store.update("jobs", job, {"pid": 4_000_000})
    with pytest.raises(UsageError, match="was resumed here"):
        fetch(bench.store, folder)


def test_a_failure_is_told_with_the_jobs_number_here(bench, folder):
    far_machine.trains(folder, 1, 2)
    far = Store(folder)
    far.update(
        "jobs", 1, {"state": "failed", "error": "It broke.", "fix": "See `tunesmith log 1`."}
    )
    far.close()
    [fetched] = fetch(bench.store, folder)
    job = jobs.get(bench.store, launch.get(bench.store, fetched.run)["job_id"])
    assert (job["state"], job["error"]) == ("failed", "It broke.")
    assert job["fix"] == f"See `tunesmith log {job['id']}`."


def test_this_box_learns_nothing_from_another_machines_run(bench, folder):
    far_machine.trains(folder, 1, 4)
    far_machine.ends(folder)
    model = "qwen2.5-0.5b-instruct"
    [fetched] = fetch(bench.store, folder)
    plan = plans.load(bench.store, launch.get(bench.store, fetched.run)["plan_id"])
    assert plan.device == "cpu"
    assert cost.recorded(bench.store, model=model, method=plan.method, device="cpu") is None
    assert memory.learned(bench.store, plan.method, "cpu") is None
    bench.store.execute("DELETE FROM fetched_runs")  # as if it had been trained here
    assert cost.recorded(bench.store, model=model, method=plan.method, device="cpu").measured


def test_another_workspace_takes_project_dataset_and_plan_in(folder, bench, other):
    _sealed(folder, bench)
    far_machine.trains(folder, 1, 4)
    far_machine.ends(folder)
    [fetched] = fetch(other, folder)
    shown = show(other, fetched.run)
    here = plans.load(bench.store, 1)
    assert plans.load(other, shown["plan"]["id"]).values == here.values
    assert shown["plan"]["gate"]["result"] == here.gate.result
    assert len(runs(other)) == 1
    assert (other.workspace / "datasets" / shown["dataset"] / "train.jsonl").is_file()
    before = _all(other)
    fetch(other, folder)
    assert _all(other) == before


def test_a_second_bundle_of_a_plan_is_another_run(bench, folder, written):
    far_machine.trains(folder, 1, 2)
    [first] = fetch(bench.store, folder)
    [second] = fetch(bench.store, written.folder)
    assert second.run != first.run
    assert show(bench.store, second.run)["plan"]["id"] == show(bench.store, first.run)["plan"]["id"]


def _sealed(folder, bench):
    """Give the bundle's small dataset the manifest that a build writes."""

    place = folder / "datasets" / bench.dataset_id
    sums = {
        f"{s}.jsonl": {"sha256": sha256(place / f"{s}.jsonl")}
        for s in ("train", "validation", "test", "golden")
    }
    (place / "manifest.json").write_text(json.dumps({"id": bench.dataset_id, "files": sums}))


def _far(folder, sql):
    store = Store(folder)
    store.execute(sql)
    store.close()


def _swap(path, target):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    path.symlink_to(target)


def _manifest_of_another_place(folder):
    """A checkpoint whose manifest asks for the checksum of a file of this box."""
    checkpoint = folder / "runs/1/checkpoints/checkpoint-4"
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    manifest["files"]["/dev/zero"] = "0" * 64
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))
    _far(folder, f"UPDATE checkpoints SET sha256 = '{sha256(checkpoint / 'manifest.json')}'")


def test_a_manifest_is_not_followed_out_of_its_folder(bench, folder):
    far_machine.trains(folder, 1, 4)
    _manifest_of_another_place(folder)
    [fetched] = fetch(bench.store, folder)
    assert not bench.store.rows("SELECT 1 FROM checkpoints WHERE run_id = ?", (fetched.run,))


def test_a_bundle_is_not_fetched_into_itself(folder):
    far_machine.trains(folder, 1, 2)
    with pytest.raises(UsageError, match="the workspace itself"):
        fetch(Store(folder), folder)


FAULTS = {
    "no label": lambda f: (f / "bundle.json").unlink(),
    "label of another kind": lambda f: (f / "bundle.json").write_text('{"id": 7}'),
    "label that is a link": lambda f: _swap(f / "bundle.json", "/etc/passwd"),
    "id that is a path": lambda f: (f / "bundle.json").write_text(
        (f / "bundle.json").read_text().replace('"id": "', '"id": "../')
    ),
    "no store": lambda f: (f / "runs.db").unlink(),
    "a store that is none": lambda f: (f / "runs.db").write_bytes(b"not a database" * 100),
    "a store cut short": lambda f: (f / "runs.db").write_bytes(
        (f / "runs.db").read_bytes()[:20_000]
    ),
    "a store that is a link": lambda f: _swap(f / "runs.db", "/etc/passwd"),
    "a newer store": lambda f: _far(f, "PRAGMA user_version = 99"),
    "a trigger": lambda f: _far(
        f, "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END"
    ),
    "a reference to nothing": lambda f: _raw(f, "INSERT INTO points VALUES (999, 1, 1.0, 1.0)"),
    "a text for a number": lambda f: _far(f, "UPDATE runs SET step = 'seven'"),
    "an endless number": lambda f: _far(f, "UPDATE points SET value = 9e999"),
    "an environment that is none": lambda f: _far(f, "UPDATE runs SET environment = '['"),
    "a run elsewhere": lambda f: _far(f, "UPDATE runs SET path = '../../etc'"),
    "a checkpoint elsewhere": lambda f: _far(f, "UPDATE checkpoints SET path = '/etc'"),
    "another adapter": lambda f: (f / "runs/1/adapter/adapter_model.safetensors").write_bytes(
        b"other weights"
    ),
    "no adapter": lambda f: shutil.rmtree(f / "runs/1/adapter"),
    "an adapter that is a link": lambda f: _swap(f / "runs/1/adapter", "/etc"),
    "weights that are a link": lambda f: _swap(
        f / "runs/1/adapter/adapter_model.safetensors", "/etc/passwd"
    ),
    "a project that is a link": lambda f: _swap(f / "runs/1/project.yaml", "/etc/passwd"),
    "a checkpoint's file that is a link": lambda f: _swap(
        f / "runs/1/checkpoints/checkpoint-4/adapter_config.json", "/etc/passwd"
    ),
}


def _raw(folder, *statements):
    """Change a record as no store of ours would let it be."""
    with sqlite3.connect(folder / "runs.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_or_foreign_folder_is_refused_in_one_sentence(bench, folder, fault):
    far_machine.trains(folder, 1, 4)
    far_machine.ends(folder)
    FAULTS[fault](folder)
    before = _all(bench.store), _runs(bench)
    with pytest.raises(TunesmithError) as refused:
        fetch(bench.store, folder)
    assert refused.value.what.count(".") <= 2
    assert refused.value.fix
    assert (_all(bench.store), _runs(bench)) == before
    assert bench.store.sound()


def _runs(bench):
    folder = bench.store.workspace / "runs"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


STRANGER = {
    "a dataset that leads out": [
        f"UPDATE {table} SET {column} = '../../x'"
        for table, column in (
            ("datasets", "id"),
            ("plans", "dataset_id"),
            ("runs", "dataset_id"),
            ("dataset_sources", "dataset_id"),
        )
    ],
    "an unknown setting": ["UPDATE plan_values SET key = 'evil' WHERE key = 'seed'"],
    "a recipe elsewhere": ["UPDATE plans SET recipe = '../../etc/passwd'"],
}


@pytest.mark.parametrize("fault", STRANGER)
def test_a_strangers_record_is_refused_before_anything_is_written(folder, bench, other, fault):
    _sealed(folder, bench)
    _raw(folder, *STRANGER[fault])
    with pytest.raises(TunesmithError, match="damaged or was changed"):
        fetch(other, folder)
    assert not other.rows("SELECT 1 FROM runs")


def test_rows_that_are_not_those_of_the_manifest_are_refused(folder, bench, other):
    _sealed(folder, bench)
    rows = folder / "datasets" / bench.dataset_id / "train.jsonl"
    rows.write_text(rows.read_text() + rows.read_text())
    with pytest.raises(TunesmithError, match="not what it was"):
        fetch(other, folder)
    assert not (other.workspace / "datasets").exists() or not list(
        (other.workspace / "datasets").iterdir()
    )


def test_a_name_with_control_characters_stays_text(bench, folder):
    name = "evil\x1b[2J\n$(rm -rf x)"
    store = Store(folder)
    store.update("runs", 1, {"name": name})
    store.close()
    [fetched] = fetch(bench.store, folder)
    assert fetched.name == name
