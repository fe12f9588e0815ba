"""What a run tells while it trains, and what it survives: time left, answers, best, memory, disk."""

from __future__ import annotations

import math
import random
import threading
import time

import pytest

from engine.base import jobs
from engine.plan import plan as plans
from engine.run import checkpoints, launch, metrics, relief
from engine.run.best import Best
from engine.run.forecast import Forecast

# of a job that this very process works on: what is open at the end of the tests gets killed
ENDED = {"state": "stopped", "pid": None}


def test_the_time_left_is_the_work_left_times_the_speed_so_far():
    work = [100.0, 300.0, 100.0, 500.0, 200.0, 400.0]
    forecast = Forecast(work, validations=(2, 4, 6), saves=(3, 6), validation_work=300)
    assert math.isnan(forecast.left(0).seconds)
    for step, tokens in enumerate(work[:4], start=1):
        forecast.stepped(step, tokens / 100)
    forecast.validated(1.5)
    forecast.saved(0.5)
    left = forecast.left(4)
    assert left.seconds == pytest.approx((200 + 400) / 100 + 1.5 + 0.5)
    assert left.error == pytest.approx(0.02 * 6)  # the steps agree to the last digit
    assert forecast.left(6).seconds == 0


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_the_interval_of_the_time_left_holds_nine_times_in_ten(noise):
    chance, held, rounds = random.Random(3), 0, 300
    for _ in range(rounds):
        work = [chance.uniform(50, 500) for _ in range(200)]
        took = [tokens / 100 * max(0.05, chance.gauss(1, noise)) for tokens in work]
        forecast = Forecast(work)
        for step in range(20):
            forecast.stepped(step + 1, took[step])
        left = forecast.left(20)
        held += abs(left.seconds - sum(took[20:])) <= left.error
    assert held / rounds > 0.85


def test_the_best_validation_is_the_lowest_and_waiting_is_counted_since():
    best = Best([(2, 1.0), (4, 0.8)])
    assert (best.step, best.waited) == (4, 0)
    assert not best.take(6, 0.8)
    assert not best.take(8, 0.9)
    assert (best.step, best.waited) == (4, 2)
    assert best.take(10, 0.7)
    assert (best.step, best.waited) == (10, 0)


def test_the_best_checkpoint_outlives_newer_ones(workspace, tmp_path):
    for step in (2, 4, 6, 8):
        (tmp_path / f"checkpoint-{step}").mkdir()
    checkpoints.prune(workspace, 1, tmp_path, keep=2, best=2)
    assert [folder.name for folder in checkpoints.folders(tmp_path)] == [
        "checkpoint-8", "checkpoint-6", "checkpoint-2"
    ]  # fmt: skip


@pytest.mark.parametrize("budget", [1024, 0])
def test_relief_goes_from_smaller_pieces_to_recomputed_layers_and_ends(bench, budget):
    settings = {"micro_batch": 8, "micro_tokens": budget}
    plan = plans.propose(bench.store, bench.project, bench.dataset_id, settings)
    longest, seen = plan["longest"], []
    while change := relief.lighter(plan):
        seen += change
        plan = relief.changed(plan, change, {})
        assert plan["micro_batch"] * plan["accumulation"] == 8
    assert seen[-1] == "gradient_checkpointing"
    assert set(seen[:-1]) == {"micro_tokens"}
    assert plan["micro_tokens"] == longest
    assert len(seen) == 4  # a half, a quarter, one row, recomputed


def started(bench, **settings):
    return bench.start(**settings)


def finished(bench, job_id):
    job = bench.wait(job_id)
    assert job["state"] == "done", (job["error"], job["fix"])
    return job


def test_a_run_shows_answers_and_the_time_left_and_takes_the_best_checkpoint(bench):
    # so high a rate that the loss rises again
    run_id, job_id = started(bench, learning_rate=0.05, warmup=0.0, validate_every=3, max_steps=6)
    finished(bench, job_id)
    run = bench.store.row("SELECT * FROM runs WHERE id = ?", (run_id,))
    validated = metrics.tail(bench.store, run_id, "validation_loss", 0)
    lowest = min(validated, key=lambda point: point.value)
    assert run["best_step"] == (None if lowest is validated[-1] else lowest.step)
    samples = bench.store.rows("SELECT * FROM samples WHERE run_id = ? ORDER BY step", (run_id,))
    assert [row["step"] for row in samples] == [point.step for point in validated]
    assert all(row["asked"] and row["expected"] for row in samples)
    left = metrics.tail(bench.store, run_id, "seconds_left", 0)
    assert left[-1].value == pytest.approx(0, abs=5)
    assert metrics.tail(bench.store, run_id, "seconds_left_error", 0)


@pytest.mark.slow
def test_a_run_whose_validation_loss_does_not_fall_ends_early(bench):
    run_id, job_id = started(
        bench, learning_rate=0.05, warmup=0.0, validate_every=1, max_steps=30, early_stopping=2, samples=0
    )  # fmt: skip
    finished(bench, job_id)
    run = bench.store.row("SELECT * FROM runs WHERE id = ?", (run_id,))
    assert run["step"] == run["steps"] < 30
    assert run["best_step"] == run["step"] - 2


def test_a_full_disk_is_waited_for_and_the_run_goes_on(bench, monkeypatch):
    from engine.base.hardware import disk
    from engine.base.work import Work
    from engine.run.checkpoints import DiskFull, Totals
    from engine.run.metrics import Recorder
    from engine.run.views import Views
    from engine.run.watcher import Watcher

    job_id = jobs.enqueue(bench.store, "train", bench.folder, {"run_id": 1})
    work = Work(bench.store, job_id)
    watcher = Watcher(
        work, 1, bench.folder, Recorder(bench.store, 1), Totals(), Views(Forecast(()))
    )
    room = [0]
    monkeypatch.setattr(disk, "free", lambda _folder: room[0])
    full = DiskFull("The disk is full.", "Free some space.", "here")
    waiting = threading.Thread(target=watcher.wait_for_room, args=(full,))
    waiting.start()
    time.sleep(0.3)
    waits = bench.store.scalar("SELECT waits_for FROM jobs WHERE id = ?", (job_id,))
    assert waits.startswith("room on the disk: ")
    room[0] = 10**12
    waiting.join(10)
    assert not waiting.is_alive()
    assert bench.store.scalar("SELECT waits_for FROM jobs WHERE id = ?", (job_id,)) is None
    room[0] = 0
    bench.store.update("jobs", job_id, {"request": "stop"})
    with pytest.raises(DiskFull):
        watcher.wait_for_room(full)
    bench.store.update("jobs", job_id, ENDED)


def test_memory_that_ends_makes_the_pieces_smaller_and_the_run_goes_on(bench, monkeypatch):
    """The lack of memory is raised by hand; benchmarks/faults.py takes memory away for real."""
    from engine.base.work import Afresh, Work
    from engine.run import train, trainer

    plan = plans.save(
        bench.store,
        bench.project_id,
        plans.propose(
            bench.store, bench.project, bench.dataset_id, {"micro_batch": 8, "max_steps": 2}
        ),
    )
    monkeypatch.setattr(jobs, "start", lambda *_: None)
    run_id, job_id = launch.submit(bench.store, bench.folder, bench.project_id, bench.project, plan)
    build, seen = trainer.build, []

    def scarce(made, *others):
        seen.append(made["micro_tokens"])
        if len(seen) == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return build(made, *others)

    monkeypatch.setattr(trainer, "build", scarce)
    with pytest.raises(Afresh):
        train.train(Work(bench.store, job_id))
    train.train(Work(bench.store, job_id))
    bench.store.update("jobs", job_id, ENDED)
    assert seen[1] < seen[0]
    (change,) = bench.store.rows("SELECT * FROM run_changes WHERE run_id = ?", (run_id,))
    assert (change["key"], int(change["after"])) == ("micro_tokens", seen[1])
    assert bench.store.scalar("SELECT step FROM runs WHERE id = ?", (run_id,)) == 2
    warned = bench.store.scalar(
        "SELECT text FROM job_log WHERE job_id = ? AND level = 'warning'", (job_id,)
    )
    assert "--set micro_tokens=" in warned
