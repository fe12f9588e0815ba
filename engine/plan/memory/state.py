"""What is held all the time, weights and the optimizer's state, and what a layer's tensors take.

The layer's numbers are counted, not fitted: they are what PyTorch 2.13 keeps of a Llama layer of
Transformers 5.23 with PEFT 0.21, by the dry run of `engine/run/dryrun.py` over widths, heads and
feed-forward sizes that were varied one by one (docs/memory.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.plan.dimensions import Dimensions
from engine.plan.memory.setup import ALL_LINEAR, Setup

# NF4 with double quantisation: half a byte, and for each 64 weights one byte of scale, whose own
# scale is 4 bytes for 256 of them (QLoRA, arXiv 2305.14314).
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
EIGHT_BIT = 1 + 4 / 256  # a moment in eight bits and its block's scale
_NAMES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class State:
    """Bytes that are held through all of a training.

    Attributes:
        weights: The base model.
        reference: Its frozen copy; 0 where there is none.
        adapter: The adapter, and trained copies of the tables; 0 for full tuning.
        gradients: Of everything that is trained, once all are there.
        optimizer: The two moments.
        copies: The maps in bf16 that autocast makes of fp32 weights, kept from a forward pass to
            its backward pass unless layers are recomputed.
    """

    weights: int
    reference: int
    adapter: int
    gradients: int
    optimizer: int
    copies: int


def state(dimensions: Dimensions, setup: Setup, *, experts_quantised: bool = False) -> State:
    """Return the weights and the state of the optimizer.

    Args:
        dimensions: The base model's shape.
        setup: What is trained, and how.
        experts_quantised: Whether NF4 reaches the routed experts too; Transformers 5 keeps them in
            one tensor that it leaves at 16 bits.
    """
    weights = _weights(dimensions, setup, experts_quantised)
    trained, each = trained_parameters(dimensions, setup), trained_bytes(setup)
    moment = EIGHT_BIT if "8bit" in setup.optimizer else each
    return State(
        weights=weights,
        reference=weights if setup.reference else 0,
        adapter=trained * each if setup.lora else 0,
        gradients=trained * each,
        optimizer=round(2 * trained * moment),
        copies=_copied(dimensions, setup) * setup.number_bytes,
    )


def _copied(dimensions: Dimensions, setup: Setup) -> int:
    if not setup.mixed or setup.gradient_checkpointing:
        return 0
    head = dimensions.vocab * dimensions.hidden
    return head + dimensions.expert_parameters + (0 if setup.nf4 else dimensions.linear_parameters)


def _weights(dimensions: Dimensions, setup: Setup, experts_quantised: bool) -> int:
    if not setup.nf4:
        return dimensions.parameters * setup.weight_bytes
    small = dimensions.linear_parameters
    if experts_quantised:
        small += dimensions.expert_parameters
    return math.ceil(small * NF4_BYTES) + (dimensions.parameters - small) * setup.weight_bytes


def trained_bytes(setup: Setup) -> int:
    """Return the bytes of a trained number: an adapter's and its tables' are always fp32."""
    return 4 if setup.lora else setup.weight_bytes


def trained_parameters(dimensions: Dimensions, setup: Setup) -> int:
    """Return how many parameters the optimizer moves."""
    if not setup.lora:
        return dimensions.parameters
    tables = dimensions.embedding_parameters if setup.embeddings else 0
    if setup.targets == ALL_LINEAR:
        return dimensions.adapter_parameters(setup.rank) + tables
    whole = dimensions.linear_adapter_parameters(setup.rank)
    names = [name.strip() for name in setup.targets.split(",")]
    linears = dimensions.linears
    if len(linears) != len(_NAMES):
        return min(whole, whole * len(names) // len(linears)) + tables
    sizes = dict(zip(_NAMES, (a + b for a, b in linears), strict=True))
    return whole * sum(sizes.get(name, 0) for name in names) // sum(sizes.values()) + tables


def kept(dimensions: Dimensions, setup: Setup) -> int:
    """Return how many numbers of one layer and token wait for the backward pass.

    A number is `setup.number_bytes` long. Norms and feed-forward block as they are, without fused
    kernels; attention whose scores are not kept.
    """
    hidden, ffn = dimensions.hidden, dimensions.ffn
    queries = dimensions.heads * dimensions.head_width
    adapters = setup.rank * len(dimensions.linears) if setup.lora else 0
    inside = 4 * ffn if _adapts_down(setup) else 3 * ffn
    if setup.mixed and not setup.lora:
        return 13 * hidden + 4 * queries + inside
    if setup.number_bytes == 4:
        return (6 if setup.lora else 8) * hidden + 4 * queries + inside + adapters
    if not setup.lora:
        return 10 * hidden + 4 * queries + inside
    # fp32 adapters: each casts its input down again, and that copy stays
    copies = hidden + queries if _adapts_down(setup) else 0
    return 10 * hidden + 4 * queries + inside + copies + adapters


def working(dimensions: Dimensions, setup: Setup, *, one_by_one: bool = False) -> int:
    """Return the numbers a layer's backward pass needs per token beside what was kept.

    Without checkpointing they arise when the last layer's tensors begin to go, so fewer are left.

    Args:
        dimensions: The base model's shape.
        setup: What is trained, and how.
        one_by_one: Whether routed experts work one after the other.
    """
    hidden, ffn = dimensions.hidden, dimensions.ffn
    if one_by_one:
        ffn //= max(1, *(block.experts for block in dimensions.blocks))
    cast = setup.lora and setup.number_bytes == 2 and _adapts_down(setup)
    if setup.gradient_checkpointing:
        return 3 * ffn + (9 if cast else 5) * hidden
    return 3 * ffn + 7 * hidden if cast else max(11 * hidden, 3 * ffn + hidden // 2)


def _adapts_down(setup: Setup) -> bool:
    """Whether the input of the last linear map is kept for a gradient of its own."""
    return not setup.lora or setup.targets == ALL_LINEAR or "down_proj" in setup.targets
