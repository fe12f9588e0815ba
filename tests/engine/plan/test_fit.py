from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan import device, fit, models
from engine.plan.fit import Demand
from engine.plan.memory import Correction
from engine.plan.recipe import Value

LLAMA = models.find("llama-3.1-8b-instruct").dimensions
SMALL = models.find("smollm2-135m-instruct").dimensions
SETTINGS = {
    "quantization": "none",
    "lora_rank": 16,
    "lora_dropout": 0.0,
    "lora_targets": "all-linear",
    "micro_batch": 16,
    "accumulation": 1,
    "max_length": 2048,
    "precision": "bf16",
    "gradient_checkpointing": False,
    "optimizer": "adamw_torch_fused",
}


def gpu(gb):
    return replace(device.named("24GB"), free=round(gb * 1e9))


def bend(gb, *, fixed=(), trainer="sft", tuning="lora", dimensions=LLAMA, **settings):
    values = {name: Value(value, "Because.") for name, value in {**SETTINGS, **settings}.items()}
    return fit.bend(values, frozenset(fixed), dimensions, gpu(gb), trainer, tuning)


def plain(values):
    return {name: value.value for name, value in values.items()}


def test_what_fits_is_left_alone():
    assert plain(bend(600)) == SETTINGS


def test_changes_come_in_the_order_of_their_cost():
    steps = [plain(bend(gb)) for gb in (600, 130, 30, 20, 12)]
    changed = [{k for k, v in step.items() if v != SETTINGS[k]} for step in steps]
    assert changed[0] == set()
    assert changed[1] == {"micro_batch", "accumulation"}
    assert "gradient_checkpointing" in changed[2]
    assert "quantization" not in changed[2]
    assert "quantization" in changed[3]
    assert "quantization" in changed[4]


@given(gb=st.floats(1, 300), trainer=st.sampled_from(["sft", "dpo", "orpo", "cpt"]))
def test_the_effective_batch_never_changes(gb, trainer):
    values = bend(gb, trainer=trainer)
    assert values["micro_batch"].value * values["accumulation"].value == 16


@given(gb=st.floats(6, 300))
def test_what_was_bent_fits_where_anything_does(gb):
    demand = Demand(LLAMA, gpu(gb), 0)
    lightest = {
        **SETTINGS,
        "micro_batch": 1,
        "accumulation": 16,
        "gradient_checkpointing": True,
        "quantization": "nf4",
    }
    bent = demand.peak(plain(bend(gb)))
    if demand.peak(lightest) <= fit.ROOMY * gb * 1e9:
        assert bent <= fit.ROOMY * gb * 1e9
    else:
        assert bent == demand.peak(lightest)


def test_every_change_says_what_it_costs():
    values = bend(12)
    assert "about 20 % slower" in values["gradient_checkpointing"].why
    assert "about 15 % slower" in values["quantization"].why
    assert "slightly slower" in values["micro_batch"].why
    assert "12.0 GB that are free" in values["micro_batch"].why


def test_what_the_user_chose_stays():
    fixed = ("quantization", "micro_batch", "gradient_checkpointing")
    assert plain(bend(12, fixed=fixed)) == SETTINGS


def test_kto_keeps_two_rows_together():
    assert plain(bend(9, trainer="kto"))["micro_batch"] == 2


def test_full_tuning_is_never_turned_into_an_adapter_but_it_is_advised():
    values = bend(24, tuning="full")
    assert values["quantization"].value == "none"
    gate = fit.fit_gate(plain(values), Demand(LLAMA, gpu(24), 0, tuning="full"))
    assert gate.result == "fail"
    assert "`--recipe sft-lora`" in gate.reasons[0]


def test_four_bits_are_no_way_out_on_a_cpu():
    box = replace(gpu(1.2), kind="cpu")
    values = {name: Value(value, "Because.") for name, value in SETTINGS.items()}
    bent = fit.bend(values, frozenset(), SMALL, box, "sft", "lora")
    assert bent["quantization"].value == "none"
    assert bent["gradient_checkpointing"].value is True


def test_the_way_out_names_the_command_and_its_cost():
    gate = fit.fit_gate(SETTINGS, Demand(LLAMA, gpu(45), 0))
    assert gate.result == "fail"
    assert "`--set micro_batch=" in gate.reasons[0]
    assert "slower" in gate.reasons[0]


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_what_runs_have_taught_counts_in_the_gate(factor):
    demand = Demand(LLAMA, gpu(100), 0, correction=Correction(factor, 9, 0.01))
    alone = replace(demand, correction=None)
    settings = {**SETTINGS, "micro_batch": 4}
    assert (demand.peak(settings) > alone.peak(settings)) == (factor > 1)
