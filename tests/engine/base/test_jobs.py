import json
import os
import signal
import subprocess
import sys
import time

import pytest

from engine.base import jobs
from engine.base.errors import UsageError
from engine.base.hardware import machine
from engine.base.jobs import started_at


def _job(store, process=None, state="running", **columns):
    pid = process.pid if process else None
    return store.insert(
        "jobs",
        {
            "kind": "data",
            "args": json.dumps({"project": "x"}),
            "state": state,
            "pid": pid,
            "pid_started": started_at(pid) if pid else None,
            "heartbeat": time.time(),
            "created": time.time(),
            **columns,
        },
    )


@pytest.fixture
def process():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield child
    child.kill()
    child.wait()


def test_a_killed_worker_is_lost_and_a_living_one_is_not(workspace, process):
    job = _job(workspace, process)
    assert jobs.get(workspace, job)["state"] == "running"
    process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while jobs.get(workspace, job)["state"] != "lost" and time.monotonic() < deadline:
        time.sleep(0.05)
    row = jobs.get(workspace, job)
    assert row["state"] == "lost"
    assert f"tunesmith resume {job}" in row["fix"]


def test_a_reused_pid_is_not_taken_for_the_worker(workspace, process):
    job = _job(workspace, process, pid_started=started_at(process.pid) - 100)
    assert jobs.get(workspace, job)["state"] == "lost"


def test_a_job_that_never_got_a_process_is_lost_after_the_silence(workspace):
    silent = time.time() - jobs.SILENCE_SECONDS - 1
    old = _job(workspace, state="queued", created=silent, heartbeat=None)
    new = _job(workspace, state="queued", heartbeat=None)
    jobs.mark_lost(workspace)
    assert jobs.get(workspace, old)["state"] == "lost"
    assert jobs.get(workspace, new)["state"] == "queued"


def test_only_a_job_at_work_takes_requests_and_only_an_ended_one_resumes(workspace, process):
    job = _job(workspace, process)
    jobs.request(workspace, job, "stop")
    assert jobs.get(workspace, job)["request"] == "stop"
    with pytest.raises(UsageError, match="running"):
        jobs.restart(workspace, job)
    workspace.update("jobs", job, {"state": "done"})
    with pytest.raises(UsageError, match="nothing to resume"):
        jobs.restart(workspace, job)
    with pytest.raises(UsageError, match="not at work"):
        jobs.request(workspace, job, "stop")
    with pytest.raises(UsageError, match="no job 99"):
        jobs.get(workspace, 99)


def test_a_worker_leaves_a_truthful_end_when_its_project_is_gone(workspace, tmp_path):
    job = jobs.submit(workspace, "data", tmp_path / "nowhere", {})
    row = _ended(workspace, job)
    assert row["state"] == "failed"
    assert row["exit_code"] == 2
    assert "There is no project here" in row["error"]
    assert jobs.log_file(workspace, job).read_text() == ""


def test_a_worker_lives_in_a_session_of_its_own(workspace, demo_project):
    with machine.device_lock(machine.read().device).open("w") as lock:
        import fcntl

        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        job = jobs.submit(workspace, "trial", demo_project, {})
        row = _until(workspace, job, "waiting")
        assert os.getsid(row["pid"]) == row["pid"] != os.getsid(0)
        jobs.request(workspace, job, "stop")
        assert _ended(workspace, job)["state"] == "stopped"


def _until(store, job, state, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        row = jobs.get(store, job)
        if row["state"] == state:
            return row
        time.sleep(0.05)
    raise AssertionError(f"{state} expected, {dict(row)} found")


def _ended(store, job, seconds=20):
    deadline = time.monotonic() + seconds
    while jobs.get(store, job)["state"] in jobs.OPEN and time.monotonic() < deadline:
        time.sleep(0.05)
    return jobs.get(store, job)
