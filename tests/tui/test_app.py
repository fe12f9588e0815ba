"""The app as a whole: help from the table of keys, themes, and screens opened by name."""

from __future__ import annotations

import random

import pytest

from tui import keys, terminal
from tui.app import _THEMES, TunesmithApp
from tui.screens.help import HelpScreen
from tui.screens.run import RunScreen


@pytest.fixture
def app(workspace):
    return TunesmithApp(workspace.workspace)


async def test_the_help_lists_every_key_of_the_screen(app, screen_text):
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        text = screen_text(app)
        for key in (*keys.KEYS["home"], *keys.APP):
            assert key.help in text
        assert "lost: its process died" in text
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)


async def test_every_key_in_the_line_of_keys_is_whole_at_the_smallest_size(app, records, shows):
    records.run("alpha", "running")
    async with app.run_test(size=terminal.SMALLEST) as pilot:
        await shows(pilot, "alpha")
        shown = [active.binding for active in app.screen.active_bindings.values() if active.enabled]
        assert len(shown) > 8
        for binding in shown:
            if binding.show:
                await shows(pilot, binding.description)


@pytest.mark.parametrize("theme", [terminal.DARK, terminal.LIGHT, terminal.ANSI, "dracula"])
async def test_every_theme_draws_every_tone(app, records, shows, theme):
    run_id = records.run("alpha", "running")
    records.points(run_id, "loss", [1.0, 0.5])
    async with app.run_test(size=(80, 24)) as pilot:
        app.theme = theme
        await shows(pilot, "● running")
        await pilot.press("enter")
        await shows(pilot, "average")


@pytest.mark.parametrize("theme", _THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("ground", ["background", "surface"])
@pytest.mark.parametrize(
    "text", ["foreground", "quiet", "primary", "success", "warning", "error", "accent"]
)
def test_text_is_readable_on_its_ground(theme, ground, text):
    def luminance(name):
        value = (getattr(theme, name, None) or theme.variables[name]).lstrip("#")
        parts = [int(value[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(ground), luminance(text)))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


async def test_a_screen_is_opened_by_name_above_home(workspace, records, shows):
    run_id = records.run("alpha", "running")
    app = TunesmithApp(workspace.workspace, f"run:{run_id}")
    async with app.run_test(size=(80, 24)) as pilot:
        assert isinstance(app.screen, RunScreen)
        await shows(pilot, "alpha")
        await pilot.press("escape")
        await shows(pilot, "New run")


async def test_q_leaves_and_the_job_goes_on(app, records, shows):
    records.run("alpha", "running")
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "alpha")
        assert app.return_code is None
        await pilot.press("q")
        assert app.return_code == 0
    assert records.store.scalar("SELECT state FROM jobs") == "running"
    assert records.store.scalar("SELECT request FROM jobs") is None


async def test_an_error_is_shown_with_its_way_out(app, shows):
    from engine.base.errors import TunesmithError

    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.complain(TunesmithError("The [disk] is full.", "Free some space."))
        await shows(pilot, "The [disk] is full.")
        await shows(pilot, "Free some space.")


async def test_random_keys_break_nothing(app, records, monkeypatch):
    monkeypatch.setattr("engine.base.jobs.start", lambda store, job_id: None)
    run_id = records.run("alpha", "running")
    records.points(run_id, "loss", [1.0, 0.5, 0.25])
    rng = random.Random(11)
    pressed = ["j", "k", "enter", "escape", "slash", "a", "question_mark", "y", "g", "G", "tab"]
    pressed += ["l", "s", "c", "r", "pagedown", "up", "down", "home", "end", "backspace", "f1"]
    async with app.run_test(size=(80, 24)) as pilot:
        for _ in range(250):
            await pilot.press(rng.choice(pressed))
        assert app.is_running
