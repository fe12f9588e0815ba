"""Peak memory of a LoRA training, part by part, from the model's shape alone.

GPU: a formula fitted to published measurements of 7-8B models. CPU: the same parts with constants
fitted to real runs of the embedded model. Both, with their errors, are in docs/plan.md. Bytes
throughout; the peak is that of the worst micro-batch, all rows at full length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.plan.models import Dimensions

# TRL's chunked loss computes at most this many positions x vocabulary entries at a time.
_TILE_TOKENS, _TILE_VOCAB = 4096, 32768
# What one layer keeps for the backward pass, in numbers per token: this x hidden + this x ffn.
_KEPT_HIDDEN, _KEPT_FFN = 16, 4.7
_ADAPTER_BYTES = 4  # adapters stay in fp32 whatever the model's format

# CUDA context, workspaces and the allocator's waste.
_GPU_RUNTIME, _GPU_WASTE = 800_000_000, 0.05
# CPU: interpreter and libraries; what the heap cannot use again when rows differ in length.
_CPU_RUNTIME, _CPU_WASTE = 640_000_000, 0.10
_CPU_KEPT = 1.2  # oneDNN keeps some copies of its own
_CPU_ATTENTION_BYTES = 8  # of one score of plain attention, kept for the backward pass
_CPU_LOSS_BYTES = 20  # of one logit: its copies in bf16 and fp32, and their gradients
_CPU_TILE_BYTES = 36  # the same in TRL's own loss, which scores every position without Triton
_CPU_DROPOUT_BYTES = 5  # a mask and a copy of every adapted layer's input

# On a CPU the trainer uses plain attention up to this length (the fused kernel's backward pass is
# four times as slow there), and its own loss up to so many answer tokens x vocabulary entries.
PLAIN_LENGTH = 256
OWN_LOSS_LOGITS = 2**25

# Measured for the CPU, judged for the GPU: docs/plan.md.
EXPECTED_ERROR: Mapping[str, float] = {"cpu": 0.15, "gpu": 0.15}


@dataclass(frozen=True)
class Estimate:
    """Predicted peak memory.

    Attributes:
        parts: Bytes by name: weights, adapter, gradients, optimizer, activations, loss, runtime.
        peak_bytes: Their sum.
    """

    parts: Mapping[str, int]

    @property
    def peak_bytes(self) -> int:
        """The sum of all parts."""
        return sum(self.parts.values())


def estimate(
    dimensions: Dimensions,
    *,
    device: Literal["cpu", "gpu"],
    rank: int,
    micro_batch: int,
    length: int,
    precision: str = "bf16",
    gradient_checkpointing: bool = False,
    dropout: float = 0.0,
    optimizer: str = "adamw_torch_fused",
    scored: float = 0.5,
) -> Estimate:
    """Predict the peak memory of LoRA on all linear layers.

    Args:
        dimensions: The base model's shape.
        device: Whose memory is meant: main memory, or that of one GPU.
        rank: LoRA rank.
        micro_batch: Rows computed at the same time.
        length: Tokens of the longest row.
        precision: bf16 or fp32, the format of the base weights and of the computation.
        gradient_checkpointing: Whether layers are recomputed instead of kept.
        dropout: Dropout on the adapters' inputs; any at all costs memory on a CPU.
        optimizer: Its name; an 8-bit one keeps a quarter of the state.
        scored: The share of a row's tokens that are answer and so enter the loss, 0 to 1.
    """
    bytes_each = 2 if precision == "bf16" else 4
    adapter = dimensions.adapter_parameters(rank) * _ADAPTER_BYTES
    tokens = micro_batch * length
    layer = tokens * _layer(dimensions, length, bytes_each, device, dropout)
    layers = dimensions.layers
    kept = layers * tokens * dimensions.hidden * bytes_each + layer
    parts = {
        "weights": dimensions.parameters * bytes_each,
        "adapter": adapter,
        "gradients": adapter,
        "optimizer": adapter // 2 if "8bit" in optimizer else adapter * 2,
        "activations": round(kept if gradient_checkpointing else layers * layer),
        "loss": _loss(dimensions, tokens, scored, bytes_each, device),
    }
    runtime, waste = (_CPU_RUNTIME, _CPU_WASTE) if device == "cpu" else (_GPU_RUNTIME, _GPU_WASTE)
    return Estimate({**parts, "runtime": runtime + round(waste * sum(parts.values()))})


def _layer(
    dimensions: Dimensions,
    length: int,
    bytes_each: int,
    device: Literal["cpu", "gpu"],
    dropout: float,
) -> float:
    """Bytes that one layer keeps for one token."""
    numbers = _KEPT_HIDDEN * dimensions.hidden + _KEPT_FFN * dimensions.ffn
    if device == "gpu":
        return numbers * bytes_each
    inputs = sum(a for a, _ in dimensions.linears) if dropout else 0
    scores = dimensions.heads * length if length <= PLAIN_LENGTH else 0
    return (
        numbers * bytes_each * _CPU_KEPT
        + scores * _CPU_ATTENTION_BYTES
        + inputs * _CPU_DROPOUT_BYTES
    )


def _loss(
    dimensions: Dimensions,
    tokens: int,
    scored: float,
    bytes_each: int,
    device: Literal["cpu", "gpu"],
) -> int:
    """Bytes of the loss at its largest, and of the gradient it hands back."""
    answers = math.ceil(tokens * scored)
    gradient = tokens * dimensions.hidden * 4
    if device == "cpu" and answers * dimensions.vocab <= OWN_LOSS_LOGITS:
        return answers * dimensions.vocab * _CPU_LOSS_BYTES + gradient
    positions, each = (tokens, _CPU_TILE_BYTES) if device == "cpu" else (answers, bytes_each)
    tile = min(positions, _TILE_TOKENS) * min(dimensions.vocab, _TILE_VOCAB)
    return tile * each + gradient
