"""Peak resident memory of a training on a CPU, the process itself included."""

from __future__ import annotations

import math

from engine.plan.dimensions import Dimensions
from engine.plan.memory.gpu import TILE_TOKENS, TILE_VOCAB
from engine.plan.memory.setup import Setup
from engine.plan.memory.state import State, kept, state, working

# Interpreter and libraries; what the heap cannot use again when rows differ in length.
_RUNTIME, _WASTE = 640_000_000, 0.07
# The constants below were fitted to 22 trainings of SmolLM2-135M and one of 360M (docs/memory.md).
_KEPT, _KEPT_FULL = 1.15, 0.92  # of what the dry run counts; oneDNN copies for adapters
_ATTENTION_BYTES = 6.9  # of one score of plain attention, kept for the backward pass
_LOSS_BYTES = 25  # of one logit: its copies in bf16 and fp32, and their gradients
_TILE_BYTES = 37  # the same in TRL's own loss, which scores every position without Triton
_ORPO_BYTES = 10  # of one logit in TRL's loss for ORPO, which makes them all; counted
_DROPOUT_BYTES = 4.1  # a mask and a copy of every adapted layer's input
_OWN_LOSS = ("sft", "cpt")

# On a CPU the trainer uses plain attention up to this length (the fused kernel's backward pass is
# four times as slow there), and its own loss up to so many answer tokens x vocabulary entries.
PLAIN_LENGTH = 256
OWN_LOSS_LOGITS = 2**25


def parts(dimensions: Dimensions, setup: Setup) -> tuple[str, dict[str, int]]:
    """Return the moment of the peak and the bytes of every part at that moment.

    Args:
        dimensions: The base model's shape.
        setup: What is trained, and how.
    """
    held = state(dimensions, setup)
    moments = _moments(dimensions, setup, held)
    name = max(moments, key=lambda moment: sum(moments[moment].values()))
    found = {
        "weights": held.weights + _unpacked(dimensions, setup),
        "reference": held.reference,
        "adapter": held.adapter,
        "gradients": 0,
        "optimizer": held.optimizer,
        "copies": 0,
        "activations": 0,
        "loss": 0,
        **moments[name],
    }
    found["waste"] = round(_WASTE * sum(found.values()))
    found["runtime"] = _RUNTIME
    return name, {part: size for part, size in found.items() if size}


def _moments(dimensions: Dimensions, setup: Setup, held: State) -> dict[str, dict[str, int]]:
    """The bytes of gradients, activations and loss at each moment of a step."""
    tokens, layers = setup.tokens, dimensions.layers
    layer = tokens * _layer(dimensions, setup)
    ends = layers * tokens * dimensions.hidden * setup.weight_bytes
    # the heap does not give back the layer that was recomputed last
    saved = round(ends + layer if setup.gradient_checkpointing else layers * layer)
    backward = tokens * working(dimensions, setup) * setup.number_bytes
    resident = held.gradients if setup.lora or setup.accumulation > 1 else 0
    growing = held.gradients - resident
    return {
        "loss": {
            "gradients": resident,
            "copies": held.copies,
            "activations": saved,
            "loss": _loss(dimensions, setup),
        },
        "backward": {
            "gradients": resident + max(0, growing - saved - held.copies),
            "copies": held.copies,
            "activations": saved + backward,
        },
        "optimizer": {"gradients": held.gradients},
    }


def _unpacked(dimensions: Dimensions, setup: Setup) -> int:
    """What four bits do not save here: the maps in 16 bits, which stay resident beside them."""
    return dimensions.linear_parameters * setup.weight_bytes if setup.nf4 else 0


def _layer(dimensions: Dimensions, setup: Setup) -> float:
    """Bytes that one layer keeps for one token."""
    inputs = sum(a for a, _ in dimensions.linears) if setup.dropout else 0
    plain = setup.length <= PLAIN_LENGTH and not setup.packing
    scores = dimensions.heads * setup.length if plain else 0
    return (
        kept(dimensions, setup) * setup.number_bytes * (_KEPT if setup.lora else _KEPT_FULL)
        + scores * _ATTENTION_BYTES
        + inputs * _DROPOUT_BYTES
    )


def _loss(dimensions: Dimensions, setup: Setup) -> int:
    """Bytes of the loss at its largest, and of the gradient it hands back."""
    tokens = setup.tokens
    answers = math.ceil(tokens * setup.scored)
    gradient = tokens * dimensions.hidden * 4
    if setup.trainer == "orpo":
        return tokens * dimensions.vocab * _ORPO_BYTES
    if setup.trainer in _OWN_LOSS and answers * dimensions.vocab <= OWN_LOSS_LOGITS:
        return answers * dimensions.vocab * _LOSS_BYTES + gradient
    tile = min(tokens, TILE_TOKENS) * min(dimensions.vocab, TILE_VOCAB)
    return tile * _TILE_BYTES + gradient
