"""`sweep show` and `rates show` on a store whose rows are as the jobs write them."""

from __future__ import annotations

import json

import pytest

from engine.run.rates.judge import Proposal, Step
from engine.run.rates.records import save
from tests.conftest import tunesmith


@pytest.fixture
def swept(records):
    """A sweep of three trials: the second is best, the third was stopped early."""
    store = records.store
    job_id = records.job("sweep", "done")
    row = {"project_id": records.project_id, "dataset_id": "d", "job_id": job_id, "seed": 42}
    row |= {"recipe": "sft-lora", "axes": "learning_rate=0.0001,0.001\nlora_rank=8,16"}
    row |= {"settings": "lora_targets=q_proj,v_proj", "sampler": "grid", "trials": 4}
    sweep_id = store.insert("sweeps", {**row, "predicted_seconds": 240.0, "created": records.now})
    for number, (rate, rank, state, losses) in enumerate(
        [
            (1e-4, 8, "done", (2.0, 1.5, 1.25)),
            (1e-3, 16, "done", (1.0, 0.5, 0.75)),
            (1e-4, 16, "pruned", (2.0, 1.75)),
        ],
        1,
    ):
        run_id = records.run(f"desk-sweep1-{number}")
        for place, loss in enumerate(losses, 1):
            records.points(run_id, "validation_loss", [loss], first=10 * place)
        trial = {"sweep_id": sweep_id, "number": number, "run_id": run_id, "state": state}
        trial_id = store.insert("sweep_trials", {**trial, "seconds": 50.0, "created": 1.0})
        for setting, value in (("learning_rate", rate), ("lora_rank", rank)):
            values = {"trial_id": trial_id, "setting": setting, "value": str(value)}
            store.insert("trial_values", values)
    return sweep_id


def test_a_sweep_is_shown_with_its_best_values_as_words_and_a_caution(records, swept):
    said = tunesmith("--workspace", str(records.store.workspace), "sweep", "show", str(swept))
    lines = said.splitlines()
    assert "2.000 1.500 1.250" in said
    assert next(line for line in lines if line.strip().startswith("2 *")).split()[2:4] == [
        "0.001",
        "16",
    ]
    best = "best: --set learning_rate=0.001 --set lora_rank=16 --set lora_targets=q_proj,v_proj"
    assert best in said
    assert "The best of 3 trials was chosen by these validation rows" in said
    assert "lowest at step 20 and rose to step 30" in said
    assert "3 of 4 trials were at work for 2 min 30 s; 4 min 00 s was predicted" in said
    assert "tunesmith eval 2" in said


def test_a_sweep_as_json_has_values_losses_and_words(records, swept):
    found = json.loads(
        tunesmith("--workspace", str(records.store.workspace), "sweep", "show", "--json")
    )
    assert found["id"] == swept
    assert [trial["state"] for trial in found["trials"]] == ["done", "done", "pruned"]
    assert found["trials"][2]["values"] == {"learning_rate": 1e-4, "lora_rank": 16}
    assert found["trials"][2]["losses"][-1] == {"step": 20, "loss": 1.75}
    assert found["best"]["loss"] == 0.5
    assert (found["seconds"], found["predicted_seconds"]) == (150.0, 240.0)


def test_an_unfinished_sweep_names_no_best_and_says_how_it_goes_on(records, swept):
    records.store.execute("UPDATE sweep_trials SET state = 'failed', error = 'Out of \x1b[2J it.'")
    records.store.execute("UPDATE jobs SET state = 'stopped' WHERE kind = 'sweep'")
    said = tunesmith("--workspace", str(records.store.workspace), "sweep", "show")
    assert "best:" not in said
    assert "tunesmith resume" in said
    assert "\x1b" not in said


def test_a_range_test_is_drawn_and_compared_with_the_plans_rate(records):
    steps = [Step(10 ** (at / 10 - 6), 3 - at / 20, 3 - at / 20) for at in range(40)]
    test = {"project_id": records.project_id, "plan_id": records.plan_id, "steps": 40}
    test |= {"rows": 320, "train_rows": 160, "own_rate": 1e-3, "seconds": 61.0}
    said = Proposal(2e-4, 2e-4, None, "rough", "The loss falls fastest at 2.0e-04.")
    test_id = save(records.store, test, steps, said)
    text = tunesmith("--workspace", str(records.store.workspace), "rates", "show", str(test_id))
    for part in (
        "40 steps over 320 rows (2.0 passes over the 160 training rows)",
        "--set learning_rate=0.0002 (rough",
        "lower by a factor of 5.0",
        "1e-4",
        "◆",
    ):
        assert part in text
    unsure = Proposal(None, None, None, "can't tell", "The loss does not fall.")
    save(records.store, test, steps, unsure)
    found = json.loads(
        tunesmith("--workspace", str(records.store.workspace), "rates", "show", "--json")
    )
    assert (found["proposal"], found["certainty"]) == (None, "can't tell")
    assert len(found["points"]) == 40
    assert "can't tell: keep the plan's rate" in tunesmith(
        "--workspace", str(records.store.workspace), "rates", "show"
    )
