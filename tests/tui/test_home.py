"""Home lists runs and jobs, says what to do next, and pages through any number of runs."""

from __future__ import annotations

import pytest

from engine.worker import STAGES
from tui.app import TunesmithApp
from tui.screens.help import HelpScreen
from tui.screens.run import RunScreen
from tui.screens.small import SmallScreen
from tui.widgets.table import Table
from tui.words import KINDS

SIZES = [(80, 24), (200, 60)]


@pytest.fixture
def app(workspace):
    return TunesmithApp(workspace.workspace)


@pytest.mark.parametrize("size", SIZES)
async def test_an_empty_workspace_says_what_to_do(app, shows, size):
    async with app.run_test(size=size) as pilot:
        await shows(pilot, "Nothing has been trained here yet.")
        await shows(pilot, "tunesmith demo")


@pytest.mark.parametrize("size", SIZES)
async def test_runs_appear_with_state_as_symbol_and_word(app, records, shows, size):
    records.run("first", "done", score=0.873)
    records.run("second", "failed")
    records.run("third", "running")
    async with app.run_test(size=size) as pilot:
        for text in ("✓ done", "87.3%", "✗ failed", "● running", "3 runs"):
            await shows(pilot, text)


async def test_a_run_that_begins_while_home_is_open_appears(app, records, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "Nothing has been trained")
        records.run("newcomer", "running")
        await shows(pilot, "newcomer")


async def test_jobs_at_work_show_their_progress_and_faults_their_reason(app, records, shows):
    records.job("data", "running", done=30, total=60, note="finding duplicates")
    records.job("export", "failed", error="The disk is full.")
    records.job("eval", "waiting", device="gpu0")
    async with app.run_test(size=(80, 24)) as pilot:
        for text in ("finding", "50 %", "The disk is full.", "waits for gpu0"):
            await shows(pilot, text)


@pytest.mark.parametrize("size", SIZES)
async def test_the_cursor_reaches_the_last_of_many_runs(app, records, shows, size):
    with records.store.transaction():
        for number in range(1000):
            records.run(f"run-{number}")
    async with app.run_test(size=size) as pilot:
        await shows(pilot, "run-999")
        await pilot.press("G")
        await shows(pilot, "run-0 ")
        assert app.screen.query_one(Table).key == 1
        await pilot.press("k", "k")
        assert app.screen.query_one(Table).key == 3
        await pilot.press("g")
        await shows(pilot, "run-999")
        for _ in range(40):
            await pilot.press("pagedown")
        await pilot.pause(0.6)
        table = app.screen.query_one(Table)
        assert table.key == 1000 - table.cursor
        assert table.cursor == min(999, 40 * table.page)


async def test_the_cursor_stays_with_its_run_when_a_new_one_begins(app, records, shows):
    for number in range(5):
        records.run(f"run-{number}")
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "run-4")
        await pilot.press("j", "j")
        table = app.screen.query_one(Table)
        assert table.key == 3
        records.run("newest", "running")
        await shows(pilot, "newest")
        assert table.key == 3


async def test_the_filter_finds_and_escape_shows_all(app, records, shows, screen_text):
    records.run("alpha")
    records.run("beta")
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "alpha")
        await pilot.press("slash", *"alp")
        await pilot.pause(0.8)
        assert "beta" not in screen_text(app)
        await pilot.press(*"zz")
        await shows(pilot, "No run matches")
        await pilot.press("escape")
        await shows(pilot, "beta")


async def test_letters_typed_into_the_filter_do_not_act(app, records, shows):
    records.run("quick")
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "quick")
        await pilot.press("slash", *"qnx?")
        assert app.is_running
        assert app.screen.query_one("#filter").value == "qnx?"


async def test_enter_opens_the_monitor_and_escape_comes_back(app, records, shows):
    records.run("alpha", "running")
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "alpha")
        await pilot.press("enter")
        assert isinstance(app.screen, RunScreen)
        await shows(pilot, "run 1")
        await pilot.press("escape")
        await shows(pilot, "New run")


async def test_a_double_click_opens_the_run_under_the_mouse(app, records, shows):
    for number in range(3):
        records.run(f"run-{number}")
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "run-2")
        await pilot.click(Table, offset=(10, 3), times=2)
        assert isinstance(app.screen, RunScreen)
        assert app.screen.run_id == 2


async def test_a_click_on_the_line_of_keys_presses_the_key(app, records, shows):
    records.run("alpha")
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "Help")
        line = "".join(text for text, _ in app.screen.query_one("KeyBar").paint(0))
        await pilot.click("KeyBar", offset=(line.index("Help"), 0))
        assert isinstance(app.screen, HelpScreen)


async def test_hostile_names_are_shown_literally(app, records, shows):
    records.run("[bold]x[/b] \x1b[31m\x07 模型\u202e")
    records.run("long-" * 2000)
    records.job("data", "failed", error="[/nope] \x1b]0;title\x07")
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "[bold]x[/b] ·[31m· 模型·")
        await shows(pilot, "[/nope] ·]0;title·")


async def test_the_wide_screen_shows_the_selected_run_beside_the_list(app, records, shows):
    run_id = records.run("alpha", score=0.91)
    records.points(run_id, "loss", [2.0 / (1 + at / 20) for at in range(200)])
    async with app.run_test(size=(200, 60)) as pilot:
        await shows(pilot, "91.0 % on the test rows")
        await shows(pilot, "100 rows for training")


async def test_a_terminal_too_small_shows_one_line_and_recovers(app, records, shows):
    records.run("alpha")
    async with app.run_test(size=(60, 20)) as pilot:
        await shows(pilot, "Please enlarge the terminal to 80x24.")
        await pilot.resize_terminal(80, 24)
        await shows(pilot, "alpha")
        assert not isinstance(app.screen, SmallScreen)
        await pilot.resize_terminal(79, 24)
        await shows(pilot, "Please enlarge")


@pytest.mark.parametrize("size", SIZES)
async def test_jobs_without_a_run_are_named_and_no_key_stumbles_over_them(
    app, records, shows, screen_text, size
):
    records.job("sweep", "running", done=8, total=24, note="trial 2 of 4: lora_rank=8")
    records.job("rates", "waiting", device="cpu")
    records.job("sweep", "failed", error="Two trials in a row failed: The memory ran out.")
    async with app.run_test(size=size) as pilot:
        for text in ("running sweep", "trial 2 of 4", "33 %", "waiting rates", "Two trials"):
            await shows(pilot, text)
        await pilot.press("enter", "e", "x", "y", "j", "G")
        assert app.clipboard == "tunesmith runs"
        assert app.screen is app.screen_stack[0]
        records.run("desk-sweep1-2", "running")
        await shows(pilot, "desk-sweep1-2")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, RunScreen)


def test_every_kind_of_job_has_a_name_that_fits_its_column():
    assert set(KINDS) == set(STAGES)
    assert all(len(name) < 9 for name in KINDS.values())
