"""What a training takes: seconds, joules, money and disk, and how far such predictions were off.

Speed comes from this box's own runs of the same model and method where there are any, else from
the operations a token needs and what the device can do. The second is a guess and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from engine.base.store import Store
from engine.plan.device import Device
from engine.plan.dimensions import Dimensions
from engine.plan.memory import Setup
from engine.plan.memory.state import EIGHT_BIT, trained_bytes, trained_parameters

# Share of a GPU's peak that training reaches with large micro-batches, attention counted, with an
# adapter and whole, and the tokens per micro-batch at which it reaches half of that: A100, Qwen-7B
# by length and Mistral-7B without fused kernels (docs/memory.md).
_GPU_SHARE, _GPU_FULL_SHARE, _GPU_HALF_TOKENS = 0.55, 0.66, 200
_GPU_PASS_SECONDS = 0.0015  # launching one layer's kernels for one pass: small models wait
# Unpacking four bits: 5 to 22 % slower on GPUs (facts 3.5: GPTQ, fms, torchtune).
_NF4_SPEED = {"cpu": 0.5, "gpu": 0.87}
_START_SECONDS = {"cpu": 10.0, "gpu": 20.0}  # libraries, model, tokenised data
_FORWARD_SHARE = 0.4  # a validation pass has no backward
_DISK_BYTES_PER_SECOND = 200e6
_BITS = {"F16": 16, "Q8_0": 8.5, "Q6_K": 6.56, "Q5_K_M": 5.7, "Q4_K_M": 4.85, "Q4_0": 4.55}
_RECENT_RUNS = 5

PRIOR_ERROR, RECORD_ERROR = 0.5, 0.15


@dataclass(frozen=True)
class Speed:
    """How fast the training will go.

    Attributes:
        tokens_per_second: Training tokens a second.
        why: What this rests on.
        measured: Whether runs on this box say so.
    """

    tokens_per_second: float
    why: str
    measured: bool


def recorded(store: Store, *, model: str, method: str, device: str) -> Speed | None:
    """Return the speed of this box's latest runs of a model and method, or None without any."""
    row = store.row(
        "SELECT sum(tokens) AS tokens, sum(seconds) AS seconds, count(*) AS runs FROM "
        "(SELECT r.tokens, r.seconds FROM runs r JOIN plans p ON p.id = r.plan_id "
        "WHERE r.model = ? AND r.method = ? AND p.device = ? AND r.tokens > 0 AND r.seconds > 0 "
        "AND r.id NOT IN (SELECT run_id FROM fetched_runs) "
        "ORDER BY r.id DESC LIMIT ?)",
        (model, method, device, _RECENT_RUNS),
    )
    if row is None or not row["runs"]:
        return None
    speed = row["tokens"] / row["seconds"]
    runs = "the last run" if row["runs"] == 1 else f"the last {row['runs']} runs"
    return Speed(speed, f"Measured on this box: {runs} of this model and method.", measured=True)


def operations(dimensions: Dimensions, setup: Setup, mean_length: int) -> float:
    """Return the floating-point operations that training takes for one token.

    A pass over the weights is two operations for each parameter that the token uses. Forward and
    the gradient of the inputs are one pass each, that of the weights a third; recomputing layers
    and asking a reference model are one more each. Attention adds 2 x width x length a pass.

    Args:
        dimensions: The base model's shape.
        setup: What is trained, and how.
        mean_length: Tokens of a usual row.
    """
    passes = _passes(setup)
    queries = dimensions.heads * dimensions.head_width
    attention = 2 * dimensions.layers * queries * mean_length
    return 2.0 * passes * (dimensions.active_parameters + attention)


def _passes(setup: Setup) -> int:
    """Passes over the weights, each two operations a parameter."""
    recomputed = int(setup.gradient_checkpointing)
    asked = int(setup.trainer in ("dpo", "kto") and not setup.precomputed)
    return (2 if setup.lora else 3) + recomputed + asked


def assumed(dimensions: Dimensions, device: Device, setup: Setup, mean_length: int) -> Speed:
    """Guess the speed from a token's operations and the device's figures.

    Args:
        dimensions: The base model's shape.
        device: Where it runs.
        setup: What is trained, and how.
        mean_length: Tokens of a usual row.
    """
    each = operations(dimensions, setup, mean_length)
    slower = _NF4_SPEED[device.kind] if setup.nf4 else 1.0
    if device.kind == "cpu":
        speed = slower * device.flops / each
        rests = f"{device.flops / 1e9:.0f} GFLOPS on {device.cores} cores"
    else:
        tokens = setup.micro_batch * setup.answers * mean_length
        best = _GPU_SHARE if setup.lora else _GPU_FULL_SHARE
        share = slower * best * tokens / (tokens + _GPU_HALF_TOKENS)
        seconds = tokens * each / (share * device.flops)
        launching = _passes(setup) * dimensions.layers * _GPU_PASS_SECONDS
        speed = tokens / max(seconds, launching)
        rests = f"{share:.0%} of the board's {device.flops / 1e12:.0f} TFLOPS"
    return Speed(speed, f"Nothing measured yet; assumes {rests}.", measured=False)


def seconds(
    speed: Speed, device: Device, *, tokens: float, validation_tokens: float, saved_bytes: float
) -> float:
    """Return the wall time of a run: start, training, validation and checkpoints.

    Args:
        speed: The training speed; a measured one already holds validation and checkpoints.
        device: Where it runs.
        tokens: Tokens trained on, all epochs together.
        validation_tokens: Tokens of all validation passes together.
        saved_bytes: Bytes of all checkpoints together.
    """
    total = _START_SECONDS[device.kind] + tokens / speed.tokens_per_second
    if speed.measured:
        return total
    total += _FORWARD_SHARE * validation_tokens / speed.tokens_per_second
    return total + saved_bytes / _DISK_BYTES_PER_SECOND


def money(seconds: float, price_per_hour: float) -> float:
    """Return what a rented box costs for so long, in the price's currency.

    Args:
        seconds: Wall time; what providers bill beside it (start, disk, traffic) is not known here.
        price_per_hour: The box's price.
    """
    return seconds / 3600 * price_per_hour


def checkpoint_bytes(dimensions: Dimensions, setup: Setup) -> int:
    """Return the size of one checkpoint: what is trained, and the optimizer's two moments."""
    each = trained_bytes(setup)
    moment = EIGHT_BIT if "8bit" in setup.optimizer else each
    return round(trained_parameters(dimensions, setup) * (each + 2 * moment))


def disk(dimensions: Dimensions, setup: Setup, *, checkpoints: int, exports: Iterable[str]) -> int:
    """Return the disk a run takes with its checkpoints, result, merged model and GGUFs.

    Args:
        dimensions: The base model's shape.
        setup: What is trained, and how.
        checkpoints: How many are kept.
        exports: The GGUF types that are made.
    """
    gguf_bits = sum(_BITS.get(kind, 16) for kind in exports)
    merged = dimensions.parameters * 2 if setup.lora else 0
    return math.ceil(
        checkpoints * checkpoint_bytes(dimensions, setup)
        + trained_parameters(dimensions, setup) * trained_bytes(setup)
        + merged
        + dimensions.parameters * gguf_bits / 8
    )


def usual_error(store: Store, quantity: str) -> float | None:
    """Return by what share this box's past predictions were off: the mean of the latest ones.

    Args:
        store: The workspace's store.
        quantity: `peak_bytes` or `seconds`, as the table `predictions` names them.
    """
    error: float | None = store.scalar(
        "SELECT avg(abs(error)) FROM (SELECT error FROM prediction_errors WHERE quantity = ? "
        "AND run_id NOT IN (SELECT run_id FROM fetched_runs) ORDER BY run_id DESC LIMIT ?)",
        (quantity, _RECENT_RUNS),
    )
    return error
