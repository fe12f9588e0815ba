"""The line of jobs: order, needs, hours, pause and loss, with real workers on a real lock."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from engine.base import jobs, turns
from engine.base.errors import UsageError
from engine.base.hardware import machine
from engine.base.jobs import Turn
from engine.base.store import Store

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "queue_kills.py"


def closed_hours():
    """An hour of the day that is over, or not yet begun, whenever the test runs."""
    hour = (time.localtime().tm_hour + 12) % 24
    return f"{hour:02d}:00-{hour:02d}:59"


def test_jobs_begin_in_the_order_of_priority_and_place_and_say_what_they_wait_for(queue, held):
    low, first, second, high = (
        queue.submit(turn=Turn(priority=priority)) for priority in (-1, 0, 0, 2)
    )
    for job in (low, first, second, high):
        queue.until(job, state="waiting")
    queue.until(high, waits_for=f"{machine.read().device} to be free")
    queue.until(first, waits_for="its turn: 1 job before it")
    queue.until(low, waits_for="its turn: 3 jobs before it")
    assert turns.move(queue.store, second, "up") == turns.Place(2, 4, 0)
    assert turns.positions(queue.store) == {high: 1, second: 2, first: 3, low: 4}
    queue.until(second, waits_for="its turn: 1 job before it")
    held.close()
    for job in (low, first, second, high):
        assert queue.until(job, state="done")["waits_for"] is None
    assert queue.order() == [high, second, first, low]


def test_a_move_past_others_takes_their_priority_and_a_new_job_still_comes_last(queue, held):
    jobs_of = [queue.submit(turn=Turn(priority=priority)) for priority in (3, 1, 0)]
    for job in jobs_of:
        queue.until(job, state="waiting")
    assert turns.move(queue.store, jobs_of[2], "first") == turns.Place(1, 3, 3)
    assert turns.move(queue.store, jobs_of[0], "last") == turns.Place(3, 3, 1)
    assert turns.move(queue.store, jobs_of[0], "down") == turns.Place(3, 3, 1)
    late = queue.submit(turn=Turn(priority=1))
    queue.until(late, state="waiting")
    assert list(turns.positions(queue.store)) == [jobs_of[2], jobs_of[1], jobs_of[0], late]


def test_only_a_job_that_waits_is_moved(queue):
    job = queue.submit()
    queue.until(job, state="done")
    with pytest.raises(UsageError, match="does not wait"):
        turns.move(queue.store, job, "up")
    with pytest.raises(UsageError, match="no job 99"):
        turns.move(queue.store, 99, "up")


def test_what_cannot_begin_does_not_hold_up_the_line(queue, held):
    stopped = queue.submit()
    queue.until(stopped, state="waiting")
    jobs.request(queue.store, stopped, "stop")
    queue.until(stopped, state="stopped")
    needy = queue.submit(turn=Turn(priority=9, needs=(stopped,)))
    nightly = queue.submit(turn=Turn(priority=9, hours=closed_hours()))
    killed = queue.submit(turn=Turn(priority=9))
    last = queue.submit()
    for job in (needy, nightly, killed, last):
        queue.until(job, state="waiting")
    queue.until(last, waits_for="its turn: 1 job before it")
    psutil.Process(jobs.get(queue.store, killed)["pid"]).kill()
    held.close()
    queue.until(last, state="done")
    assert queue.until(nightly, state="waiting")["waits_for"] == closed_hours()[:5]
    assert f"tunesmith resume {stopped}" in queue.until(needy, state="waiting")["waits_for"]
    assert jobs.get(queue.store, killed)["state"] == "lost"


def test_a_job_waits_for_what_it_needs_and_goes_on_when_that_was_mended(queue, held):
    first = queue.submit()
    second = queue.submit(turn=Turn(priority=5, needs=(first,)))
    queue.until(second, waits_for=f"job {first} to be done")
    jobs.request(queue.store, first, "pause")
    queue.until(first, state="paused")
    said = f"job {first}, which is paused: `tunesmith resume {first}` goes on with it, "
    queue.until(second, waits_for=said + f"`tunesmith stop {second}` drops this one")
    held.close()
    jobs.restart(queue.store, first)
    queue.until(second, state="done")
    assert queue.order() == [first, second]


def test_a_job_needs_only_jobs_that_there_are(queue):
    with pytest.raises(UsageError, match="no job 42"):
        queue.submit(turn=Turn(needs=(42,)))
    assert queue.store.scalar("SELECT count(*) FROM jobs") == 0


def test_a_pause_frees_the_device_for_the_next(queue):
    first = queue.submit(steps=200)
    queue.until(first, state="running")
    second = queue.submit()
    queue.until(second, waits_for=f"job {first}, which measures on {machine.read().device}")
    jobs.request(queue.store, first, "pause")
    queue.until(second, state="done")
    paused = queue.until(first, state="paused")
    assert paused["request"] is None
    assert jobs.started_at(paused["pid"]) is None
    assert jobs.restart_lost(queue.store) == []


def test_a_later_checkpoint_does_not_take_a_stop_back(queue, held):
    job = queue.submit()
    queue.until(job, state="waiting")
    queue.store.execute("UPDATE jobs SET request = 'stop' WHERE id = ?", (job,))
    jobs.request(queue.store, job, "checkpoint")
    assert queue.until(job, state="stopped")["exit_code"] == 130


def test_a_training_whose_hours_end_gives_way_and_goes_on_by_itself(queue):
    job = queue.submit("train", steps=60)
    before = queue.until(job, state="running")
    queue.store.update("jobs", job, {"hours": closed_hours()})
    after = queue.until(job, state="waiting", waits_for=closed_hours()[:5])
    assert (after["pid"], after["started"]) == (before["pid"], None)
    other = queue.submit()
    queue.until(other, state="done")  # the device was given back
    queue.store.update("jobs", job, {"hours": None})
    assert queue.until(job, state="done")["started"] > before["started"]
    log = queue.store.rows("SELECT text FROM job_log WHERE job_id = ?", (job,))
    assert any("hours are over" in line["text"] for line in log)


def test_other_jobs_finish_what_they_began_within_their_hours(queue):
    job = queue.submit("eval", steps=20)
    queue.until(job, state="running")
    queue.store.update("jobs", job, {"hours": closed_hours()})
    queue.until(job, state="done")


def test_a_job_has_one_worker_however_often_it_is_started(queue, held):
    job = queue.submit()
    worker = queue.until(job, state="waiting")["pid"]
    second = subprocess.run([*jobs.WORKER, queue.store.workspace, str(job)], timeout=20, check=True)
    assert second.returncode == 0
    assert jobs.get(queue.store, job)["pid"] == worker
    jobs.start(queue.store, job)
    assert jobs.get(queue.store, job)["pid"] == worker


def test_of_two_who_resume_one_is_refused(queue):
    job = queue.submit()
    done = queue.until(job, state="done")
    queue.store.update("jobs", job, {"state": "stopped"})
    other = Store(queue.store.workspace)
    jobs.restart(other, job)
    with pytest.raises(UsageError):
        jobs.restart(queue.store, job)
    other.close()
    assert queue.until(job, state="done")["pid"] != done["pid"]


def test_the_system_ending_a_worker_counts_as_lost_and_is_resumed(queue, held):
    terminated, stopped, failed = queue.submit(), queue.submit(), queue.submit(kind="nonsense")
    queue.until(failed, state="failed")
    queue.until(stopped, state="waiting")
    jobs.request(queue.store, stopped, "stop")
    queue.until(stopped, state="stopped")
    os.kill(queue.until(terminated, state="waiting")["pid"], signal.SIGTERM)
    assert "The system told" in queue.until(terminated, state="lost")["error"]
    assert jobs.restart_lost(queue.store) == [terminated]
    held.close()
    queue.until(terminated, state="done")
    assert [jobs.get(queue.store, job)["state"] for job in (stopped, failed)] == [
        "stopped",
        "failed",
    ]


def test_what_follows_goes_before_the_others_and_survives_a_kill_between(queue, held):
    first = queue.submit(then=["eval"], turn=Turn(priority=1))
    other = queue.submit(turn=Turn(priority=1))
    for job in (first, other):
        queue.until(job, state="waiting")
    held.close()
    queue.until(other, state="done")
    following = queue.store.scalar("SELECT id FROM jobs WHERE kind = 'eval'")
    queue.until(following, state="done")
    assert queue.order() == [first, following, other]

    # a worker that was killed after the transaction that ends its job, before it starts the next
    silent = time.time() - jobs.SILENCE_SECONDS - 1
    orphan = jobs.enqueue(queue.store, "export", queue.folder, {"steps": 1})
    queue.store.update("jobs", orphan, {"created": silent})
    assert jobs.restart_lost(queue.store) == [orphan]
    queue.until(orphan, state="done")


def test_another_workspace_on_the_box_is_named(queue, tmp_path):
    job = queue.submit(steps=200)
    queue.until(job, state="running")
    other = Store(tmp_path / "other")
    waiting = jobs.submit(other, "fit", queue.folder, {})
    end = time.monotonic() + 20
    while (row := jobs.get(other, waiting))["state"] != "waiting" and time.monotonic() < end:
        time.sleep(0.05)
    device = machine.read().device
    assert row["waits_for"] == f"job {job} of {queue.store.workspace}, which has {device}"
    jobs.request(other, waiting, "stop")
    other.close()


def test_the_lock_is_held_until_the_process_is_gone(queue):
    job = queue.submit(steps=100)
    worker = psutil.Process(queue.until(job, state="running")["pid"])
    with machine.device_lock(machine.read().device).open("a+") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        worker.kill()
        worker.wait(5)
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_under_kills_every_job_is_done_once_one_at_a_time_and_in_order():
    done = subprocess.run(
        [sys.executable, "-P", BENCHMARK, "--jobs", "6", "--kills", "6", "--limit", "90"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all done, each once, one at a time, in order" in done.stdout
