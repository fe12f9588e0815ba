"""Reads the GPUs by NVML, the driver's own library: each field, or None where it has none.

One GPU that does not answer never hides the others, and a field that is not supported is never an
error. The library is NVIDIA's `libnvidia-ml.so.1`, through nvidia-ml-py.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from engine.base.hardware import driver, ram
from engine.base.hardware.gpu import Gpu, Program, Unusable

# The oldest GPUs that any build of torch 2.13 has kernels for (its CUDA support matrix).
OLDEST = (5, 0)
# Bits of NVML's clock event reasons; idling and chosen clocks are no slowdown.
_SLOWDOWNS = (
    (0x04, "its power limit"),
    (0x20 | 0x40, "heat"),
    (0x80, "its power supply"),
)
_HARDWARE_SLOWDOWN = 0x08
_PROFILE = re.compile(r"MIG (?:(\d+)c\.)?(\d+)g\.")


@dataclass(frozen=True)
class Reading:
    """What NVML told.

    Attributes:
        gpus: The GPUs and slices that answer, in NVML's order.
        unusable: The boards that do not, or that jobs cannot take.
        driver: The driver's version; empty without one.
        cuda: The newest CUDA that the driver runs, or None.
        problem: Why there are no GPUs, in words; empty where there are.
        fix: The command that mends that.
    """

    gpus: tuple[Gpu, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    driver: str = ""
    cuda: tuple[int, int] | None = None
    problem: str = ""
    fix: str = ""


def read(root: Path = Path("/")) -> Reading:
    """Return the GPUs of this box; never raises.

    Args:
        root: Where the box's `/proc` and `/sys` are found.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        problem, fix = driver.explain(error.value, root)
        return Reading(problem=problem, fix=fix)
    try:
        return _boards(root)
    except pynvml.NVMLError as error:
        problem, fix = driver.explain(error.value, root)
        return Reading(problem=problem, fix=fix)
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def first_reason(unusable: Sequence[Unusable]) -> tuple[str, str]:
    """Return why the first of some GPUs cannot be used, as words without a full stop; the fix."""
    first = unusable[0]
    what = first.what.rstrip(".")
    return f"GPU {first.index} cannot be used: {what[:1].lower()}{what[1:]}", first.fix


def _boards(root: Path) -> Reading:
    import pynvml

    gpus: list[Gpu] = []
    unusable: list[Unusable] = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        name = ""
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            name = _text(_optional(pynvml.nvmlDeviceGetName, handle) or "NVIDIA GPU")
            found = list(_devices(handle, index, name, root))
        except pynvml.NVMLError as error:
            unusable.append(Unusable(index, name, "fault", *driver.fault(error.value, index)))
            continue
        if not found:
            unusable.append(_unsliced(index, name))
        elif found[0].capability and found[0].capability < OLDEST:
            unusable.append(_too_old(found[0]))
        else:
            gpus += found
    cuda = _optional(pynvml.nvmlSystemGetCudaDriverVersion_v2)
    problem, fix = "", ""
    if not gpus:
        problem, fix = first_reason(unusable) if unusable else driver.none_found(root)
    return Reading(
        tuple(gpus),
        tuple(unusable),
        _text(_optional(pynvml.nvmlSystemGetDriverVersion) or ""),
        None if cuda is None else (cuda // 1000, cuda % 1000 // 10),
        problem,
        fix,
    )


def _devices(handle: Any, index: int, name: str, root: Path) -> Iterator[Gpu]:
    """Give the board itself, or its slices where it is cut into slices."""
    import pynvml

    mode = _optional(pynvml.nvmlDeviceGetMigMode, handle)
    board = _board(handle, index, name, root, sliced=bool(mode and mode[0]))
    if not mode or not mode[0]:
        yield board
        return
    most = _optional(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0
    for number in range(most):
        part = _optional(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
        if part is None:
            continue
        profile = _text(pynvml.nvmlDeviceGetName(part))
        memory = pynvml.nvmlDeviceGetMemoryInfo(part)
        yield replace(
            board,
            name=profile if "MIG" in profile else f"{name} slice {number}",
            total=int(memory.total),
            free=int(memory.free),
            utilisation=None,
            uuid=_text(pynvml.nvmlDeviceGetUUID(part)),
            slice=number,
            share=_share(profile, most),
            programs=_programs(part),
        )


def _board(handle: Any, index: int, name: str, root: Path, *, sliced: bool) -> Gpu:
    import pynvml

    total, free, shared = (0, 0, False) if sliced else _memory(handle, root)
    rates = _optional(pynvml.nvmlDeviceGetUtilizationRates, handle)
    draw = _optional(pynvml.nvmlDeviceGetPowerUsage, handle)
    limit = _optional(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    capability = _optional(pynvml.nvmlDeviceGetCudaComputeCapability, handle)
    return Gpu(
        index=index,
        name=name,
        total=total,
        free=free,
        utilisation=None if rates is None else int(rates.gpu),
        temperature=_optional(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        watts=None if draw is None else draw / 1000,
        uuid=_text(_optional(pynvml.nvmlDeviceGetUUID, handle) or ""),
        capability=None if capability is None else (capability[0], capability[1]),
        power_limit=None if limit is None else limit / 1000,
        slowdown_at=_optional(
            pynvml.nvmlDeviceGetTemperatureThreshold,
            handle,
            pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN,
        ),
        slowdown=_slowdown(handle),
        energy=_optional(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle) is not None,
        shares_memory=shared,
        programs=None if sliced else _programs(handle),
    )


def _memory(handle: Any, root: Path) -> tuple[int, int, bool]:
    """Return total and free bytes, and whether they are the main memory's (GB10, Jetson)."""
    import pynvml

    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError_NotSupported:
        main = ram.read(root)
        return main.total, main.free, True
    return int(memory.total), int(memory.free), False


def _slowdown(handle: Any) -> tuple[str, ...]:
    # drivers before 535 have the older name only
    bits = _first(handle, "nvmlDeviceGetCurrentClocks{}Reasons", ("Event", "Throttle")) or 0
    words = tuple(word for mask, word in _SLOWDOWNS if bits & mask)
    return ("its hardware",) if bits & _HARDWARE_SLOWDOWN and not words else words


def _programs(handle: Any) -> tuple[Program, ...] | None:
    """Return who holds memory; a program that draws and calculates is one program."""
    # by version: without one, pynvml raises its own error where the driver is older than it is
    lists = [
        _first(handle, f"nvmlDeviceGet{kind}RunningProcesses_v{{}}", (3, 2))
        for kind in ("Compute", "Graphics")
    ]
    if lists == [None, None]:
        return None
    held: dict[int, int | None] = {}
    for entry in (entry for found in lists if found for entry in found):
        pid, memory = int(entry.pid), entry.usedGpuMemory
        known = held.get(pid)
        held[pid] = known if memory is None else max(int(memory), known or 0)
    return tuple(Program(pid, _program(pid), memory) for pid, memory in held.items())


def _program(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return ""


def _share(profile: str, most: int) -> float:
    """Return a slice's part of the board: `3g` of an A100 is 3 of 7, `1c.3g` 1 of 7."""
    match = _PROFILE.search(profile)
    if not match or not most:
        return 1.0
    return min(1.0, int(match[1] or match[2]) / most)


def _optional(call: Callable[..., Any], *arguments: object) -> Any:
    """Return what a query gives, or None where this GPU or driver has no answer to it.

    Raises:
        NVMLError: The GPU itself is gone.
    """
    import pynvml

    try:
        return call(*arguments)
    except pynvml.NVMLError as error:
        if error.value in driver.GONE:
            raise
        return None


def _first(handle: Any, call: str, versions: Sequence[object]) -> Any:
    """Return what the first of a query's versions gives that this driver has."""
    import pynvml

    answers = (_optional(getattr(pynvml, call.format(version)), handle) for version in versions)
    return next((answer for answer in answers if answer is not None), None)


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _unsliced(index: int, name: str) -> Unusable:
    return Unusable(
        index,
        name,
        "mig",
        "MIG is on but the board has no slice, so no program can use it.",
        f"Cut slices: `sudo nvidia-smi mig -i {index} -cgi 0 -C` (one slice of the whole board), "
        f"or turn MIG off: `sudo nvidia-smi -i {index} -mig 0`.",
    )


def _too_old(gpu: Gpu) -> Unusable:
    assert gpu.capability is not None
    return Unusable(
        gpu.index,
        gpu.name,
        "old",
        f"It is too old: compute capability {gpu.capability[0]}.{gpu.capability[1]}, and torch "
        f"needs {OLDEST[0]}.{OLDEST[1]}.",
        "Nothing to mend: train on the CPU or on another GPU.",
    )
