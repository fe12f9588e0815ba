"""Operations of a token, and what share of a board's peak published speeds come to."""

from __future__ import annotations

import pytest

from engine.plan import models
from engine.plan.cards import find
from engine.run.utilisation import flops_per_token, utilisation

MISTRAL = models.find("mistral-7b-instruct-v0.3").dimensions
P = MISTRAL.active_parameters


@pytest.mark.parametrize(
    ("tuning", "checkpointing", "trainer", "times"),
    [
        ("full", False, "sft", 6),
        ("full", True, "sft", 8),
        ("lora", False, "sft", 4),
        ("lora", True, "sft", 6),
        ("lora", False, "dpo", 6),
    ],
)
def test_the_parameters_count_once_a_pass(tuning, checkpointing, trainer, times):
    found = flops_per_token(
        MISTRAL, tuning=tuning, checkpointing=checkpointing, length=0, trainer=trainer
    )
    assert found == times * P


def test_attention_grows_with_the_length():
    def at(length):
        return flops_per_token(MISTRAL, tuning="full", checkpointing=False, length=length)

    assert at(4096) - at(0) == 12 * MISTRAL.layers * 32 * 128 * 4096
    assert at(8192) - at(4096) == at(4096) - at(0)


@pytest.mark.parametrize(
    ("tuning", "speed", "published"),
    [("lora", 3324, 0.46), ("full", 3063, 0.57)],  # A100, 4096 tokens, layers recomputed
)
def test_published_speeds_come_to_the_shares_that_were_worked_out_of_them(tuning, speed, published):
    flops = flops_per_token(MISTRAL, tuning=tuning, checkpointing=True, length=0)
    assert utilisation(speed, flops, find("a100 80gb").flops) == pytest.approx(published, abs=0.01)


def test_an_unknown_peak_uses_nothing():
    assert utilisation(1000.0, 1e10, 0.0) == 0.0
