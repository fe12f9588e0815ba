from __future__ import annotations

import statistics
from dataclasses import replace

import pytest

from engine.plan import cost, device, models
from engine.plan.memory import Setup
from tests.engine.plan.published import points

SMALL = models.find("smollm2-135m-instruct").dimensions
LLAMA = models.find("llama-3.1-8b-instruct").dimensions
CARD = device.named("RTX 4090")
FULL = Setup(tuning="full", rank=0)


@pytest.mark.parametrize(
    ("setup", "passes"),
    [
        (FULL, 6),
        (replace(FULL, gradient_checkpointing=True), 8),
        (Setup(), 4),
        (Setup(gradient_checkpointing=True), 6),
        (Setup(trainer="dpo"), 6),
        (Setup(trainer="dpo", precomputed=True), 4),
        (Setup(trainer="orpo"), 4),
    ],
)
def test_a_token_takes_the_known_operations(setup, passes):
    found = cost.operations(LLAMA, setup, 0)
    assert found == passes * LLAMA.parameters


def test_attention_grows_with_the_length():
    short, long = (cost.operations(LLAMA, FULL, length) for length in (1000, 2000))
    # 12 x layers x width x length for a full forward and backward pass
    assert long - short == 12 * LLAMA.layers * LLAMA.hidden * 1000


def test_experts_that_a_token_passes_by_cost_nothing():
    config = {
        "model_type": "mixtral",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 32000,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
    }
    mixtral = models.dimensions(config, "mixtral")
    assert cost.operations(mixtral, FULL, 0) == pytest.approx(6 * 12.9e9, rel=0.02)
    assert mixtral.parameters == pytest.approx(46.7e9, rel=0.01)


def test_four_bits_and_small_batches_are_slower():
    def speed(setup):
        return cost.assumed(LLAMA, CARD, setup, 512).tokens_per_second

    usual = speed(Setup(micro_batch=8))
    assert 0.8 * usual < speed(Setup(micro_batch=8, quantization="nf4")) < 0.95 * usual
    assert speed(Setup(micro_batch=1)) < 0.8 * usual


def test_published_speeds_are_met_within_the_stated_error():
    cards = {"A100-80GB": device.named("A100 80GB")}
    found = []
    for point in points():
        row = point.row
        if point.reason or not row["tokens_per_s"] or row["gpu"] not in cards:
            continue
        setup = point.setup
        speed = cost.assumed(point.shape, cards[row["gpu"]], setup, setup.length)
        found.append(abs(speed.tokens_per_second / float(row["tokens_per_s"]) - 1))
    assert len(found) >= 60
    assert statistics.median(found) <= 0.20
    assert sorted(found)[int(0.9 * len(found))] <= cost.PRIOR_ERROR


def test_money_is_the_time_times_the_price():
    assert cost.money(1800, 2.5) == 1.25


def test_a_checkpoint_holds_what_is_trained_and_two_moments():
    adapter = SMALL.adapter_parameters(16)
    assert cost.checkpoint_bytes(SMALL, Setup()) == 12 * adapter
    assert cost.checkpoint_bytes(SMALL, FULL) == 6 * SMALL.parameters
    eight = cost.checkpoint_bytes(SMALL, replace(FULL, optimizer="adamw_8bit"))
    assert 4 * SMALL.parameters < eight < 4.1 * SMALL.parameters


def test_the_disk_holds_checkpoints_result_and_exports():
    nothing = cost.disk(SMALL, Setup(), checkpoints=0, exports=())
    assert nothing == 4 * SMALL.adapter_parameters(16) + 2 * SMALL.parameters
    whole = cost.disk(SMALL, FULL, checkpoints=2, exports=("Q8_0",))
    assert whole == pytest.approx(SMALL.parameters * (2 * 6 + 2 + 8.5 / 8), abs=2)
