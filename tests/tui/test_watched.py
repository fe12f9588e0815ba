"""What is seen while a run trains: on the monitor, on the screen of answers, in `show` and `watch`."""

from __future__ import annotations

import json

import pytest

from tests.conftest import tunesmith
from tui import words
from tui.app import TunesmithApp
from tui.follow import RunReader
from tui.monitoring import changed, now, progress
from tui.watching import _Line, events
from tui.widgets.canvas import cells
from tui.widgets.chart import LineChart

HOSTILE = "I am \x1b[31msorry[/b], [red]but \u202eI cannot\nhelp " + "very much " * 40


def text(lines):
    return "\n".join("".join(part for part, _ in line) for line in lines)


@pytest.fixture
def seen(records):
    """A run on a GPU, with everything that the store can hold about it."""
    run_id = records.run("desk-7", "running", step=420, steps=600, note="training")
    records.points(run_id, "loss", [3.0 / (1 + at / 30) for at in range(420)])
    for at, loss in zip(range(60, 421, 60), (1.1, 0.9, 0.7, 0.62, 0.68, 0.75, 0.8), strict=True):
        records.points(run_id, "validation_loss", [loss], first=at)
    for name, values in {
        "seconds_left": [750.0],
        "seconds_left_error": [40.0],
        "mfu": [0.30, 0.50],
        "gpu_utilisation": [0.90, 0.98],
        "gpu_temperature": [74.0, 71.0],
        "gpu_watts": [300.0, 312.0],
    }.items():
        records.points(run_id, name, values, first=421 - len(values))
    return run_id


@pytest.fixture
def preferred(records, seen):
    for name, value in {
        "reward_margin": 0.82,
        "reward_accuracy": 0.74,
        "validation_reward_margin": 0.7,
        "validation_reward_accuracy": 0.71,
    }.items():
        records.points(seen, name, [value], first=420)
    return seen


def change(records, run_id, step, before, after):
    row = {"run_id": run_id, "step": step, "key": "micro_batch", "before": before, "after": after}
    records.store.insert("run_changes", {**row, "why": "the memory \x1b[2J ran out", "at": 1.0})


def answer(records, run_id, row, step, said, expected='{"topic": "boiler"}'):
    asked = f"Tenant {row}: the boiler is cold."
    row = {"run_id": run_id, "row_id": f"row-{row:02}", "step": step, "asked": asked}
    records.store.insert(
        "samples", {**row, "expected": expected, "answer": said, "at": records.now + step}
    )


@pytest.fixture
def asked(records, seen):
    for row in range(6):
        for step in range(60, 421, 60):
            answer(
                records,
                seen,
                row,
                step,
                '{"topic": "boiler"}' if step > 200 else f"{step}: {HOSTILE}",
            )
    return seen


@pytest.mark.parametrize("size", [(80, 24), (160, 48), (200, 60)])
async def test_the_monitor_shows_time_with_its_error_board_and_margins(
    workspace, preferred, shows, size
):
    app = TunesmithApp(workspace.workspace, f"run:{preferred}")
    async with app.run_test(size=size) as pilot:
        for said in (
            *("12:30 left ± 0:40", "MFU           50 %", "GPU busy      98 %"),
            *("71 °C · 312 W", "0.82 · val 0.7", "74 % · val 71 %", "a Answers"),
        ):
            await shows(pilot, said)


async def test_a_run_on_a_cpu_has_no_lines_of_a_gpu(workspace, records, shows, screen_text):
    run_id = records.run("desk-1", "running")
    records.points(run_id, "seconds_left", [48.0])
    app = TunesmithApp(workspace.workspace, f"run:{run_id}")
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "0:48 left")
        shown = screen_text(app)
        assert not any(word in shown for word in ("MFU", "GPU", "margin", "energy", "±", "★"))


def test_less_important_lines_give_way_where_the_panel_is_low(records, preferred):
    run = RunReader(preferred)(records.store)
    whole, low = text(now(run, 30, 40)), text(now(run, 30, 10))
    assert "epoch" in whole
    assert "epoch" not in low
    assert len(now(run, 30, 10)) == 10
    assert all(word in low for word in ("loss", "validation", "memory", "GPU busy", "pairs right"))


async def test_what_matters_most_stays_above_the_edge_when_a_banner_takes_room(
    workspace, records, preferred, shows
):
    records.store.update("runs", preferred, {"joules": 1.0})
    change(records, preferred, 0, "8", "4")
    records.store.execute("UPDATE jobs SET state = 'failed', error = 'Lost.', fix = 'Resume.'")
    app = TunesmithApp(workspace.workspace, f"run:{preferred}")
    async with app.run_test(size=(80, 24)) as pilot:
        for said in ("Lost.", "GPU busy", "pairs right"):
            await shows(pilot, said)


async def test_the_best_checkpoint_is_a_star_on_the_curve(workspace, records, seen, shows):
    records.store.update("runs", seen, {"best_step": 240})
    app = TunesmithApp(workspace.workspace, f"run:{seen}")
    async with app.run_test(size=(80, 24)) as pilot:
        for said in ("★ best kept: 240", "★ best", "0.620 at 240 ★"):
            await shows(pilot, said)
        chart = app.screen.query_one("#loss", LineChart)
        plot = [chart.paint(y) for y in range(1, chart.size.height)]
        assert text(plot).count("★") == 1
        assert text(plot).count("◆") == 6


def test_measured_energy_stands_beside_the_planned(records, seen):
    run = RunReader(seen)(records.store)
    assert "energy" not in text(now(run, 30, 40))
    records.store.update("runs", seen, {"joules": 123_456.0})
    records.store.execute("UPDATE plans SET predicted_joules = 90000")
    run = RunReader(seen)(records.store)
    assert "energy, Wh    34.3 · plan 25.0" in text(now(run, 30, 40))


@pytest.mark.parametrize("width", [80, 160])
def test_the_last_changed_setting_is_one_line(records, seen, width):
    assert changed(RunReader(seen)(records.store), width) == []
    change(records, seen, 0, "8", "4")
    change(records, seen, 12, "4", "2")
    (line,) = changed(RunReader(seen)(records.store), width)
    assert cells(line) <= width
    said = text([line])
    assert "micro_batch 4 → 2 at step 12: the memory ·[2J ran out" in said
    assert f"+1: tunesmith show {seen}" in said


async def test_a_changed_setting_shows_on_the_monitor(workspace, records, seen, shows):
    app = TunesmithApp(workspace.workspace, f"run:{seen}")
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "12:30 left")
        change(records, seen, 0, "8", "4")
        await shows(pilot, "! micro_batch 8 → 4 at step 0")


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_answers_are_read_row_by_row_newest_first_and_literally(
    workspace, asked, shows, screen_text, size
):
    app = TunesmithApp(workspace.workspace, f"run:{asked}")
    async with app.run_test(size=size) as pilot:
        await shows(pilot, "a Answers")
        await pilot.press("a")
        await shows(pilot, "desk-7  run 1 › answers")
        await shows(pilot, "asked     Tenant 0: the boiler is cold.")
        await pilot.press("j")
        for said in (
            *("asked     Tenant 1: the boiler is cold.", 'expected  {"topic": "boiler"}'),
            *(
                "steps 240 to 420 ✓ same",
                "step 180",
                "180: I am ·[31msorry[/b], [red]but ·I cannot",
            ),
        ):
            await shows(pilot, said)
        shown = screen_text(app)
        assert shown.index("steps 240 to 420") < shown.index("step 180")
        for _ in range(20):
            if "step 60" in screen_text(app):
                break
            await pilot.press("space")
            await pilot.pause(0.05)
        await shows(pilot, "step 60 ")
        await pilot.press("escape")
        await shows(pilot, "12:30 left")


async def test_answers_that_come_while_it_is_open_appear(workspace, records, seen, shows):
    app = TunesmithApp(workspace.workspace, f"answers:{seen}")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await shows(pilot, "The first answers come with the first validation")
        answer(records, seen, 3, 60, "no idea")
        await shows(pilot, "Tenant 3: the boiler is cold.")
        await shows(pilot, "differs")
        answer(records, seen, 3, 120, '{"topic": "boiler"}')
        await shows(pilot, "step 120 ✓ same")
        await pilot.press("y")
        await shows(pilot, f"tunesmith show {seen} --answers")


async def test_a_run_that_asked_nothing_says_where_answers_are(workspace, records, shows):
    run_id = records.run("desk-1", "done")
    app = TunesmithApp(workspace.workspace, f"answers:{run_id}")
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, f"tunesmith eval {run_id}")


def test_show_says_energy_board_best_changes_and_answers(records, asked, preferred):
    records.store.update("runs", asked, {"best_step": 240, "joules": 123_456.0})
    change(records, asked, 12, "8", "4")
    where = ("--workspace", str(records.store.workspace), "show", str(asked))
    said = tunesmith(*where)
    for line in (
        "energy 34.3 Wh measured, 0.0 Wh planned",
        "on average 40 % of the device's peak (MFU), GPU busy 94 %, 306 W; 74 °C at most",
        "kept as the best: the checkpoint of step 240",
        "training pairs: 74 % in the right order, margin 0.82",
        "validation pairs: 71 % in the right order, margin 0.7",
        "! changed at step 12: micro_batch 8 → 4, the memory \\x1b[2J ran out",
        f"6 validation rows answered as it trained: `tunesmith show {asked} --answers`",
    ):
        assert line in said
    found = json.loads(tunesmith(*where, "--json"))
    assert found["measured"]["joules"] == 123_456.0
    assert found["best_step"] == 240
    assert found["changes"][0]["after"] == "4"
    answers = found["answers"][0]["answers"]
    assert [(answer["step"], answer["last"]) for answer in answers] == [
        *((240, 420), (180, 180), (120, 120), (60, 60)),
    ]
    assert answers[1]["text"] == f"180: {HOSTILE}"


def test_show_answers_prints_each_row_and_nothing_raw(records, asked):
    where = ("--workspace", str(records.store.workspace), "show", str(asked), "--answers")
    said = tunesmith(*where)
    assert "row row-05" in said
    assert "    240–420       {" in said
    assert "\x1b" not in said
    assert "\u202e" not in said
    bare = records.run("desk-2", "done")
    assert f"tunesmith eval {bare}" in tunesmith(*where[:3], str(bare), "--answers")


def test_a_run_with_nothing_new_shows_nothing_new(records):
    run_id = records.run("desk-1", "done")
    said = tunesmith("--workspace", str(records.store.workspace), "show", str(run_id))
    assert not any(word in said for word in ("energy", "MFU", "best:", "pairs", "changed", "rows"))


def test_watch_tells_the_time_that_is_left_with_its_error(records, seen, capsys):
    records.store.execute("UPDATE jobs SET state = 'done', done = 420, total = 600")
    data = next(e.data for e in events(records.store, 1) if e.kind == "progress")
    assert (data["seconds_left"], data["seconds_left_error"]) == (750.0, 40.0)
    _Line(enabled=True).progress(data)
    assert "420/600, 12:30 left ± 0:40" in capsys.readouterr().out
    records.store.execute("UPDATE jobs SET note = 'loading the model'")
    data = next(e.data for e in events(records.store, 1) if e.kind == "progress")
    assert "seconds_left" not in data  # of the session before


@pytest.mark.parametrize(
    ("seconds", "error", "said"),
    [
        (750, 40, "12:30 left ± 0:40"),
        (0, None, "0:00 left"),
        (7805, 3700, "2:10:05 left ± 1:01:40"),
        (100_000, None, "27:46:40 left"),
    ],
)
def test_the_time_left_reads_as_a_clock(seconds, error, said):
    assert words.left(seconds, error) == said


@pytest.mark.parametrize("width", [80, 160])
def test_a_long_run_far_from_its_end_fits_the_line(records, seen, width):
    row = {"step": 1_200_000, "steps": 6_000_000}
    records.store.update("runs", seen, row)
    records.points(seen, "seconds_left", [360_000.0], first=421)
    records.points(seen, "seconds_left_error", [36_000.0], first=421)
    assert cells(progress(RunReader(seen)(records.store), width)) <= width
