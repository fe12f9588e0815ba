from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan import memory, models
from engine.plan.memory import Setup
from engine.plan.memory.state import NF4_BYTES

SMALL = models.find("smollm2-135m-instruct").dimensions
LLAMA = models.find("llama-3.1-8b-instruct").dimensions
FULL = Setup(tuning="full", rank=0)

boxes = st.sampled_from(["cpu", "gpu"])
trainers = st.sampled_from(["sft", "dpo", "kto", "orpo", "cpt"])
tunings = st.sampled_from([("lora", "none"), ("lora", "nf4"), ("full", "none")])


@st.composite
def setups(draw):
    tuning, quantization = draw(tunings)
    return Setup(
        trainer=draw(trainers),
        tuning=tuning,
        quantization=quantization,
        rank=draw(st.integers(1, 256)) if tuning == "lora" else 0,
        micro_batch=draw(st.integers(1, 64)),
        length=draw(st.integers(16, 4096)),
        precision=draw(st.sampled_from(["bf16", "fp32"])),
        gradient_checkpointing=draw(st.booleans()),
        optimizer=draw(st.sampled_from(["adamw_torch_fused", "adamw_torch", "adamw_8bit"])),
        scored=draw(st.floats(0.05, 1)),
        accumulation=draw(st.sampled_from([1, 8])),
    )


def peak(device, setup, dimensions=SMALL):
    return memory.estimate(dimensions, device, setup).peak_bytes


def loses_a_buffer(device, setup):
    """Whether a token more changes which attention or which loss a CPU uses."""
    edge = memory.PLAIN_LENGTH
    return device == "cpu" and (setup.length == edge or setup.trainer == "sft")


@given(device=boxes, setup=setups())
def test_more_rows_longer_rows_and_higher_ranks_never_need_less(device, setup):
    assert peak(device, replace(setup, micro_batch=setup.micro_batch + 1)) >= peak(device, setup)
    if setup.tuning == "lora":
        assert peak(device, replace(setup, rank=setup.rank + 1)) > peak(device, setup)
    if not loses_a_buffer(device, setup):
        assert peak(device, replace(setup, length=setup.length + 1)) >= peak(device, setup)


@given(device=boxes, setup=setups())
def test_what_saves_memory_saves_and_what_costs_costs(device, setup):
    # with a handful of tokens the last layer's second pass may weigh a trifle more than it saves
    assert peak(device, replace(setup, gradient_checkpointing=True)) <= 1.01 * peak(
        device, replace(setup, gradient_checkpointing=False)
    )
    eight = replace(setup, optimizer="adamw_8bit")
    assert peak(device, eight) <= peak(device, replace(setup, optimizer="adamw_torch_fused"))
    if setup.tuning == "lora" and device == "gpu":
        plain = replace(setup, quantization="none")
        assert peak(device, replace(setup, quantization="nf4")) < peak(device, plain)
    assert peak(device, replace(setup, accumulation=8)) >= peak(
        device, replace(setup, accumulation=1)
    )


@given(device=boxes, setup=setups())
def test_the_parts_add_up_and_none_is_negative(device, setup):
    estimate = memory.estimate(SMALL, device, setup)
    assert estimate.peak_bytes == sum(estimate.parts.values())
    assert min(estimate.parts.values()) > 0
    assert estimate.moment in ("loss", "backward", "optimizer", "evaluation")


def test_the_parts_have_names():
    cpu = memory.estimate(SMALL, "cpu", Setup(micro_batch=8, length=96)).parts
    held = ["weights", "adapter", "gradients", "optimizer", "activations", "loss"]
    assert list(cpu) == [*held, "waste", "runtime"]
    assert cpu["weights"] == 2 * 134_515_008
    gpu = memory.estimate(LLAMA, "gpu", Setup(micro_batch=8, length=4096)).parts
    assert {"context", "reserve"} <= set(gpu)


# Real runs of our trainer on the embedded model, 2 cores: peak resident memory in MB. All rows were
# equally long. benchmarks/memory.py makes such a table, held-out combinations among them.
@pytest.mark.parametrize(
    ("setup", "measured"),
    [
        (Setup(micro_batch=8, length=64, scored=0.3), 1859),
        (Setup(micro_batch=8, length=144, scored=0.1), 2868),
        (Setup(micro_batch=8, length=144, scored=0.3), 3084),
        (Setup(micro_batch=8, length=144, scored=0.6), 4046),  # TRL's own loss
        (Setup(micro_batch=2, length=256, scored=0.3), 1983),
        (Setup(micro_batch=8, length=256, scored=0.3), 5215),
        (Setup(micro_batch=8, length=320, scored=0.3), 6841),  # TRL's own loss
        (Setup(micro_batch=4, length=512, scored=0.3), 4097),  # the fused attention kernel
        (Setup(micro_batch=1, length=1024, scored=0.3), 2535),
        (Setup(micro_batch=8, length=96, scored=0.3, rank=64), 2536),
        (Setup(micro_batch=8, length=96, scored=0.3, dropout=0.05), 2793),
        (Setup(micro_batch=8, length=144, scored=0.3, precision="fp32"), 4417),
        (Setup(micro_batch=8, length=144, scored=0.3, gradient_checkpointing=True), 1552),
        (Setup(micro_batch=4, length=512, scored=0.4, gradient_checkpointing=True), 4075),
        (replace(FULL, micro_batch=4, length=256, scored=0.4), 3363),
        (replace(FULL, micro_batch=2, length=512, scored=0.4), 2766),
        (Setup(quantization="nf4", micro_batch=4, length=256, scored=0.4), 3220),
        (Setup(quantization="nf4", micro_batch=2, length=512, scored=0.4), 2680),
        (Setup(trainer="dpo", micro_batch=2, length=256, scored=0.4), 3671),
    ],
    ids=lambda value: value.method if isinstance(value, Setup) else str(value),
)
def test_the_cpu_estimate_meets_real_runs(setup, measured):
    assert abs(peak("cpu", setup) / (measured * 1e6) - 1) < 0.10


@pytest.mark.parametrize(
    ("setup", "each"),
    [
        (FULL, 8),  # weights, gradients and two moments in bf16
        (replace(FULL, optimizer="adamw_torch"), 10),  # and a copy while it steps
        (replace(FULL, optimizer="adamw_8bit"), 6.03),
        (replace(FULL, precision="fp32"), 16),
        (replace(FULL, trainer="dpo"), 10),  # and the reference
        (replace(FULL, trainer="dpo", precomputed=True), 8),
    ],
)
def test_full_tuning_takes_the_known_bytes_a_parameter(setup, each):
    small = replace(setup, length=16, gradient_checkpointing=True)
    parts = memory.estimate(LLAMA, "gpu", small).parts
    held = sum(size for name, size in parts.items() if name not in ("context", "reserve"))
    assert held / LLAMA.parameters == pytest.approx(each, rel=0.03)


def test_four_bits_leave_tables_and_norms_alone():
    parts = memory.estimate(LLAMA, "gpu", Setup(quantization="nf4")).parts
    rest = LLAMA.parameters - LLAMA.linear_parameters
    assert parts["weights"] == pytest.approx(NF4_BYTES * LLAMA.linear_parameters + 2 * rest, abs=1)
    assert abs(NF4_BYTES - 0.516) < 1e-3  # what the published rows of 7B models show


def test_stacked_experts_stay_in_16_bits():
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
    parts = memory.estimate(mixtral, "gpu", Setup(quantization="nf4")).parts
    assert parts["weights"] > 2 * mixtral.expert_parameters > 80e9


def test_pairs_are_computed_together_and_single_answers_are_not():
    def activations(trainer, batch):
        setup = Setup(trainer=trainer, micro_batch=batch, gradient_checkpointing=True)
        return memory.estimate(LLAMA, "gpu", setup).parts["activations"]

    assert activations("dpo", 2) == activations("sft", 4)
    assert activations("kto", 4) == activations("sft", 4)


def test_trained_tables_cost_sixteen_bytes_a_number():
    setup = Setup(trainer="cpt", length=16, gradient_checkpointing=True)
    parts, more = (
        memory.estimate(LLAMA, "gpu", replace(setup, embeddings=whole)).parts
        for whole in (False, True)
    )
    added = sum(more[name] - parts[name] for name in ("adapter", "gradients", "optimizer"))
    assert added == 16 * LLAMA.embedding_parameters


def test_fewer_adapted_maps_make_a_smaller_adapter():
    setup = Setup(targets="q_proj,v_proj")
    parts = memory.estimate(LLAMA, "gpu", setup).parts
    # Llama-3-8B: 32 layers, q 4096 to 4096 and v 4096 to 1024, rank 16
    assert parts["adapter"] == 4 * 32 * 16 * (8192 + 5120)


def test_a_method_is_named_by_trainer_and_tuning():
    assert Setup().method == "sft-lora"
    assert Setup(quantization="nf4", trainer="dpo").method == "dpo-qlora"
    assert FULL.method == "sft-full"
    assert memory.split("dpo-qlora") == ("dpo", "lora")
    assert memory.split("sft-full") == ("sft", "full")


def test_the_settings_of_an_older_store_are_enough():
    settings = {
        "lora_rank": 8,
        "micro_batch": 4,
        "max_length": 128,
        "precision": "bf16",
        "gradient_checkpointing": False,
        "optimizer": "adamw_torch_fused",
    }
    setup = Setup.of(settings, "sft", "lora")
    assert (setup.rank, setup.quantization, setup.scored) == (8, "none", memory.HALF)
    assert Setup.of({**settings, "quantization": "nf4"}, "sft", "lora").method == "sft-qlora"
    del settings["lora_rank"]
    assert Setup.of(settings, "sft", "full").rank == 0
    assert Setup.of({**settings, "answer_share": 0.1}, "cpt", "full").scored == 1.0
