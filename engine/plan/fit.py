"""Will it fit? Bends a plan to the free memory, and judges it in the fit gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.base.gates import Gate, judge
from engine.plan import memory, models
from engine.plan.device import Device
from engine.plan.models import Dimensions
from engine.plan.recipe import Scalar, Value

# Shares of the free memory. Above the first a plan is bent where the user left room for that.
ROOMY, FULL = 0.80, 0.95
_GPU_BUSY_TOKENS = 1024  # smaller micro-batches leave a GPU waiting
_SHORTEST = 64
HALF = 0.5  # the share of the tokens that are answers, where nobody counted


@dataclass(frozen=True)
class Demand:
    """What a plan asks of a device.

    Attributes:
        dimensions: The base model's shape.
        device: Where the training runs.
        longest: Tokens of the longest row.
        disk: Bytes the run will take on disk.
        disk_free: Free bytes there, or None when nobody looked.
    """

    dimensions: Dimensions
    device: Device
    longest: int
    disk: int = 0
    disk_free: int | None = None


def estimate(
    dimensions: Dimensions, kind: Literal["cpu", "gpu"], settings: Mapping[str, Scalar]
) -> memory.Estimate:
    """Predict the peak memory of a plan's settings."""
    return memory.estimate(
        dimensions,
        device=kind,
        rank=int(settings["lora_rank"]),
        micro_batch=int(settings["micro_batch"]),
        length=int(settings["max_length"]),
        precision=str(settings["precision"]),
        gradient_checkpointing=bool(settings["gradient_checkpointing"]),
        dropout=float(settings["lora_dropout"]),
        optimizer=str(settings["optimizer"]),
        scored=float(settings.get("answer_share", HALF)),  # plans of older stores lack it
    )


def bend(
    values: Mapping[str, Value], fixed: frozenset[str], dimensions: Dimensions, device: Device
) -> dict[str, Value]:
    """Return the values, changed where memory asks for it; the trained result stays the same.

    The effective batch is kept: smaller micro-batches, more of them per step, and recomputed layers
    where that is not enough.

    Args:
        values: Every setting.
        fixed: Settings that the user chose; they stay.
        dimensions: The base model's shape.
        device: Where the training runs.
    """
    plain = {name: value.value for name, value in values.items()}
    needed = estimate(dimensions, device.kind, plain).peak_bytes
    limit = ROOMY * device.free
    if needed <= limit:
        return dict(values)
    options = list(_lighter(plain, fixed, device))
    fits = (
        change
        for change in options
        if estimate(dimensions, device.kind, {**plain, **change}).peak_bytes <= limit
    )
    change = next(fits, options[-1] if options else {})
    why = f"Otherwise it would need {_gb(needed)} of the {_gb(device.free)} that are free."
    return {**values, **{name: Value(value, why) for name, value in change.items()}}


def fit_gate(settings: Mapping[str, Scalar], demand: Demand) -> Gate:
    """Judge whether a plan fits this box: pass, warn or fail with the way out."""
    failures, warnings = [], []
    peak = estimate(demand.dimensions, demand.device.kind, settings).peak_bytes
    share = peak / max(demand.device.free, 1)
    found = (
        f"The predicted peak of {_gb(peak)} is {share:.0%} of the {_gb(demand.device.free)} "
        f"free on {demand.device.title or demand.device.name}."
    )
    if share > FULL:
        failures.append(f"{found} {_way_out(settings, demand)}")
    elif share > ROOMY:
        warnings.append(f"{found} It may run out; close other programs first.")
    if demand.longest > int(settings["max_length"]):
        warnings.append(
            f"The longest row has {demand.longest} tokens; rows above {settings['max_length']} "
            f"lose their end. `--set max_length={demand.longest}` keeps them whole."
        )
    if demand.disk_free is not None and demand.disk > demand.disk_free:
        failures.append(
            f"The run will take {_gb(demand.disk)} of disk and {_gb(demand.disk_free)} are free. "
            "Free some space, or export fewer types."
        )
    return judge("fit", failures=failures, warnings=warnings)


def _lighter(
    settings: Mapping[str, Scalar], fixed: frozenset[str], device: Device
) -> Iterator[dict[str, Scalar]]:
    """Changes that save memory and keep the result, the least loss of speed first."""
    splits = [{}] if fixed & {"micro_batch", "accumulation"} else list(_splits(settings))
    busy = _GPU_BUSY_TOKENS if device.kind == "gpu" else 1
    length = int(settings["max_length"])
    for split in splits:
        if split and int(split["micro_batch"]) * length >= busy:
            yield split
    if "gradient_checkpointing" in fixed or settings["gradient_checkpointing"]:
        yield from filter(None, splits)
        return
    for split in splits:
        yield {**split, "gradient_checkpointing": True}


def _splits(settings: Mapping[str, Scalar]) -> Iterator[dict[str, Scalar]]:
    """The same effective batch in ever smaller micro-batches, the present one first."""
    micro, accumulation = int(settings["micro_batch"]), int(settings["accumulation"])
    yield {}
    while micro > 1 and micro % 2 == 0:
        micro, accumulation = micro // 2, accumulation * 2
        yield {"micro_batch": micro, "accumulation": accumulation}


def _way_out(settings: Mapping[str, Scalar], demand: Demand) -> str:
    """The smallest change that would fit, as a sentence."""
    limit = FULL * demand.device.free
    lightest: dict[str, Scalar] = {}
    for change in _lighter(settings, frozenset(), demand.device):
        if (
            estimate(demand.dimensions, demand.device.kind, {**settings, **change}).peak_bytes
            <= limit
        ):
            return f"It would fit with {_command(change)}."
        lightest = change
    length = int(settings["max_length"])
    while length > _SHORTEST:
        length //= 2
        change = {**lightest, "max_length": length}
        if (
            estimate(demand.dimensions, demand.device.kind, {**settings, **change}).peak_bytes
            <= limit
        ):
            return f"It would fit with {_command(change)}, which cuts rows longer than that."
    for model in reversed([*models.catalogue().values()]):
        change = {**settings, **lightest}
        if estimate(model.dimensions, demand.device.kind, change).peak_bytes <= limit:
            return f"A smaller base model would fit: {model.name}."
    return "No change would make it fit; free memory, or use a larger box."


def _command(change: Mapping[str, Scalar]) -> str:
    sets = (f"--set {name}={str(value).lower()}" for name, value in change.items())
    return f"`{' '.join(sets)}`"


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
