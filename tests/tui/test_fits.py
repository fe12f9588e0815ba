from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from engine.base.errors import UsageError
from tui.verbs.fits import fits_verb


def run(*words: str):
    done = CliRunner().invoke(fits_verb, list(words), catch_exceptions=True)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_one_question_has_one_answer_for_machines():
    asked = "llama-3.1-8b-instruct --method sft-qlora --seq 2048 --batch 4 --gpu 24GB --json"
    found = json.loads(run(*asked.split()))
    assert {"peak_bytes", "parts", "fits", "expected_error"} <= set(found)
    assert found["fits"] is True
    assert sum(found["parts"].values()) == found["peak_bytes"]


def test_the_table_says_plainly_what_fits_and_not_by_colour_alone():
    shown = run("llama-3.1-8b-instruct", "--gpu", "RTX 4090")
    assert "\x1b" not in shown
    assert {"✓", "!", "✗"} <= set(shown)
    assert "✓ fits" in shown
    assert "✗ does not fit" in shown
    assert "sft-full   does not fit" in shown
    assert "a million tokens in" in shown


def test_the_table_for_machines_holds_every_cell():
    found = json.loads(run("smollm2-135m-instruct", "--gpu", "8GB", "--json"))
    assert len(found["cells"]) == 5 * 3 * 5
    assert set(found["longest"]) == {cell["method"] for cell in found["cells"]}


def test_a_folder_and_its_config_are_models_too(model_dir):
    folder, config = (
        json.loads(run(str(place), "--gpu", "8GB", "--method", "lora", "--json"))
        for place in (model_dir, model_dir / "config.json")
    )
    assert folder["peak_bytes"] == config["peak_bytes"]


def test_money_is_shown_where_a_price_is_given():
    words = ("qwen2.5-7b-instruct", "--gpu", "H100", "--method", "qlora", "--price-per-hour", "2")
    assert "in money" in run(*words)
    found = json.loads(run(*words, "--json"))
    hours = found["seconds_per_million_tokens"] / 3600
    assert found["money_per_million_tokens"] == pytest.approx(2 * hours, rel=0.01)


def test_this_box_is_meant_where_no_gpu_is_named():
    found = json.loads(run("smollm2-135m-instruct", "--seq", "128", "--json"))
    assert found["fits"] is True
    assert found["free_bytes"] > 0


def test_a_setting_counts_and_a_wrong_one_is_a_message():
    words = ("smollm2-135m-instruct", "--gpu", "8GB", "--method", "lora", "--json")
    plain, wide = (json.loads(run(*words, *more)) for more in ((), ("--set", "lora_rank=64")))
    assert wide["parts"]["adapter"] == 4 * plain["parts"]["adapter"]
    with pytest.raises(UsageError, match="did you mean lora_rank"):
        run(*words, "--set", "lora_rang=64")


@pytest.mark.slow
def test_the_second_opinion_stands_beside_the_formula():
    words = ("smollm2-135m-instruct", "--gpu", "8GB", "--method", "lora", "--seq", "256", "--json")
    found = json.loads(run(*words, "--second-opinion"))
    tensors = found["peak_bytes"] - found["parts"]["context"] - found["parts"]["reserve"]
    assert tensors == pytest.approx(found["second_opinion"]["peak_bytes"], rel=0.12)
