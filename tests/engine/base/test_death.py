"""A worker that is gone without a word: what tells why, and that the end fits on a full disk."""

import os
import subprocess
import time
from contextlib import suppress

import pytest

from engine.base import death, jobs, reserve
from engine.base.errors import TunesmithError
from engine.base.store import Store


def _gone(store, printed="", before="", **columns):
    """A training whose worker has printed something and is gone."""
    job = store.insert(
        "jobs",
        {
            "kind": "train",
            "state": "running",
            "pid": 2**22 + 1,
            "pid_started": 1.0,
            "created": time.time(),
            "log_begins": len(before),
            **columns,
        },
    )
    log = jobs.log_file(store, job)
    log.parent.mkdir(exist_ok=True)
    log.write_text(before + printed)
    return jobs.get(store, job)


def test_last_words_of_memory_are_told_with_the_way_out(workspace):
    row = _gone(workspace, "terminate called after throwing an instance of 'std::bad_alloc'\n")
    assert row["state"] == "lost"
    assert row["error"] == "The worker process died for want of memory."
    assert f"resume it with `tunesmith resume {row['id']}`" in row["fix"]
    assert "micro_batch" in row["fix"]


def test_what_an_earlier_worker_printed_is_not_taken_for_this_ones_words(workspace):
    row = _gone(workspace, "killed between two steps", before="std::bad_alloc\n")
    assert row["error"] == death.GONE


@pytest.mark.skipif(death.kills_for_memory() is None, reason="this kernel counts no kills")
def test_a_kill_by_the_kernel_meanwhile_is_told_as_possible(workspace):
    now = death.kills_for_memory()
    assert "maybe this one" in _gone(workspace, kills_before=now - 1)["error"]
    assert _gone(workspace, kills_before=now)["error"] == death.GONE


def test_a_started_job_knows_where_its_words_begin(workspace, tmp_path):
    job = jobs.enqueue(workspace, "data", tmp_path / "nowhere", {})
    log = jobs.log_file(workspace, job)
    log.parent.mkdir()
    log.write_text("words of before\n")
    jobs.start(workspace, job)
    row = jobs.get(workspace, job)
    assert row["log_begins"] == len("words of before\n")
    assert row["kills_before"] == death.kills_for_memory()
    while jobs.get(workspace, job)["state"] in jobs.OPEN:
        time.sleep(0.05)
    assert list(log.parent.glob("*.reserve")) == []


def test_a_full_store_is_one_sentence_and_readable(workspace):
    pages = workspace.scalar("PRAGMA page_count")
    workspace.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(TunesmithError, match="disk is full") as told, workspace.transaction():
        for number in range(500):
            workspace.insert(
                "projects",
                {
                    "name": "x" * 500,
                    "path": str(number),
                    "task": "",
                    "base_model": "",
                    "created": 0,
                },
            )
    assert "resume" in told.value.fix
    assert workspace.scalar("SELECT count(*) FROM projects") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk of its own")
def test_a_worker_on_a_full_disk_still_says_so(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=8m", "tunesmith", str(disk)]
    if subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("this root may not mount")
    try:
        store = Store(disk)
        job = _gone(store)["id"]
        store.update("jobs", job, {"state": "running", "pid": os.getpid(), "pid_started": None})
        spare = disk / "jobs" / f"{job}.reserve"
        reserve.hold(spare)
        _fill(disk / "filler")
        with pytest.raises(TunesmithError, match="disk is full"):
            for _ in range(2000):
                store.insert(
                    "job_log", {"job_id": job, "at": 0.0, "level": "info", "text": "x" * 900}
                )
        from engine.worker import _fail

        assert _fail(store, job, TunesmithError("The disk is full.", "Free some space.")) == 1
        assert jobs.get(store, job)["error"] == "The disk is full."
        assert not spare.exists()
        store.close()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fill(file):
    with file.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(4096))
