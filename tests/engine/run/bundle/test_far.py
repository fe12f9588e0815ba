"""On the other machine: what a submission asks of its bundle, and a bucket that keeps progress."""

import shutil
import subprocess
import sys

import pytest

from engine.base.store import Store
from engine.base.work import Work
from engine.run import checkpoints, metrics
from engine.run.bundle import far, keeping
from engine.run.bundle.fetch import fetch
from engine.run.checkpoints import MANIFEST
from tests.engine.run.bundle import far_machine


@pytest.fixture
def folder(written, tmp_path):
    place = tmp_path / "bundle"
    shutil.copytree(written.folder, place, ignore=shutil.ignore_patterns("code"))
    return place


@pytest.fixture
def fresh(written, tmp_path):
    """The same bundle on a new machine."""
    place = tmp_path / "fresh"
    shutil.copytree(written.folder, place, ignore=shutil.ignore_patterns("code"))
    return place


def _job(folder):
    return dict(Store(folder).row("SELECT * FROM jobs"))


def test_the_worker_finds_its_project_wherever_the_folder_is(folder):
    store = Store(folder)
    work = Work(store, 1)
    assert (work.project_id, work.project.name) == (1, "bench")
    assert store.scalar("SELECT count(*) FROM projects") == 1


def test_a_worker_that_begins_forgets_the_fault_of_the_one_before(folder):
    store = Store(folder)
    store.update("jobs", 1, {"state": "running", "pid": 4_000_000, "pid_started": 1.0})
    work = Work(store, 1)  # finds that worker gone
    assert _job(folder)["error"] == "The worker process is gone."
    work.begin()
    job = _job(folder)
    assert (job["state"], job["error"], job["fix"]) == ("running", None, None)


def test_a_stop_that_came_too_late_does_not_stop_the_next_worker(folder):
    assert far.main([str(folder), "stop"]) == 0
    assert _job(folder)["request"] == "stop"
    assert far.main([str(folder), "again"]) == 0
    assert (_job(folder)["request"], _job(folder)["state"]) == (None, "queued")


def test_a_done_job_stays_done(folder):
    far_machine.trains(folder, 1, 4)
    assert far.main([str(folder), "ended"]) == 1
    far_machine.ends(folder)
    assert far.main([str(folder), "again"]) == 0
    assert _job(folder)["state"] == "done"
    assert far.main([str(folder), "ended"]) == 0


def test_a_wrong_call_is_one_sentence(folder, tmp_path, capsys):
    assert far.main([str(folder), "dance"]) == 2
    assert "Known: prepare" in capsys.readouterr().err
    assert far.main([str(tmp_path), "again"]) == 1
    assert "no bundle" in capsys.readouterr().err


def test_a_base_model_that_cannot_be_had_is_one_sentence(folder):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.run.bundle.far", folder, "prepare"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Qwen/Qwen2.5-0.5B-Instruct" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_new_machine_goes_on_from_the_bucket(folder, fresh, tmp_path):
    bucket = tmp_path / "bucket"
    far_machine.trains(folder, 1, 2)
    keeping.save(folder, bucket)
    keeping.restore(fresh, bucket)
    newest = checkpoints.newest(Store(fresh), 1, fresh / "runs" / "1" / "checkpoints")
    assert (newest.step, newest.totals.tokens) == (2, 200)
    assert [p.step for p in metrics.tail(Store(fresh), 1, "loss", 0)] == [1, 2]


def test_what_the_bucket_has_can_be_fetched(folder, bench, tmp_path):
    bucket = tmp_path / "bucket"
    far_machine.trains(folder, 1, 2)
    keeping.save(folder, bucket)
    far_machine.trains(folder, 3, 4)
    far_machine.ends(folder)
    shutil.rmtree(folder / "runs/1/checkpoints/checkpoint-2")  # pruned, as at the end of a run
    keeping.save(folder, bucket)
    assert [path.name for path in (bucket / "runs/1/checkpoints").iterdir()] == ["checkpoint-4"]
    [fetched] = fetch(bench.store, bucket)
    assert (fetched.state, fetched.step) == ("done", 4)


def test_half_a_checkpoint_in_the_bucket_is_not_restored(folder, fresh, tmp_path):
    bucket = tmp_path / "bucket"
    far_machine.trains(folder, 1, 2)
    far_machine.trains(folder, 3, 4)
    keeping.save(folder, bucket)
    (bucket / "runs/1/checkpoints/checkpoint-4" / MANIFEST).unlink()
    keeping.restore(fresh, bucket)
    newest = checkpoints.newest(Store(fresh), 1, fresh / "runs" / "1" / "checkpoints")
    assert newest.step == 2


def test_an_empty_bucket_and_a_machine_that_kept_its_disk_change_nothing(folder, tmp_path):
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    keeping.restore(folder, bucket)
    far_machine.trains(folder, 1, 2)
    keeping.save(folder, bucket)
    far_machine.trains(folder, 3, 4)
    keeping.restore(folder, bucket)
    assert [p.step for p in metrics.tail(Store(folder), 1, "loss", 0)] == [1, 2, 3, 4]
