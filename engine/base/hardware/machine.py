"""Facts of this box in one reading: GPUs, CPU, memory. Loads no torch.

Each part has a file of its own: `nvml` and `gpu`, `processor`, `ram`, `disk`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from engine.base.hardware import disk, driver, nvml, processor, ram, torch_build
from engine.base.hardware.gpu import Gpu, Unusable, best, seen
from engine.base.hardware.processor import Processor
from engine.base.hardware.ram import Ram
from engine.base.paths import locks

__all__ = ["Gpu", "Machine", "device_lock", "disk_free", "gpus_by_nvml", "pin", "read"]

_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Machine:
    """One reading of the box.

    Attributes:
        cpu: The processor's name.
        cores: Cores this process may use.
        bf16: Whether the CPU multiplies bfloat16 itself.
        memory: Main memory that this process may take at most, in bytes.
        memory_free: Main memory that it may take now, in bytes.
        gpus: The GPUs and MIG slices that jobs can take; empty without a driver.
        gpu_problem: Why there is no GPU, in words; empty when there is one.
        gpu_fix: The command that mends that; empty where nothing does.
        unusable: The GPUs that are there and that jobs cannot take.
        driver: The NVIDIA driver's version; empty without one.
        cuda: The newest CUDA that the driver runs, or None.
        wsl: Whether this Linux runs inside Windows.
        processor: More of the CPU; None where nobody looked.
        ram: More of the main memory; None where nobody looked.
    """

    cpu: str
    cores: int
    bf16: bool
    memory: int
    memory_free: int
    gpus: tuple[Gpu, ...]
    gpu_problem: str
    gpu_fix: str = ""
    unusable: tuple[Unusable, ...] = ()
    driver: str = ""
    cuda: tuple[int, int] | None = None
    wsl: bool = False
    processor: Processor | None = None
    ram: Ram | None = None

    @property
    def gpu(self) -> Gpu | None:
        """The GPU that jobs take: the one with the most free memory."""
        return best(self.gpus)

    @property
    def device(self) -> str:
        """The device that jobs take: `gpu0` and the like, or `cpu` where there is no GPU."""
        return self.gpu.device if self.gpu else "cpu"


def read(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> Machine:
    """Return the facts of this box now.

    Args:
        root: Where the box's `/proc` and `/sys` are found.
        environment: The process's variables, of which `CUDA_VISIBLE_DEVICES` counts.
    """
    found = _usable(nvml.read(root), environment)
    cpu, memory = processor.read(root), ram.read(root)
    return Machine(
        cpu=cpu.name,
        cores=cpu.usable,
        bf16=cpu.bf16,
        memory=memory.total,
        memory_free=memory.free,
        gpus=found.gpus,
        gpu_problem=found.problem,
        gpu_fix=found.fix,
        unusable=found.unusable,
        driver=found.driver,
        cuda=found.cuda,
        wsl=driver.in_wsl(root),
        processor=cpu,
        ram=memory,
    )


def gpus_by_nvml() -> tuple[tuple[Gpu, ...], str]:
    """Return the GPUs that jobs can take, and the reason in words when there are none."""
    found = _usable(nvml.read(), os.environ)
    return found.gpus, found.problem


def disk_free(folder: Path) -> int:
    """Return the free bytes of the disk that holds a folder, or will hold it."""
    return disk.free(folder)


def device_lock(device: str) -> Path:
    """Return the lock file of a device (`cpu`, `gpu0`, ...)."""
    return locks() / f"{device}.lock"


def pin(machine: Machine, device: str) -> dict[str, str]:
    """Return the variables that let a process see one device only; set them before torch loads.

    Args:
        machine: The reading that the device comes from.
        device: Its name: `cpu`, `gpu0`, `gpu0.1`.
    """
    gpu = next((gpu for gpu in machine.gpus if gpu.device == device), None)
    if gpu is None:
        return {_VISIBLE: ""}
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", _VISIBLE: gpu.uuid or str(gpu.index)}


def _usable(found: nvml.Reading, environment: Mapping[str, str]) -> nvml.Reading:
    """Set aside what `CUDA_VISIBLE_DEVICES` hides and what the installed torch cannot drive."""
    if not found.gpus:
        return found
    wanted = environment.get(_VISIBLE)
    shown = seen(found.gpus, wanted)
    aside = [_hidden(gpu, wanted) for gpu in found.gpus if gpu not in shown]
    build = torch_build.installed()
    kept = []
    for gpu in shown:
        wrong = build and build.cuda and torch_build.mismatch(build, None, gpu.capability)
        if wrong:
            aside.append(Unusable(gpu.index, gpu.name, "old", f"{wrong[0]}.", wrong[1]))
        else:
            kept.append(gpu)
    unusable = (*found.unusable, *aside)
    if kept:
        return replace(found, gpus=tuple(kept), unusable=unusable)
    why, fix = nvml.first_reason(aside)
    return replace(found, gpus=(), unusable=unusable, problem=why, fix=fix)


def _hidden(gpu: Gpu, wanted: str | None) -> Unusable:
    return Unusable(
        gpu.index,
        gpu.name,
        "hidden",
        f"`{_VISIBLE}={wanted}` hides it.",
        f"`unset {_VISIBLE}` to use it; its numbers count here as in nvidia-smi.",
    )
