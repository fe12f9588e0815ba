"""The results screen compares base, few-shot base and tuned, and shows the rows that changed."""

from __future__ import annotations

import pytest

from engine.base import jobs
from engine.data.rows import make, to_json
from tui.app import TunesmithApp
from tui.screens.score import ScoreScreen
from tui.screens.ship import ShipScreen

SIZES = [(80, 24), (200, 60)]
EXACT = {"base": (0.1, 0.02, 0.3), "few_shot": (0.4, 0.22, 0.61), "tuned": (0.9, 0.7, 0.97)}
HOSTILE = "[bold]hi[/bold] \x1b[31m[/nonsense] 你好"


@pytest.fixture
def app(workspace):
    return TunesmithApp(workspace.workspace)


@pytest.fixture
def run(records):
    """An evaluated run: ten test rows of which tuning fixed eight and broke one."""
    store, run_id = records.store, records.run("desk-1", "done")
    rows = [make(HOSTILE if at == 0 else f"message {at}", f'{{"n": {at}}}') for at in range(10)]
    folder = store.workspace / "d"
    folder.mkdir()
    for split in ("train", "validation", "golden"):
        (folder / f"{split}.jsonl").write_text("")
    (folder / "test.jsonl").write_text("".join(to_json(row) + "\n" for row in rows))
    (folder / "manifest.json").write_text("{}")
    job_id = records.job("eval", "done", run_id=run_id)
    scores = {name: write_score(records, run_id, name, rows) for name in EXACT}
    for baseline in ("base", "few_shot"):
        verdict = {"baseline": baseline, "baseline_score_id": scores[baseline], "n": 10}
        verdict |= {"tuned_score_id": scores["tuned"], "metric": "exact_match", "split": "test"}
        verdict |= {"difference": 0.5, "low": 0.2, "high": 0.8, "p_value": 0.01}
        verdict |= {"run_id": run_id, "job_id": job_id, "result": "better", "created": 1.0}
        store.insert("verdicts", verdict)
    gate = {"gate": "verdict", "subject": f"run {run_id}", "result": "warn", "created": 1.0}
    gate |= {"project_id": records.project_id, "reasons": "The golden rows do not confirm it."}
    store.insert("gates", gate)
    return run_id


def write_score(records, run_id, subject, rows):
    row = {"project_id": records.project_id, "dataset_id": "d", "subject": subject, "rows": 10}
    row |= {"run_id": run_id if subject == "tuned" else None, "split": "test", "model": "m"}
    score_id = records.store.insert("scores", {**row, "seconds": 1.0, "created": 1.0})
    value, low, high = EXACT[subject]
    for metric in ("exact_match", "valid_json"):
        figures = {"metric": metric, "value": value, "low": low, "high": high, "n": 10}
        records.store.insert("score_metrics", {"score_id": score_id, **figures})
    right = {"base": {9}, "few_shot": {9}, "tuned": set(range(8))}[subject]
    for at, row in enumerate(rows):
        answer = {"row_id": row.id, "expected": row.completion, "valid": 1, "tokens": 5}
        answer |= {"answer": row.completion if at in right else "no idea", "exact": at in right}
        records.store.insert("answers", {"score_id": score_id, **answer})
    return score_id


@pytest.mark.parametrize("size", SIZES)
async def test_figures_verdict_and_gate_are_in_words_and_numbers(app, run, shows, size):
    async with app.run_test(size=size) as pilot:
        app.push_screen(ScoreScreen(run))
        for text in ("few-shot", "40.0 %", "22–61", "tuned", "90.0 %", "Test rows, 10"):
            await shows(pilot, text)
        await shows(pilot, "✓ The tuned model answers 8 of 10 held-out messages exactly")
        await shows(pilot, "! Verdict gate: warn")
        await shows(pilot, "The golden rows do not confirm it.")


@pytest.mark.parametrize("size", SIZES)
async def test_rows_that_changed_are_browsed_with_every_answer(app, run, shows, size):
    async with app.run_test(size=size) as pilot:
        app.push_screen(ScoreScreen(run))
        await shows(pilot, "9 changed  8 fixed  1 broken")
        await shows(pilot, "✗ broken")
        await pilot.press("enter", "f")
        await shows(pilot, "▸ 8 fixed")
        await shows(pilot, "✓ fixed")
        await shows(pilot, 'tuned     ✓ {"n": ')
        await shows(pilot, "few-shot  ✗ no idea")
        first = app.screen.query_one("#row-text").lines
        await pilot.press("down")
        assert app.screen.query_one("#row-text").lines != first


async def test_text_from_the_data_is_shown_literally(app, run, shows, screen_text):
    async with app.run_test(size=(200, 60)) as pilot:
        app.push_screen(ScoreScreen(run))
        await shows(pilot, "[bold]hi[/bold] ·[31m[/nonsense] 你好")
        assert "\x1b" not in screen_text(app)


async def test_a_run_without_evaluation_offers_to_start_it(app, records, shows, tmp_path):
    run_id = records.run("desk-1", "done")
    records.store.update("projects", records.project_id, {"path": str(tmp_path / "gone")})
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ScoreScreen(run_id))
        await shows(pilot, "Not evaluated yet")
        await pilot.press("e")
        await shows(pilot, "✗ failed", 30)
        await shows(pilot, "There is no project here.")
    job = jobs.get(records.store, int(records.store.scalar("SELECT max(id) FROM jobs")))
    assert (job["kind"], f'"run_id": {run_id}' in job["args"]) == ("eval", True)


async def test_figures_stand_when_the_dataset_is_gone(app, run, shows):
    (app.workspace / "d" / "manifest.json").unlink()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ScoreScreen(run))
        await shows(pilot, "90.0 %")
        await shows(pilot, "files of dataset d are gone.")


async def test_results_lead_to_the_files(app, run, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ScoreScreen(run))
        await shows(pilot, "90.0 %")
        await pilot.press("x")
        await shows(pilot, "No files yet")
        assert isinstance(app.screen, ShipScreen)


async def test_a_real_evaluation_is_shown(journey, shows):
    app = TunesmithApp(journey.workspace)
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ScoreScreen(journey.run_id))
        await shows(pilot, "The tuned model answers")
        await shows(pilot, "Golden rows, 60")
        await shows(pilot, "expected")


async def test_a_verdict_that_says_no_is_accepted_with_a_reason(app, run, records, shows, tmp_path):
    store = records.store
    store.execute("UPDATE gates SET result = 'fail'")
    store.execute("UPDATE jobs SET state = 'failed', exit_code = 3 WHERE kind = 'eval'")
    store.update("projects", records.project_id, {"path": str(tmp_path / "gone")})
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ScoreScreen(run))
        await shows(pilot, "✗ a gate says no")
        await shows(pilot, "✗ Verdict gate: fail   a goes on nevertheless")
        await pilot.press("a")
        await shows(pilot, "Why go on although the gate says no?")
        await pilot.press(*"a try", "enter")
        await shows(pilot, "✗ failed", 30)
    args = store.scalar("SELECT args FROM jobs ORDER BY id DESC LIMIT 1")
    assert '"accept": "a try", "then": ["export"]' in args
