"""Facts of this box: GPUs by NVML, CPU, memory and disk by psutil. Loads no torch."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

from engine.base.paths import locks


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        index: NVML's index.
        name: The board's name.
        total: Memory in bytes.
        free: Free memory in bytes, other programs counted.
        utilisation: Busy share of the last second, 0 to 100.
        temperature: Degrees Celsius, or None where not supported.
        watts: Present power draw, or None where not supported.
    """

    index: int
    name: str
    total: int
    free: int
    utilisation: int | None
    temperature: int | None
    watts: float | None


@dataclass(frozen=True)
class Machine:
    """One reading of the box.

    Attributes:
        cpu: The processor's name.
        cores: Cores this process may use.
        bf16: Whether the CPU multiplies bfloat16 itself (AVX512-BF16 or AMX).
        memory: Main memory in bytes.
        memory_free: Main memory that is available, in bytes.
        gpus: The GPUs NVML reports; empty without a driver.
        gpu_problem: Why there is no GPU, in words; empty when there is one.
    """

    cpu: str
    cores: int
    bf16: bool
    memory: int
    memory_free: int
    gpus: tuple[Gpu, ...]
    gpu_problem: str

    @property
    def device(self) -> str:
        """The device that jobs take: `gpu0`, or `cpu` where there is no GPU."""
        return f"gpu{self.gpus[0].index}" if self.gpus else "cpu"


def read() -> Machine:
    """Return the facts of this box now."""
    gpus, problem = gpus_by_nvml()
    memory = psutil.virtual_memory()
    flags = _cpu_flags()
    return Machine(
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        bf16=bool(flags & {"avx512_bf16", "amx_bf16"}),
        memory=memory.total,
        memory_free=memory.available,
        gpus=gpus,
        gpu_problem=problem,
    )


def gpus_by_nvml() -> tuple[tuple[Gpu, ...], str]:
    """Return the GPUs, and the reason in words when there are none."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return (), "no NVIDIA driver on this box"
    except pynvml.NVMLError as error:
        return (), f"the NVIDIA driver does not answer ({error})"
    try:
        return tuple(_gpu(i) for i in range(pynvml.nvmlDeviceGetCount())), ""
    except pynvml.NVMLError as error:
        return (), f"a GPU does not answer ({error})"
    finally:
        pynvml.nvmlShutdown()


def disk_free(folder: Path) -> int:
    """Return the free bytes of the disk that holds a folder, or will hold it."""
    while not folder.exists():
        folder = folder.parent
    return psutil.disk_usage(str(folder)).free


def device_lock(device: str) -> Path:
    """Return the lock file of a device (`cpu`, `gpu0`, ...)."""
    return locks() / f"{device}.lock"


def _gpu(index: int) -> Gpu:
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    name = pynvml.nvmlDeviceGetName(handle)

    def optional(call: str, *arguments: object) -> int | None:
        try:
            value: int = getattr(pynvml, call)(handle, *arguments)
        except pynvml.NVMLError:
            return None
        return value

    try:
        busy: int | None = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    except pynvml.NVMLError:
        busy = None
    milliwatts = optional("nvmlDeviceGetPowerUsage")
    return Gpu(
        index=index,
        name=name.decode() if isinstance(name, bytes) else str(name),
        total=int(memory.total),
        free=int(memory.free),
        utilisation=busy,
        temperature=optional("nvmlDeviceGetTemperature", pynvml.NVML_TEMPERATURE_GPU),
        watts=None if milliwatts is None else milliwatts / 1000,
    )


def _cpu_lines(key: str) -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(
                (line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), ""
            )
    except OSError:
        return ""


def _cpu_name() -> str:
    return _cpu_lines("model name") or platform.processor() or platform.machine()


def _cpu_flags() -> set[str]:
    return set(_cpu_lines("flags").split())
