from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan import memory, models

SMALL = models.find("smollm2-135m-instruct").dimensions
LLAMA = models.find("llama-3.1-8b-instruct").dimensions

boxes = st.sampled_from(["cpu", "gpu"])


@given(
    device=boxes, rank=st.integers(1, 256), batch=st.integers(1, 64), length=st.integers(16, 4096)
)
def test_the_peak_grows_with_batch_length_and_rank(device, rank, batch, length):
    def peak(rank=rank, batch=batch, length=length):
        return memory.estimate(
            SMALL, device=device, rank=rank, micro_batch=batch, length=length
        ).peak_bytes

    assert peak(rank=rank + 1) > peak()
    assert peak(batch=batch + 1) > peak()
    assert peak(length=length + 1) > peak()


@given(device=boxes, batch=st.integers(1, 64), length=st.integers(16, 4096))
def test_checkpointing_saves_and_fp32_costs(device, batch, length):
    def peak(**more):
        return memory.estimate(
            SMALL, device=device, rank=16, micro_batch=batch, length=length, **more
        ).peak_bytes

    assert peak(gradient_checkpointing=True) < peak()
    assert peak(precision="fp32") > peak()


def test_the_parts_have_names_and_add_up():
    estimate = memory.estimate(SMALL, device="cpu", rank=16, micro_batch=8, length=96)
    assert list(estimate.parts) == [
        "weights",
        "adapter",
        "gradients",
        "optimizer",
        "activations",
        "loss",
        "runtime",
    ]
    assert estimate.peak_bytes == sum(estimate.parts.values())
    assert estimate.parts["weights"] == 2 * 134_515_008


# Published peaks of LoRA r16 on Llama-3-8B with checkpointing and a fused loss, sequences of 4096,
# A100 80 GB, torch max_memory_allocated (fms-acceleration, refs/a100_80gb_liger.csv).
@pytest.mark.parametrize(("micro_batch", "published"), [(4, 24.91), (8, 33.57), (16, 50.89)])
def test_an_8b_on_a_gpu_meets_the_published_peaks(micro_batch, published):
    parts = memory.estimate(
        LLAMA,
        device="gpu",
        rank=16,
        micro_batch=micro_batch,
        length=4096,
        gradient_checkpointing=True,
    ).parts
    allocated = sum(parts.values()) - parts["runtime"]
    assert abs(allocated / (published * 1e9) - 1) < 0.05


# Real runs of TRL 1.16 on the embedded model, bf16, 2 cores: peak resident memory in MB.
@pytest.mark.parametrize(
    ("micro_batch", "length", "rank", "dropout", "scored", "measured"),
    [
        (2, 96, 16, 0, 0.3, 1294),
        (8, 96, 16, 0, 0.3, 2124),
        (8, 160, 16, 0, 0.3, 2818),
        (8, 256, 16, 0, 0.3, 4293),
        (8, 96, 64, 0, 0.3, 2452),
        (8, 96, 16, 0, 0.6, 2432),
        (8, 96, 16, 0, 1.0, 2714),
        (8, 96, 16, 0.05, 0.3, 2720),
    ],
)
def test_the_cpu_estimate_meets_real_runs(micro_batch, length, rank, dropout, scored, measured):
    estimate = memory.estimate(
        SMALL,
        device="cpu",
        rank=rank,
        micro_batch=micro_batch,
        length=length,
        dropout=dropout,
        scored=scored,
    )
    assert abs(estimate.peak_bytes / (measured * 1e6) - 1) < 0.06
