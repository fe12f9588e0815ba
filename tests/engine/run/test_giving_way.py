"""A real training that must give way for a while comes to the same bytes, and holds nothing."""

from __future__ import annotations

import time

import psutil
import pytest

from engine.base import jobs


def closed_hours():
    hour = (time.localtime().tm_hour + 12) % 24
    return f"{hour:02d}:00-{hour:02d}:59"


@pytest.mark.slow
def test_hours_and_a_pause_change_nothing_but_the_time(bench):
    quiet, job = bench.start()
    assert bench.wait(job)["state"] == "done"

    run_id, job = bench.start()
    _until(bench, lambda: _step(bench, run_id) >= 2)
    heavy = jobs.get(bench.store, job)
    bench.store.update("jobs", job, {"hours": closed_hours()})
    _until(bench, lambda: jobs.get(bench.store, job)["waits_for"] == closed_hours()[:5])
    waiting = jobs.get(bench.store, job)
    assert (waiting["state"], waiting["pid"]) == ("waiting", heavy["pid"])
    memory = psutil.Process(waiting["pid"]).memory_info().rss
    assert memory < 120e6, memory
    reached = _step(bench, run_id)
    assert 2 <= reached < bench.steps

    bench.store.update("jobs", job, {"hours": None})
    _until(bench, lambda: _step(bench, run_id) > reached)
    jobs.request(bench.store, job, "pause")
    assert bench.wait(job)["state"] == "paused"
    jobs.restart(bench.store, job)
    assert bench.wait(job)["state"] == "done"
    assert _adapter(bench, run_id) == _adapter(bench, quiet)


def _adapter(bench, run_id):
    return bench.store.scalar("SELECT adapter_sha256 FROM runs WHERE id = ?", (run_id,))


def _step(bench, run_id):
    found = bench.store.scalar(
        "SELECT max(step) FROM points JOIN series ON series.id = series_id WHERE run_id = ?",
        (run_id,),
    )
    return found or 0


def _until(bench, true):
    for _ in bench.poll():
        if true():
            return
