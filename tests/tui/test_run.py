"""The monitor shows a run whole, follows it live, survives anything, and steers its job."""

from __future__ import annotations

import random

import pytest

from tui.app import TunesmithApp
from tui.follow import RunReader
from tui.screens.confirm import Confirm
from tui.widgets.chart import LineChart
from tui.widgets.log import LogTail

SIZES = [(80, 24), (200, 60)]


@pytest.fixture
def running(records):
    run_id = records.run("desk-7", "running", step=120, steps=600)
    records.points(run_id, "loss", [3.0 / (1 + at / 30) for at in range(120)])
    records.points(run_id, "validation_loss", [1.1, 0.9], first=60)
    records.points(run_id, "learning_rate", [2e-4] * 120)
    records.points(run_id, "tokens_per_second", [912.0] * 120)
    records.points(run_id, "memory_bytes", [1.2e9] * 120)
    records.points(run_id, "seconds_left", [90.0], first=120)
    records.log(run_id, "step 120  loss 0.6")
    return run_id


@pytest.fixture
def open_run(workspace):
    def app(run_id):
        return TunesmithApp(workspace.workspace, f"run:{run_id}")

    return app


@pytest.mark.parametrize("size", SIZES)
async def test_it_shows_curve_figures_progress_and_log(open_run, running, shows, size):
    app = open_run(running)
    async with app.run_test(size=size) as pilot:
        for text in (
            *("desk-7", "● running", "120 of 600 steps", "20 %", "1:30 left"),
            *("2.00e-4", "912", "1.2 GB", "validation", "step 120  loss 0.6"),
        ):
            await shows(pilot, text)


def test_opening_reads_every_point_and_then_only_new_ones(records, running):
    reader = RunReader(running, columns=400)
    seen = reader(records.store).series["loss"]
    assert [band.step for band in seen] == list(range(1, 121))
    records.points(running, "loss", [0.5, 0.4], first=121)
    reader._seen = ()
    seen = reader(records.store).series["loss"]
    assert [band.step for band in seen] == list(range(1, 123))
    assert seen[-1].mean == 0.4


def test_a_long_history_is_thinned_out_without_losing_its_spike(records, running):
    values = [0.4] * 20_000
    values[12_345] = 7.5
    records.points(running, "loss", values)
    seen = RunReader(running, columns=50)(records.store).series["loss"]
    assert len(seen) <= 101
    assert max(band.high for band in seen) == 7.5


@pytest.mark.parametrize("new_worker_first", [True, False])
def test_a_resumed_run_is_read_anew(records, running, new_worker_first):
    reader = RunReader(running, columns=400)
    assert len(reader(records.store).series["loss"]) == 120
    if new_worker_first:
        records.store.execute("UPDATE jobs SET started = started + 60")
        reader._seen = ()
        assert len(reader(records.store).series["loss"]) == 120
    records.store.execute("DELETE FROM points WHERE step > 100")
    reader._seen = ()
    assert len(reader(records.store).series["loss"]) == 100
    records.points(running, "loss", [0.1] * 5, first=101)
    reader._seen = ()
    seen = reader(records.store).series["loss"]
    assert [band.step for band in seen] == list(range(1, 106))
    assert seen[-1].mean == 0.1


async def test_points_written_while_it_is_open_appear(open_run, records, running, shows):
    app = open_run(running)
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "120 of 600")
        records.points(running, "loss", [0.123], first=121)
        records.store.update("runs", running, {"step": 121})
        records.log(running, "saved checkpoint-121")
        for text in ("121 of 600", "0.123", "saved checkpoint-121"):
            await shows(pilot, text)


async def test_an_empty_run_says_what_it_waits_for(open_run, records, shows):
    run_id = records.run("desk-8", "waiting", step=0, steps=600, device="gpu0")
    app = open_run(run_id)
    async with app.run_test(size=(80, 24)) as pilot:
        for text in ("○ waiting", "No points yet", "Waits for gpu0.", "The log is empty"):
            await shows(pilot, text)


@pytest.mark.parametrize(
    ("state", "text"), [("failed", "✗ failed"), ("stopped", "■ stopped"), ("lost", "? lost")]
)
async def test_a_run_that_ended_early_says_why_and_offers_to_resume(
    open_run, records, shows, state, text
):
    why = {"error": "The memory ran out.", "fix": "Lower the micro-batch."}
    run_id = records.run("desk-9", state, step=5, **(why if state != "stopped" else {}))
    app = open_run(run_id)
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, text)
        await shows(pilot, "Resume")
        if state != "stopped":
            await shows(pilot, "The memory ran out.")
            await shows(pilot, "Lower the micro-batch.")


async def test_a_worker_that_dies_is_shown_as_lost(open_run, records, shows):
    run_id = records.run("desk-9", "running", alive=False)
    app = open_run(run_id)
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "? lost", seconds=10)
        await shows(pilot, f"tunesmith resume {run_id}")


async def test_stopping_asks_first_and_only_yes_stops(open_run, records, running, shows):
    app = open_run(running)

    def request():
        return records.store.scalar("SELECT request FROM jobs")

    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "s Stop")
        await pilot.press("s")
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        await pilot.pause()
        assert request() is None
        await pilot.press("s")
        await pilot.press("y")
        await shows(pilot, "Stops at the next step.")
        assert request() == "stop"


async def test_a_checkpoint_is_asked_for_at_once(open_run, records, running, shows):
    app = open_run(running)
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "c Checkpoint")
        await pilot.press("c")
        await shows(pilot, "Saves a checkpoint at the next step.")
        assert records.store.scalar("SELECT request FROM jobs") == "checkpoint"


async def test_resuming_starts_a_worker(open_run, records, running, shows, monkeypatch):
    started = []
    monkeypatch.setattr("engine.base.jobs.start", lambda store, job_id: started.append(job_id))
    records.store.execute("UPDATE jobs SET state = 'stopped'")
    app = open_run(running)
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "r Resume")
        await pilot.press("r")
        await shows(pilot, "○ queued")
    assert started == [records.store.scalar("SELECT job_id FROM runs")]


async def test_the_evaluation_after_the_training_is_followed(open_run, records, shows):
    run_id = records.run("desk-3", "done")
    records.job("eval", "running", run_id=run_id, done=5, total=20, note="answering, tuned")
    app = open_run(run_id)
    async with app.run_test(size=(80, 24)) as pilot:
        for text in ("✓ done", "● running evaluation", "answering, tuned", "e Results"):
            await shows(pilot, text)


async def test_the_command_that_does_the_same_is_copied(open_run, running, shows):
    app = open_run(running)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await shows(pilot, "s Stop")
        await pilot.press("y")
        await shows(pilot, "tunesmith watch 1")
        assert app.clipboard == "tunesmith watch 1"


async def test_the_log_is_read_upwards_and_keeps_its_place(open_run, records, running, shows):
    for number in range(50):
        records.log(running, f"line {number:02d}")
    app = open_run(running)
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "line 49")
        for _ in range(20):
            await pilot.press("k")
        await shows(pilot, "line 29")
        records.now += 1
        records.log(running, "line 50")
        await pilot.pause(0.8)
        await shows(pilot, "line 29")
        assert app.screen.query_one(LogTail).back == 21


async def test_a_loss_that_is_not_a_number_is_said(open_run, records, running, shows):
    records.points(running, "loss", [None], first=121)
    app = open_run(running)
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "not a number")


async def test_a_run_that_does_not_exist_is_said(open_run, records, shows):
    async with open_run(99).run_test(size=(80, 24), notifications=True) as pilot:
        await shows(pilot, "There is no run 99.")


async def test_hostile_logs_and_names_are_shown_literally(open_run, records, shows):
    run_id = records.run("[b]\x1b[2J", "failed", error="[/x] \x1b[31m", fix="模型 \x07")
    records.log(run_id, "[red]no[/red] \x1b]0;x\x07 " + "y" * 10_000, "error")
    app = open_run(run_id)
    async with app.run_test(size=(80, 24)) as pilot:
        for text in ("[b]·[2J", "[/x] ·[31m", "模型 ·", "[red]no[/red] ·]0;x·"):
            await shows(pilot, text)


async def test_a_storm_of_resizes_breaks_nothing(open_run, running, shows):
    rng = random.Random(7)
    app = open_run(running)
    async with app.run_test(size=(80, 24)) as pilot:
        for _ in range(50):
            await pilot.resize_terminal(rng.randint(1, 220), rng.randint(1, 70))
        await pilot.resize_terminal(100, 30)
        await shows(pilot, "120 of 600 steps")
        assert app.screen.query_one("#loss", LineChart).size.width > 40
