"""The wizard goes from a file of examples to a running training by keyboard alone."""

from __future__ import annotations

import fcntl
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input

from engine.base import jobs, paths, project
from engine.base.hardware import machine
from engine.plan import plan as plans
from engine.plan.recipe import Value
from tui import drafts, prompts
from tui.app import TunesmithApp
from tui.screens.run import RunScreen
from tui.screens.wizard import WizardScreen, pages
from tui.screens.wizard.journey import Look
from tui.screens.wizard.rail import ORDER
from tui.widgets.form import Form
from tui.widgets.intervals import axis, interval

SIZES = [(80, 24), (200, 60)]


@pytest.fixture
def folder(tmp_path):
    """A new folder with the demo's example files."""
    folder = tmp_path / "desk"
    folder.mkdir()
    for file in (paths.recipes() / "demo").glob("*.jsonl"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def app(workspace):
    return TunesmithApp(workspace.workspace)


@pytest.fixture
def busy_device(monkeypatch, tmp_path):
    """A device that is taken (a lock of this test's own): submitted jobs wait, compute nothing."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with machine.device_lock(machine.read().device).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


async def open_wizard(pilot, folder):
    pilot.app.push_screen(WizardScreen(folder))
    await until(pilot, lambda: bool(pilot.app.screen.query(Form)) and screen(pilot).asker.last.turn)


async def until(pilot, true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        await pilot.pause(0.02)


async def at_step(pilot, name):
    """Wait until a step is open and checked."""
    wizard = screen(pilot)
    await until(pilot, lambda: wizard.step == name and wizard.asker.settled)
    await pilot.pause(0.1)


async def go_to(pilot, name):
    """Press ^n until a step is open."""
    while screen(pilot).step != name:
        after = ORDER[ORDER.index(screen(pilot).step) + 1]
        await pilot.press("ctrl+n")
        await at_step(pilot, after)


def screen(pilot) -> WizardScreen:
    return pilot.app.screen


def control(pilot, key):
    return screen(pilot).query_one(f"#field-{key}").control


@pytest.mark.parametrize("size", SIZES)
async def test_everything_is_proposed_from_the_files_in_the_folder(app, folder, shows, size):
    async with app.run_test(size=size) as pilot:
        await open_wizard(pilot, folder)
        for text in ("messages.jsonl", "(●) extraction", "(●) json", "✓"):
            await shows(pilot, text)
        await go_to(pilot, "data")
        await shows(pilot, "60 golden rows.")
        await go_to(pilot, "model")
        await shows(pilot, "Licence Apache-2.0: Use it for anything")


async def test_enter_alone_leads_through_every_field_to_the_dataset(app, folder, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        await open_wizard(pilot, folder)
        for _ in range(40):
            if screen(pilot).step == "review":
                break
            await pilot.press("enter")
            await until(pilot, lambda: screen(pilot).asker.settled)
            await pilot.pause(0.05)
        await at_step(pilot, "review")
        await pilot.press("enter")
        await shows(pilot, "Data gate: warn", 40)
        await shows(pilot, "near duplicate")
        assert project.load(folder).objective.fields == ("intent", "order", "urgent")


async def test_screen_and_answers_file_write_the_same_bytes(app, folder, tmp_path):
    async with app.run_test(size=(80, 24)) as pilot:
        await open_wizard(pilot, folder)
        control(pilot, "name").value = "tickets"
        await pilot.press("enter")
        await go_to(pilot, "data")
        await pilot.press("tab", "tab", "right", "right")
        await go_to(pilot, "review")
        await pilot.press("enter")
        await at_step(pilot, "check")
    by_screen = (folder / "project.yaml").read_bytes()
    (folder / "project.yaml").unlink()
    answers = tmp_path / "answers.yaml"
    answers.write_text("name: tickets\npii: drop\n", encoding="utf-8")
    assert prompts.init(folder, answers).read_bytes() == by_screen


async def test_a_wrong_answer_keeps_its_step_and_says_the_way_out(app, folder, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        await open_wizard(pilot, folder)
        control(pilot, "sources").focus()
        control(pilot, "sources").value = "[bold]nothing[/bold].jsonl"
        await pilot.press("ctrl+n")
        await shows(pilot, "✗ There is no file")
        await shows(pilot, "[bold]nothing[/bold].jsonl")
        await pilot.pause(0.2)
        assert screen(pilot).step == "objective"
        assert app.focused is control(pilot, "sources")


async def test_a_field_that_was_left_survives_the_death_of_the_interface(workspace, folder, shows):
    first = TunesmithApp(workspace.workspace)
    async with first.run_test(size=(80, 24)) as pilot:
        await open_wizard(pilot, folder)
        control(pilot, "name").value = "kept"
        await pilot.press("tab")
        await until(pilot, lambda: drafts.load(workspace.workspace, folder).given)
    second = TunesmithApp(workspace.workspace)
    async with second.run_test(size=(80, 24)) as pilot:
        await open_wizard(pilot, folder)
        await until(pilot, lambda: control(pilot, "name").value == "kept")


async def test_the_wizard_opens_again_at_the_live_step_where_it_was(workspace, folder, shows):
    first = TunesmithApp(workspace.workspace)
    async with first.run_test(size=(80, 24)) as pilot:
        await open_wizard(pilot, folder)
        await go_to(pilot, "review")
        await pilot.press("enter")
        await at_step(pilot, "check")
    second = TunesmithApp(workspace.workspace)
    async with second.run_test(size=(80, 24)) as pilot:
        second.push_screen(WizardScreen(folder))
        await shows(pilot, "rows kept", 40)
        await pilot.press("d")
        await shows(pilot, "decided")
        await pilot.press("escape")
        await shows(pilot, "rows kept")
        await pilot.press("ctrl+n")
        await shows(pilot, "The untuned base model answers")
        await pilot.press("ctrl+n")
        await shows(pilot, "Fit gate")


async def test_a_failed_data_gate_is_accepted_with_a_reason_that_is_recorded(
    app, folder, workspace, shows
):
    rows = (folder / "messages.jsonl").read_text(encoding="utf-8").splitlines()[:14]
    (folder / "messages.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (folder / "golden.jsonl").unlink()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_wizard(pilot, folder)
        await go_to(pilot, "review")
        await pilot.press("enter")
        await shows(pilot, "✗ Data gate: fail", 40)
        await pilot.press("a")
        await shows(pilot, "Why go on although the gate says no?")
        await pilot.press(*"only a try", "enter")
        await shows(pilot, "accepted", 40)
    accepted = "SELECT accepted FROM gates WHERE accepted IS NOT NULL"
    assert workspace.scalar(accepted) == "only a try"


async def test_the_keyboard_leads_to_a_submitted_training(
    app, folder, workspace, shows, busy_device
):
    async with app.run_test(size=(80, 24)) as pilot:
        await open_wizard(pilot, folder)
        await go_to(pilot, "review")
        await pilot.press("enter")
        await shows(pilot, "rows kept", 40)
        await pilot.press("enter")
        await at_step(pilot, "advice")
        await pilot.press("enter")
        await shows(pilot, "waiting", 20)
        await pilot.press("s")
        await shows(pilot, "■ stopped", 20)
        await pilot.press("ctrl+n")
        await shows(pilot, "steps the worst batch for real")
        await pilot.press("x")
        await shows(pilot, "The folder for the plan and its script")
        await pilot.press("enter")
        await until(pilot, (folder / "plan" / "train.py").is_file)
        await pilot.press("m")
        await shows(pilot, "waiting", 20)
        await pilot.press("s")
        await until(pilot, lambda: screen(pilot).look.at_work("plan") is None)
        await pilot.press("ctrl+n")
        await shows(pilot, "starts the training")
        await pilot.press("enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        runs = workspace.rows("SELECT * FROM runs")
        assert len(runs) == 1
        job = jobs.get(workspace, runs[0]["job_id"])
        assert '"then": ["eval", "export"]' in job["args"]
        jobs.request(workspace, job["id"], "stop")
        await until(pilot, lambda: jobs.get(workspace, job["id"])["state"] == "stopped")
    assert not list((workspace.workspace / "drafts").iterdir())


def test_the_plan_shows_what_the_fit_gate_tried_and_measured(records):
    loaded = plans.load(records.store, records.plan_id)
    plan = replace(loaded, values={"tokens_per_second": Value(400.0, "Measured.")})
    attempts = (
        {"change": "", "result": "out of memory", "peak_bytes": 9e9},
        {"change": "micro_batch=1", "result": "fits", "peak_bytes": 4.1e9},
    )
    tried = tuple({**row, "predicted_peak_bytes": 8.2e9, "limit_bytes": 8e9} for row in attempts)
    drawn = pages.plan(Look(plan=plan, attempts=tried), Path("/p"), 80)
    text = ["".join(part for part, _ in line) for line in drawn]
    assert any("as planned" in line and "> 9.0 GB  out of memory" in line for line in text)
    assert any("micro_batch=1" in line and "4.1 GB  fits" in line for line in text)
    assert not any("steps the worst batch" in line for line in text)


async def test_another_folder_has_a_draft_of_its_own(app, folder, tmp_path, shows):
    other = tmp_path / "other"
    async with app.run_test(size=(80, 24)) as pilot:
        await open_wizard(pilot, folder)
        await pilot.press("ctrl+o")
        await shows(pilot, "The project's folder")
        app.screen.query_one(Input).value = str(other)
        await pilot.press("enter")
        await until(pilot, lambda: screen(pilot).folder == other)
        await shows(pilot, "✗ Name a file of examples")


@pytest.mark.parametrize("size", SIZES)
async def test_no_field_of_any_step_is_cut_off(app, folder, size):
    async with app.run_test(size=size) as pilot:
        await open_wizard(pilot, folder)
        for name in ORDER[:5]:
            await at_step(pilot, name)
            form = screen(pilot).query_one(Form)
            for field in form.fields:
                assert field.control.region.width > 8
                assert field.region.right <= form.region.right
            await pilot.press("ctrl+n")


async def test_any_size_and_any_key_leaves_the_wizard_alive(app, folder):
    async with app.run_test(size=(80, 24)) as pilot:
        await open_wizard(pilot, folder)
        for at in range(5):
            await pilot.resize_terminal(30 + at * 40, 8 + at * 12)
            await pilot.press("down", "up", "space", "tab", "]", "ctrl+b", "right", "f3")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: screen(pilot).asker.settled)
        assert isinstance(app.screen, WizardScreen)


@pytest.mark.parametrize("width", [1, 12, 40, 100])
@pytest.mark.parametrize("share", [(0, 0, 0), (0.5, 0.4, 0.6), (1, 0.98, 1), (0.7, 0, 1)])
def test_an_interval_fills_exactly_its_scale(width, share):
    drawn = "".join(text for text, _ in interval(*share, width, mark=0.8))
    assert len(drawn) == width
    assert drawn.count("●") == 1
    if width >= 12:
        assert len("".join(text for text, _ in axis(width, 0.8))) == width
