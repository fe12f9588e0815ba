"""Two processes: the losses of one, and the same bytes after any kill."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from engine.base import jobs
from engine.run import launch
from engine.run.distributed.supervisor import ours

SAME = 1e-5  # nats, in fp32
DROPPED = {"processes": 2, "lora_dropout": 0.1}  # so that every process's random numbers count


@pytest.fixture(scope="module")
def alone(bench):
    return bench.done()


@pytest.fixture(scope="module")
def quiet(bench):
    """A training over two processes that nobody disturbed."""
    return bench.done(**DROPPED)


def equal(bench, one, two):
    for name in ("loss", "validation_loss", "grad_norm"):
        assert bench.curve(two, name) == pytest.approx(bench.curve(one, name), abs=SAME), name
    assert len(bench.curve(two)) == 8
    tokens = [launch.get(bench.store, run_id)["tokens"] for run_id in (one, two)]
    assert tokens[0] == tokens[1] > 0


def test_two_processes_reach_the_losses_of_one(bench, alone):
    equal(bench, alone, bench.done(processes=2))


@pytest.mark.slow
def test_two_processes_that_cut_a_micro_batch_reach_the_losses_of_one(bench):
    settings = {"micro_batch": 4, "accumulation": 1}
    equal(bench, bench.done(**settings), bench.done(**settings, processes=2))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_is_named_and_a_resume_ends_with_the_same_bytes(bench, quiet, rank):
    run_id, job_id = bench.start(**DROPPED)
    reach(bench, run_id, random.randint(1, 6))
    os.kill(workers(bench, job_id)[rank], signal.SIGKILL)
    job = bench.wait(job_id)
    assert job["state"] == "failed"
    assert job["error"] == f"Process {rank} of 2 was killed (signal 9)."
    assert job["fix"] == f"Resume it with `tunesmith resume {job_id}`."
    assert not workers(bench, job_id)
    jobs.restart(bench.store, job_id)
    assert bench.wait(job_id)["state"] == "done"
    assert bench.adapter(run_id) == bench.adapter(quiet)
    for name in ("loss", "validation_loss", "grad_norm"):
        assert bench.curve(run_id, name) == bench.curve(quiet, name), name


@pytest.mark.slow
def test_a_killed_supervisor_leaves_no_process_behind(bench, quiet):
    run_id, job_id = bench.start(**DROPPED)
    reach(bench, run_id, 2)
    os.kill(jobs.get(bench.store, job_id)["pid"], signal.SIGKILL)
    assert bench.wait(job_id)["state"] == "lost"
    gone(bench, job_id)
    jobs.restart(bench.store, job_id)
    assert bench.wait(job_id)["state"] == "done"
    assert bench.adapter(run_id) == bench.adapter(quiet)


@pytest.mark.slow
def test_a_stop_saves_a_checkpoint_of_both_processes(bench, quiet):
    run_id, job_id = bench.start(**DROPPED)
    reach(bench, run_id, 1)
    jobs.request(bench.store, job_id, "stop")
    assert bench.wait(job_id)["state"] == "stopped"
    step = bench.store.scalar("SELECT max(step) FROM checkpoints WHERE run_id = ?", (run_id,))
    assert 1 <= step < 8
    saved = launch.folder(bench.store, run_id) / "checkpoints" / f"checkpoint-{step}"
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {file.name for file in saved.iterdir()}
    gone(bench, job_id)
    jobs.restart(bench.store, job_id)
    assert bench.wait(job_id)["state"] == "done"
    assert bench.adapter(run_id) == bench.adapter(quiet)


def reach(bench, run_id, step):
    end = time.monotonic() + 100
    while len(bench.curve(run_id)) < step:
        assert time.monotonic() < end
        time.sleep(0.01)


def workers(bench, job_id):
    """The processes that train, by rank."""
    found = ours(bench.store.workspace, job_id)
    return {int(process.environ()["RANK"]): process.pid for process in found}


def gone(bench, job_id):
    end = time.monotonic() + 10
    while workers(bench, job_id):
        assert time.monotonic() < end, "processes are left behind"
        time.sleep(0.1)
