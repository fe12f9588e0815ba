"""Real sweeps on a small model: undisturbed, killed at any moment, stopped, and refused."""

from __future__ import annotations

import os
import signal

import pytest

from engine.base import jobs
from engine.run.sweep import records, submit
from engine.run.sweep.report import show

SHORT = {
    "max_steps": 12,
    "micro_batch": 2,
    "accumulation": 1,
    "lora_rank": 4,
    "checkpoint_every": 4,
    "precision": "fp32",
}
# the good values first in the seed's order would prune nothing before; the last three are hopeless
OVER = ("learning_rate=3e-2,1e-2,1e-7,2e-7",)


def start(bench, over=OVER, trials=None, **settings):
    prepared = submit.prepare(
        bench.store, bench.project, bench.dataset_id, over, {**SHORT, **settings}, trials
    )
    return submit.submit(bench.store, bench.folder, bench.project_id, prepared)


def kill(bench, job_id):
    os.kill(jobs.get(bench.store, job_id)["pid"], signal.SIGKILL)
    for _ in bench.poll():
        if jobs.get(bench.store, job_id)["state"] == "lost":
            return


def until(bench, true):
    for _ in bench.poll(240):
        if true():
            return


def outcome(bench, sweep_id):
    """What a sweep found, as far as it must not depend on who disturbed it."""
    return [
        (trial.number, trial.values, trial.state, [point.value for point in trial.losses][:4])
        for trial in records.trials(bench.store, sweep_id)
    ]


@pytest.fixture(scope="module")
def quiet(small_bench):
    """A sweep that nobody disturbed."""
    sweep_id, job_id = start(small_bench)
    job = small_bench.wait(job_id, 400)
    assert job["state"] == "done", (job["error"], job["fix"])
    return sweep_id


@pytest.mark.slow
def test_hopeless_trials_are_stopped_and_the_best_values_are_named(small_bench, quiet):
    found = show(small_bench.store, quiet)
    print(found)
    assert len(found["trials"]) == found["planned"] == 4
