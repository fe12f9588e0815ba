"""The training device: memory, number formats, peak speed, power draw; present or only named."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from engine.base.errors import UsageError
from engine.base.hardware.machine import Gpu, Machine
from engine.plan import cards
from engine.plan.cards import Card

# Assumptions for what no table and no measurement knows yet. A CPU core sustains 110 GFLOPS in
# LoRA training (measured, 2 cores of an EPYC with AVX512-BF16), and 60 % of that in fp32.
_CORE_FLOPS = {True: 110e9, False: 65e9}
_CORE_WATTS = 10.0
_UNKNOWN_FLOPS, _UNKNOWN_WATTS = 100e12, 300.0
_LOAD = 0.9  # of its power limit that a board draws while it trains
_AMPERE = (8, 0)
# What the driver keeps of a board's memory: a judgement from totals that torch shows beside
# nvidia-smi's; checked on the RTX 5090 only.
_KEPT, _KEPT_SHARE = 256 << 20, 0.004
_CORES_A_GPU = 8  # asked of a machine that is not known yet
ANY_GPU = "gpu"  # a plan's device where only the job's machine knows the GPU's number
_UNITS = {"m": 10**6, "g": 10**9, "mi": 1 << 20, "gi": 1 << 30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:(gi?)b?|(mi?)b)?", re.IGNORECASE)
_LEAST, _MOST = 256 << 20, 10**13


@dataclass(frozen=True)
class Device:
    """One training device.

    Attributes:
        name: `cpu`, `gpu0` or `gpu0.1` (a MIG slice), as jobs lock it; `gpu` for the one that
            another machine gives the job; empty if only named.
        kind: cpu or gpu.
        title: The processor's or board's name.
        cores: CPU cores this process may use; 0 where the box is not known.
        free: Memory in bytes that a job may take now, of the board or of the box.
        bf16: Whether it calculates in bfloat16 itself.
        flops: For a GPU its peak, for a CPU what it sustains, in operations a second.
        watts: Power draw at work.
        assumption: How speed and power are known, in words.
        total: Memory in bytes, of the board or that this process may take at most.
        flash_attention: Whether FlashAttention 2 runs on it.
        bandwidth: Memory bandwidth in bytes a second; 0 where unknown.
        capability: CUDA's compute capability; None for a CPU and where unknown.
    """

    name: str
    kind: Literal["cpu", "gpu"]
    title: str
    cores: int
    free: int
    bf16: bool
    flops: float
    watts: float
    assumption: str
    total: int = 0
    flash_attention: bool = False
    bandwidth: float = 0.0
    capability: tuple[int, int] | None = None


def choose(machine: Machine) -> Device:
    """Return the device that jobs take on this box: the GPU with most free memory, else the CPU."""
    if machine.gpu:
        return _gpu(machine, machine.gpu)
    return Device(
        name="cpu",
        kind="cpu",
        title=machine.cpu,
        cores=machine.cores,
        free=machine.memory_free,
        bf16=machine.bf16,
        flops=machine.cores * _CORE_FLOPS[machine.bf16],
        watts=machine.cores * _CORE_WATTS,
        assumption=f"{_CORE_WATTS:g} W a core",
        total=machine.memory,
    )


def elsewhere(text: str) -> Device:
    """Return the GPU of a machine that a training is sent to; see `named` for its names."""
    return replace(named(text), name=ANY_GPU, cores=_CORES_A_GPU)


def named(text: str) -> Device:
    """Return a GPU that need not be in this box.

    Args:
        text: A name that recipes/gpus.yaml has, forgiving ("RTX 4090", "4090", "a100 40gb"), or a
            size of memory ("24GB", "24 GiB", bytes) for a GPU without a name.

    Raises:
        UsageError: No such GPU, or no sensible size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match and (match[2] or match[3] or float(match[1]) >= _LEAST):  # 4090 is a name, not bytes
        return _sized(text, match)
    card = cards.find(text)
    return Device(
        name="",
        kind="gpu",
        title=card.name,
        cores=0,
        free=card.memory - round(_KEPT + _KEPT_SHARE * card.memory),
        bf16=card.bf16,
        flops=card.flops,
        watts=_LOAD * card.watts,
        assumption=f"90 % of the board's {card.watts:g} W",
        total=card.memory,
        flash_attention=card.capability >= _AMPERE,
        bandwidth=card.bandwidth,
        capability=card.capability,
    )


def _sized(text: str, match: re.Match[str]) -> Device:
    size = float(match[1]) * _UNITS.get((match[2] or match[3] or "").lower(), 1)
    if not _LEAST <= size <= _MOST:
        raise UsageError(
            f"{text.strip()} is not the memory of a GPU.",
            "Say a size such as 24GB or 24GiB, or a name such as `RTX 4090`.",
            "--gpu",
        )
    return Device(
        name="",
        kind="gpu",
        title=f"a GPU with {_said(match, size)}",
        cores=0,
        free=int(size),
        bf16=True,
        flops=_UNKNOWN_FLOPS,
        watts=_LOAD * _UNKNOWN_WATTS,
        assumption=f"a GPU of {_UNKNOWN_FLOPS / 1e12:g} TFLOPS and {_UNKNOWN_WATTS:g} W",
        total=int(size),
        flash_attention=True,
    )


def _said(match: re.Match[str], size: float) -> str:
    unit = (match[2] or match[3] or "").upper().replace("I", "i")
    return f"{float(match[1]):g} {unit}B" if unit else f"{size / 1e9:.4g} GB"


def _gpu(machine: Machine, gpu: Gpu) -> Device:
    card = cards.known(gpu.name, gpu.total if gpu.slice is None else 0)
    capability = gpu.capability or (card.capability if card else None)
    like = card or (cards.usual(capability) if capability else None)
    limit = gpu.power_limit or (like.watts if like else _UNKNOWN_WATTS)
    return Device(
        name=gpu.device,
        kind="gpu",
        title=gpu.name,
        cores=machine.cores,
        free=gpu.free,
        bf16=capability is None or capability >= _AMPERE,
        flops=gpu.share * (like.flops if like else _UNKNOWN_FLOPS),
        watts=gpu.share * _LOAD * limit,
        assumption=_assumption(gpu, card, limit),
        total=gpu.total,
        flash_attention=capability is None or capability >= _AMPERE,
        bandwidth=gpu.share * (like.bandwidth if like else 0.0),
        capability=capability,
    )


def _assumption(gpu: Gpu, card: Card | None, limit: float) -> str:
    part = f"{100 * gpu.share:.0f} % of the board, at " if gpu.slice is not None else ""
    told = f"{part}90 % of the board's {limit:g} W"
    if card:
        return told
    return f"{told}, and a usual peak: this GPU is not in recipes/gpus.yaml"
