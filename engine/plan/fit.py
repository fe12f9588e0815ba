"""Will it fit? Bends a plan to the free memory, and judges it in the fit gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.base.gates import Gate, judge
from engine.plan import memory, models
from engine.plan.compatibility import Clash
from engine.plan.device import Device
from engine.plan.dimensions import Dimensions
from engine.plan.memory import Correction, Setup
from engine.plan.recipe import Scalar, Value

# Shares of the free memory. Above the first a plan is bent where the user left room for that.
ROOMY, FULL = 0.80, 0.95
_GPU_BUSY_TOKENS = 1024  # smaller micro-batches leave a GPU waiting
_SHORTEST = 64
_KTO_LEAST = 2  # TRL refuses a KTO micro-batch of 1

# What a change costs. Recomputing: torchtune measured 21 % on a GPU; a CPU is bound by operations,
# three passes in place of two. Four bits: 5 to 22 % on GPUs (facts 3.5).
_COSTS = {
    ("micro_tokens", "cpu"): "The same step in smaller pieces costs next to no speed on a CPU.",
    ("micro_tokens", "gpu"): "The same step in smaller pieces is slightly slower.",
    ("micro_batch", "cpu"): "The same step in smaller parts costs next to no speed on a CPU.",
    ("micro_batch", "gpu"): "The same step in smaller parts is slightly slower.",
    ("gradient_checkpointing", "cpu"): "Recomputing layers makes it about a third slower.",
    ("gradient_checkpointing", "gpu"): "Recomputing layers makes it about 20 % slower.",
    ("quantization", "gpu"): "A base in 4 bits is less exact, and about 15 % slower.",
}


@dataclass(frozen=True)
class Demand:
    """What a plan asks of a device.

    Attributes:
        dimensions: The base model's shape.
        device: Where the training runs.
        longest: Tokens of the longest row.
        trainer: The recipe's trainer.
        tuning: The recipe's tuning.
        disk: Bytes the run will take on disk.
        disk_free: Free bytes there, or None when nobody looked.
        correction: What this box's own runs have taught, or None.
    """

    dimensions: Dimensions
    device: Device
    longest: int
    trainer: str = "sft"
    tuning: str = "lora"
    disk: int = 0
    disk_free: int | None = None
    correction: Correction | None = None

    def peak(self, settings: Mapping[str, Scalar]) -> int:
        """Return the predicted peak of settings, in bytes."""
        setup = Setup.of(settings, self.trainer, self.tuning)
        found = memory.estimate(self.dimensions, self.device.kind, setup)
        return found.corrected(self.correction).peak_bytes


def bend(
    values: Mapping[str, Value],
    fixed: frozenset[str],
    dimensions: Dimensions,
    device: Device,
    trainer: str,
    tuning: str,
    correction: Correction | None = None,
) -> dict[str, Value]:
    """Return the values with the smallest change that fits the memory, each with what it costs.

    The effective batch is kept: fewer tokens or rows at the same time; recomputed layers where that
    is not enough; last, for an adapter, a base in four bits.

    Args:
        values: Every setting.
        fixed: Settings that the user chose; they stay.
        dimensions: The base model's shape.
        device: Where the training runs.
        trainer: The recipe's trainer.
        tuning: The recipe's tuning.
        correction: What this box's own runs have taught, or None.
    """
    plain = {name: value.value for name, value in values.items()}
    demand = Demand(dimensions, device, 0, trainer, tuning, correction=correction)
    needed, limit = demand.peak(plain), ROOMY * device.free
    if needed <= limit:
        return dict(values)
    options = list(lighter(plain, fixed, demand))
    fits = (change for change in options if demand.peak({**plain, **change}) <= limit)
    # where nothing fits, the least that can be had is still the best to judge
    change = next(fits, min(options, key=lambda each: demand.peak({**plain, **each}), default={}))
    why = f"Otherwise it would need {_gb(needed)} of the {_gb(device.free)} that are free."
    return {
        **values,
        **{name: Value(value, _with_cost(name, why, device)) for name, value in change.items()},
    }


def fit_gate(settings: Mapping[str, Scalar], demand: Demand, clashes: Sequence[Clash] = ()) -> Gate:
    """Judge whether a plan fits this box: pass, warn or fail with the way out.

    Args:
        settings: Every setting.
        demand: What they ask of the device.
        clashes: What model, data, method and target have against each other.
    """
    failures, warnings = [], []
    peak = demand.peak(settings)
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
    failures += [clash.reason for clash in clashes if clash.fatal]
    warnings += [clash.reason for clash in clashes if not clash.fatal]
    return judge("fit", failures=failures, warnings=warnings)


def lighter(
    settings: Mapping[str, Scalar], fixed: frozenset[str], demand: Demand
) -> Iterator[dict[str, Scalar]]:
    """Yield changes that save memory and keep the effective batch, the least loss first.

    Args:
        settings: The plan's values by name.
        fixed: The settings that someone chose and that stay.
        demand: What the settings ask memory for.
    """
    splits = [{}, *_splits(settings, fixed, demand)]
    yield from filter(None, _stages(settings, fixed, demand, splits))
    # on a CPU four bits save nothing: docs/memory.md
    free = demand.tuning == "lora" and demand.device.kind == "gpu" and "quantization" not in fixed
    if free and settings.get("quantization", "none") == "none":
        for change in _stages(settings, fixed, demand, splits):
            yield {**change, "quantization": "nf4"}


def _stages(
    settings: Mapping[str, Scalar],
    fixed: frozenset[str],
    demand: Demand,
    splits: list[dict[str, Scalar]],
) -> Iterator[dict[str, Scalar]]:
    """The splits that keep a device busy, then all of them with recomputed layers."""
    if "gradient_checkpointing" in fixed or settings["gradient_checkpointing"]:
        yield from splits
        return
    busy = _GPU_BUSY_TOKENS if demand.device.kind == "gpu" else 1
    for split in splits:
        setup = Setup.of({**settings, **split}, demand.trainer, demand.tuning)
        if not split or setup.tokens >= busy * setup.answers:
            yield split
    for split in splits:
        yield {**split, "gradient_checkpointing": True}


def _splits(
    settings: Mapping[str, Scalar], fixed: frozenset[str], demand: Demand
) -> Iterator[dict[str, Scalar]]:
    """The same effective batch in ever smaller parts: fewer tokens at a time, else fewer rows."""
    micro, setup = int(settings["micro_batch"]), Setup.of(settings, demand.trainer, demand.tuning)
    if "micro_tokens" in settings and "micro_tokens" not in fixed:
        whole = micro * setup.length
        budget = min(setup.budget or whole, whole)
        while budget > setup.length:
            budget = max(budget // 2, setup.length)
            yield {"micro_tokens": budget}
        return
    if fixed & {"micro_batch", "accumulation"}:
        return
    accumulation = int(settings["accumulation"])
    least = _KTO_LEAST if demand.trainer == "kto" else 1
    while micro > least and micro % 2 == 0:
        micro, accumulation = micro // 2, accumulation * 2
        yield {"micro_batch": micro, "accumulation": accumulation}


def _way_out(settings: Mapping[str, Scalar], demand: Demand) -> str:
    """The smallest change that would fit, as a sentence."""
    limit = FULL * demand.device.free
    lightest: dict[str, Scalar] = {}
    for change in lighter(settings, frozenset(), demand):
        if demand.peak({**settings, **change}) <= limit:
            return f"It would fit with {_command(change)}. {price(change, demand.device)}"
        lightest = change
    adapter = replace(demand, tuning="lora")
    if demand.tuning == "full" and adapter.peak({"lora_rank": 16, **settings, **lightest}) <= limit:
        return (
            f"An adapter would fit: `--recipe {demand.trainer}-lora`. It learns less than full "
            "tuning where much is new, and about as much for form and style."
        )
    length = Setup.of(settings, demand.trainer, demand.tuning).length
    while length > _SHORTEST:
        length //= 2
        change = {**lightest, "max_length": length}
        if demand.peak({**settings, **change}) <= limit:
            return f"It would fit with {_command(change)}, which cuts rows longer than that."
    for model in reversed([*models.catalogue().values()]):
        other = replace(demand, dimensions=model.dimensions)
        if other.peak({**settings, **lightest}) <= limit:
            return f"A smaller base model would fit: {model.name}."
    return "No change would make it fit; free memory, or use a larger box."


def _with_cost(name: str, why: str, device: Device) -> str:
    cost = _COSTS.get((name, device.kind))
    return f"{why} {cost}" if cost else why


def price(change: Mapping[str, Scalar], device: Device) -> str:
    """Return what a change costs on a device, in sentences; empty where that is nothing."""
    costs = (_COSTS.get((name, device.kind)) for name in change)
    return " ".join(cost for cost in costs if cost)


def _command(change: Mapping[str, Scalar]) -> str:
    sets = (f"--set {name}={str(value).lower()}" for name, value in change.items())
    return f"`{' '.join(sets)}`"


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
