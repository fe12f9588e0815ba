"""What a training will take: seconds, joules and disk, and how far such predictions were off.

Speed comes from this box's own runs of the same model and method where there are any, else from
the operations a token needs and what the device can do. The second is a guess and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from engine.base.store import Store
from engine.plan.device import Device
from engine.plan.models import Dimensions

# Share of a GPU's peak that LoRA training reaches with large micro-batches, and the tokens per
# micro-batch at which it reaches half of that (A100 measurements; docs/plan.md).
_GPU_SHARE, _GPU_HALF_TOKENS = 0.46, 200
_GPU_LAYER_SECONDS = 0.003  # launching one layer's kernels, forward and back: small models wait
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
        "ORDER BY r.id DESC LIMIT ?)",
        (model, method, device, _RECENT_RUNS),
    )
    if row is None or not row["runs"]:
        return None
    speed = row["tokens"] / row["seconds"]
    runs = "the last run" if row["runs"] == 1 else f"the last {row['runs']} runs"
    return Speed(speed, f"Measured on this box: {runs} of this model and method.", measured=True)


def assumed(
    dimensions: Dimensions,
    device: Device,
    *,
    micro_batch: int,
    length: int,
    gradient_checkpointing: bool,
) -> Speed:
    """Guess the speed from a token's operations and the device's figures."""
    passes = 6 if gradient_checkpointing else 4  # forward, backward to the inputs, (forward again)
    attention = 12 * dimensions.layers * dimensions.hidden * length
    operations = passes * dimensions.parameters + attention
    tokens = micro_batch * length
    if device.kind == "cpu":
        speed = device.flops / operations
        rests = f"{device.flops / 1e9:.0f} GFLOPS on {device.cores} cores"
    else:
        share = _GPU_SHARE * tokens / (tokens + _GPU_HALF_TOKENS)
        seconds = tokens * operations / (share * device.flops)
        speed = tokens / max(seconds, dimensions.layers * _GPU_LAYER_SECONDS)
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


def checkpoint_bytes(dimensions: Dimensions, rank: int) -> int:
    """Return the size of one checkpoint: the adapter and two optimizer moments in fp32."""
    return dimensions.adapter_parameters(rank) * 12


def disk(dimensions: Dimensions, *, rank: int, checkpoints: int, exports: Iterable[str]) -> int:
    """Return the disk a run takes with its checkpoints, adapter, merged model and GGUFs."""
    adapter = dimensions.adapter_parameters(rank) * 4
    gguf_bits = sum(_BITS.get(kind, 16) for kind in exports)
    merged = dimensions.parameters * 2
    return math.ceil(
        checkpoints * checkpoint_bytes(dimensions, rank)
        + adapter
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
        "ORDER BY run_id DESC LIMIT ?)",
        (quantity, _RECENT_RUNS),
    )
    return error
