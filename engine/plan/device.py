"""What the training device can do: memory, number formats, peak speed, power draw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml

from engine.base import paths
from engine.base.machine import Gpu, Machine

# Assumptions for what no table and no measurement knows yet. A CPU core sustains 110 GFLOPS in
# LoRA training (measured, 2 cores of an EPYC with AVX512-BF16), and 60 % of that in fp32.
_CORE_FLOPS = {True: 110e9, False: 65e9}
_CORE_WATTS = 10.0
_UNKNOWN_GPU = {"tflops": 100.0, "watts": 300.0}


@dataclass(frozen=True)
class Device:
    """One training device.

    Attributes:
        name: `cpu` or `gpu0`, as jobs lock it.
        kind: cpu or gpu.
        title: The processor's or board's name.
        cores: CPU cores this process may use.
        free: Free memory in bytes, of the board or of the box.
        bf16: Whether it calculates in bfloat16 itself.
        flops: For a GPU its peak, for a CPU what it sustains, in operations a second.
        watts: Power draw at work.
        assumption: How speed and power are known, in words.
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


def choose(machine: Machine) -> Device:
    """Return the device that jobs take on this box: the first GPU, else the CPU."""
    if machine.gpus:
        return _gpu(machine, machine.gpus[0])
    return Device(
        name=machine.device,
        kind="cpu",
        title=machine.cpu,
        cores=machine.cores,
        free=machine.memory_free,
        bf16=machine.bf16,
        flops=machine.cores * _CORE_FLOPS[machine.bf16],
        watts=machine.cores * _CORE_WATTS,
        assumption=f"{_CORE_WATTS:g} W a core",
    )


def _gpu(machine: Machine, gpu: Gpu) -> Device:
    known = next((card for card in _cards() if card["name"] in gpu.name), None)
    card = known or _UNKNOWN_GPU
    return Device(
        name=machine.device,
        kind="gpu",
        title=gpu.name,
        cores=machine.cores,
        free=gpu.free,
        bf16=bool(card.get("bf16", True)),
        flops=card["tflops"] * 1e12,
        watts=card["watts"] * 0.9,
        assumption=(
            f"90 % of the board's {card['watts']:g} W"
            + ("" if known else ", an assumption: this GPU is not in recipes/gpus.yaml")
        ),
    )


@cache
def _cards() -> list[dict[str, Any]]:
    text = (paths.recipes() / "gpus.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load(text))
