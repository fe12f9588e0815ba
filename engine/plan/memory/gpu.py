"""Peak memory of a training on one GPU: the largest of the moments at which it can be largest.

A step has four: the loss, where the logits or their buffers stand beside all that was kept; the
backward pass, where one layer's tensors do; the optimizer's step; and the evaluation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from engine.plan.dimensions import Dimensions
from engine.plan.memory.setup import Setup
from engine.plan.memory.state import State, kept, state, working

# TRL's chunked loss computes at most this many positions x vocabulary entries at a time.
TILE_TOKENS, TILE_VOCAB = 4096, 32768
# Bytes of one logit where all are made. Copied: in 16 bits, in 32, shifted in 32, and the gradient
# in 32; the rows of Mistral-7B and Mixtral in fms-acceleration's a100_80gb.csv agree to 1 %. Fused:
# from the Llama-3-8B rows of its a100_80gb_liger.csv without Liger.
_COPIED, _FUSED = 14, 8
# ORPO's own loss (TRL 1.16): logits and gradient, log-probabilities for the odds ratio, and for the
# half that is the better answer a copy, its log-softmax and their gradients. Counted, not measured.
_ORPO = 10
# A layer with fused norms, rotary positions and feed-forward block: this x hidden + this x ffn in
# all; fitted to 18 Liger rows of Mistral-7B and Llama-3-8B (facts 3.2).
_FUSED_HIDDEN, _FUSED_FFN = 16, 4.7
_LAST_NORM = 3  # x hidden, kept while the loss is computed
_FORWARD_HIDDEN, _FORWARD_FFN = 4, 3  # one layer without a backward pass
# CUDA's context and the libraries' workspaces, which the allocator does not count, and what it
# holds back in pieces (facts 3.2: a budget, not a fit).
_CONTEXT, _RESERVE = 800_000_000, 0.05


@dataclass(frozen=True)
class Stack:
    """How a trainer's libraries differ in memory.

    Attributes:
        loss: chunked (TRL 1.16, Liger), or all logits: fused or copied.
        layer: plain, or fused kernels for norms, positions and the feed-forward block.
        wide_norms: Whether `prepare_model_for_kbit_training` made the residual stream fp32.
        foreach: Whether the optimizer works on all tensors at once, with a temporary copy.
        expert_modules: Whether each routed expert has linear maps of its own, as in Transformers 4:
            four bits reach them, and they work one after the other.
        masked: Whether padded rows bring a mask of length x length along.
        device: Whether the whole device's use is meant, context and reserve included, or that of
            the tensors alone.
    """

    loss: Literal["chunked", "fused", "copied"] = "chunked"
    layer: Literal["plain", "fused"] = "plain"
    wide_norms: bool = False
    foreach: bool = False
    expert_modules: bool = False
    masked: bool = True
    device: bool = True


OURS = Stack()


def parts(dimensions: Dimensions, setup: Setup, stack: Stack = OURS) -> tuple[str, dict[str, int]]:
    """Return the moment of the peak and the bytes of every part at that moment.

    Args:
        dimensions: The base model's shape.
        setup: What is trained, and how.
        stack: The libraries that train it.
    """
    held = state(dimensions, setup, experts_quantised=stack.expert_modules)
    moments = _moments(dimensions, setup, stack, held)
    name = max(moments, key=lambda moment: sum(moments[moment].values()))
    found = {
        "weights": held.weights,
        "reference": held.reference,
        "adapter": held.adapter,
        "gradients": 0,
        "optimizer": held.optimizer,
        "copies": 0,
        "activations": 0,
        "loss": 0,
        **moments[name],
    }
    if stack.device:
        found["context"] = _CONTEXT
        found["reserve"] = round(_RESERVE * sum(found.values()))
    return name, {part: size for part, size in found.items() if size}


def tensors(peak_bytes: float) -> float:
    """Return what of a whole device's predicted peak is tensors: the allocator's own count."""
    return peak_bytes / (1 + _RESERVE) - _CONTEXT


def _moments(
    dimensions: Dimensions, setup: Setup, stack: Stack, held: State
) -> dict[str, dict[str, int]]:
    """The bytes of gradients, activations, loss and temporaries at each moment of a step."""
    tokens, each = setup.tokens, setup.weight_bytes
    residual = dimensions.layers * tokens * dimensions.hidden * (4 if stack.wide_norms else each)
    layer = kept(dimensions, setup) * setup.number_bytes
    saved = residual if setup.gradient_checkpointing else dimensions.layers * tokens * layer
    backward = round(tokens * _backward(dimensions, setup, stack))
    resident = held.gradients if setup.lora or setup.accumulation > 1 else 0
    # gradients come as the kept tensors go: whichever is larger stands beside the last layer
    growing = held.gradients - resident
    mask = 3 * tokens * setup.length if stack.masked else 0
    optimizer: dict[str, int] = {"gradients": held.gradients}
    if _foreach(setup, stack):
        optimizer["temporary"] = held.gradients
    return {
        "loss": {
            "gradients": resident,
            "copies": held.copies,
            "activations": saved + mask + _LAST_NORM * tokens * dimensions.hidden * each,
            "loss": _loss(dimensions, setup, stack),
        },
        "backward": {
            "gradients": resident + max(0, growing - saved - held.copies),
            "copies": held.copies,
            "activations": saved + mask + backward,
        },
        "optimizer": optimizer,
        "evaluation": _evaluation(dimensions, setup, mask),
    }


def _backward(dimensions: Dimensions, setup: Setup, stack: Stack) -> float:
    """Bytes per token of one layer's backward pass, beside what all layers kept."""
    if stack.layer == "fused":
        numbers = _FUSED_HIDDEN * dimensions.hidden + _FUSED_FFN * dimensions.ffn
        if not setup.gradient_checkpointing:
            numbers -= kept(dimensions, setup)
        return max(0.0, numbers) * setup.number_bytes
    numbers = working(dimensions, setup, one_by_one=stack.expert_modules)
    if setup.gradient_checkpointing:
        numbers += kept(dimensions, setup)
    return numbers * setup.number_bytes


def _loss(dimensions: Dimensions, setup: Setup, stack: Stack) -> int:
    """Bytes of the loss at its largest, its gradients included."""
    tokens, each = setup.tokens, setup.weight_bytes
    if setup.trainer == "orpo":
        return tokens * dimensions.vocab * _ORPO * each // 2
    if stack.loss != "chunked":
        return tokens * dimensions.vocab * (_COPIED if stack.loss == "copied" else _FUSED)
    scored = math.ceil(tokens * setup.scored)
    tile = min(scored, TILE_TOKENS) * min(dimensions.vocab, TILE_VOCAB) * each
    head = dimensions.vocab * dimensions.hidden * 4 if setup.trains_head else 0
    return tile + scored * dimensions.hidden * (4 + each) + head


def _evaluation(dimensions: Dimensions, setup: Setup, mask: int) -> dict[str, int]:
    """A validation batch of the same rows: no gradients, one layer at a time, the loss's tile."""
    tokens, each = setup.tokens, setup.weight_bytes
    layer = _FORWARD_HIDDEN * dimensions.hidden + _FORWARD_FFN * dimensions.ffn
    tile = min(tokens, TILE_TOKENS) * min(dimensions.vocab, TILE_VOCAB) * each
    return {"activations": tokens * layer * each + mask, "loss": tile}


def _foreach(setup: Setup, stack: Stack) -> bool:
    return stack.foreach or setup.optimizer == "adamw_torch"
