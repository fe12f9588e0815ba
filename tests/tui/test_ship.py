"""The files screen shows what an export made, and whether each file equals what was trained."""

from __future__ import annotations

import pytest

from tui.app import TunesmithApp
from tui.screens.ship import ShipScreen

SIZES = [(80, 24), (200, 60)]
SHA = "0123456789abcdef" * 4


@pytest.fixture
def app(workspace):
    return TunesmithApp(workspace.workspace)


@pytest.fixture
def run(records):
    """An exported run: an adapter, a file that passed and is recommended, and one that failed."""
    run_id = records.run("desk-1", "done")
    records.job("export", "done", run_id=run_id)
    write_file(records, run_id, "adapter")
    write_file(records, run_id, "gguf:Q6_K", "pass", recommended=1)
    write_file(records, run_id, "gguf:Q4_K_M", "fail", reasons="It loses [b]7[/b] points.")
    return run_id


def write_file(records, run_id, kind, result=None, *, reasons="", recommended=0):
    row = {"run_id": run_id, "kind": kind, "path": f"runs/1/{kind}", "bytes": 138_382_752}
    row |= {"sha256": SHA, "recommended": recommended, "created": 1.0}
    artifact = records.store.insert("artifacts", row)
    if result:
        parity = {"reference": "adapter", "result": result, "reasons": reasons, "rows": 10}
        parity |= {"tokens": 90, "token_agreement": 0.992, "divergence": 0.0038}
        parity |= {"score": 0.9, "difference": 0.0, "low": -0.1, "high": 0.1}
        records.store.insert("parity", {"artifact_id": artifact, **parity})


@pytest.mark.parametrize("size", SIZES)
async def test_each_file_shows_its_size_and_parity_as_symbol_and_word(app, run, shows, size):
    async with app.run_test(size=size) as pilot:
        app.push_screen(ShipScreen(run))
        for text in ("adapter", "gguf:Q6_K", "138 MB", "✓ pass", "✗ fail", "99.2 %", "0.0038"):
            await shows(pilot, text)
        await pilot.press("down")
        await shows(pilot, "★ recommended")
        await shows(pilot, "runs/1/gguf:Q6_K")
        await pilot.press("down")
        await shows(pilot, "It loses [b]7[/b] points.")


async def test_path_and_command_of_the_chosen_file_are_copied(app, run, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ShipScreen(run))
        await shows(pilot, "gguf:Q6_K")
        await pilot.press("down", "p")
        assert app.clipboard == str(app.workspace / "runs/1/gguf:Q6_K")
        await pilot.press("y")
        assert app.clipboard == 'tunesmith chat a2 "your message"'


async def test_a_run_without_files_offers_to_make_them(app, records, shows, tmp_path):
    run_id = records.run("desk-1", "done")
    records.store.update("projects", records.project_id, {"path": str(tmp_path / "gone")})
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ShipScreen(run_id))
        await shows(pilot, "No files yet")
        await pilot.press("x")
        await shows(pilot, "✗ failed", 30)
        await shows(pilot, "There is no project here.")


async def test_a_real_export_is_shown(journey, shows):
    app = TunesmithApp(journey.workspace)
    async with app.run_test(size=(200, 60)) as pilot:
        app.push_screen(ShipScreen(journey.run_id))
        await shows(pilot, "Q8_0")
        await shows(pilot, "pass")
