"""The doctor's lines about GPUs: which one jobs take, what each can do, what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.base.doctor.check import Check, gib
from engine.base.hardware.gpu import Gpu, Program, Unusable
from engine.base.hardware.machine import Machine
from engine.base.hardware.torch_build import TorchBuild, mismatch

_NAMED_PROGRAMS = 3
_LITTLE_FREE = 0.5


def checks(box: Machine, build: TorchBuild | None) -> Iterator[Check]:
    """Give a summary called GPU, then a line for each GPU that is there.

    Args:
        box: The reading of the box.
        build: The installed torch, or None without one.
    """
    yield _summary(box, build)
    for gpu in box.gpus:
        yield _gpu(gpu)
    for other in box.unusable:
        yield _unusable(other)


def _summary(box: Machine, build: TorchBuild | None) -> Check:
    gpu = box.gpu
    if gpu is None:
        return Check(
            "GPU",
            "warn",
            f"none to use: {box.gpu_problem}. Training runs on the CPU: fine for models up to "
            "about 0.5 billion parameters, a hundred times slower than a GPU for larger ones",
            box.gpu_fix
            or "Nothing to mend for the demo; for larger models use a box with an NVIDIA GPU.",
        )
    cuda = f", runs CUDA up to {box.cuda[0]}.{box.cuda[1]}" if box.cuda else ""
    windows = " (of Windows; this is WSL)" if box.wsl else ""
    choice = " (the one with the most free memory)" if len(box.gpus) > 1 else ""
    found = f"jobs take {gpu.device}, {gpu.name}{choice}; driver {box.driver}{windows}{cuda}"
    if build and (wrong := mismatch(build, box.cuda, gpu.capability)):
        return Check("GPU", "fail", f"{found}; but {wrong[0]}", wrong[1])
    fits = f"; torch {build.version} fits" if build else ""
    return Check("GPU", "pass", f"{found}{fits}")


def _gpu(gpu: Gpu) -> Check:
    told = (_board(gpu), _abilities(gpu), _state(gpu), _programs(gpu.programs))
    troubles = list(_troubles(gpu))
    what = "; ".join(filter(None, (*told, *(trouble for trouble, _ in troubles))))
    fix = " ".join(fix for _, fix in troubles if fix)
    if troubles and not fix:
        fix = "Nothing to mend: GPUs have them from compute capability 8.0 on."
    return Check(gpu.device, "warn" if troubles else "pass", what, fix)


def _troubles(gpu: Gpu) -> Iterator[tuple[str, str]]:
    """Give what is wrong with a GPU and what mends it; nothing mends its age."""
    if slow := [word for word in gpu.slowdown if word != "its power limit"]:
        yield (
            f"slowed down now by {' and '.join(slow)}",
            f"Clear its air paths, or lower its power: `sudo nvidia-smi -i {gpu.index} -pl WATTS`."
            if slow == ["heat"]
            else "Check its power supply and cables.",
        )
    if gpu.free < _LITTLE_FREE * gpu.total and not gpu.shares_memory:
        yield (
            "more than half of its memory is taken",
            "End the programs that use it: `nvidia-smi` lists them.",
        )
    if gpu.bf16 is False:
        yield (
            "no bfloat16 and no FlashAttention: float32 is slower and takes twice the memory",
            "",
        )


def _board(gpu: Gpu) -> str:
    version = ".".join(map(str, gpu.capability)) if gpu.capability else ""
    return (
        gpu.name
        + (f", compute capability {version}" if version else "")
        + f", {gib(gpu.free)} of {gib(gpu.total)} GiB free"
        + (" (it shares the main memory)" if gpu.shares_memory else "")
        + (f", {100 * gpu.share:.0f} % of the board" if gpu.slice is not None else "")
    )


def _abilities(gpu: Gpu) -> str:
    if gpu.flash_attention:
        return f"bfloat16 and FlashAttention {gpu.flash_attention}"
    return ""


def _state(gpu: Gpu) -> str:
    parts = []
    if gpu.utilisation is not None:
        parts.append(f"{gpu.utilisation} % busy")
    if gpu.temperature is not None:
        slows = f" (slows down at {gpu.slowdown_at})" if gpu.slowdown_at else ""
        parts.append(f"{gpu.temperature} °C{slows}")
    if gpu.watts is not None:
        limit = f" of {gpu.power_limit:.0f}" if gpu.power_limit else ""
        parts.append(f"{gpu.watts:.0f}{limit} W")
    elif gpu.power_limit:
        parts.append(f"up to {gpu.power_limit:.0f} W")
    if "its power limit" in gpu.slowdown:
        parts.append("at its power limit")
    parts.append("measures energy" if gpu.energy else "no energy counter: energy is estimated")
    return ", ".join(parts)


def _programs(programs: tuple[Program, ...] | None) -> str:
    if programs is None:
        return "the driver does not tell who uses it"
    if not programs:
        return ""
    largest = sorted(programs, key=lambda program: -(program.memory or 0))
    told = ", ".join(map(_program, largest[:_NAMED_PROGRAMS]))
    more = len(largest) - _NAMED_PROGRAMS
    return f"used by {told}" + (f" and {more} more" if more > 0 else "")


def _program(program: Program) -> str:
    name = program.name or "a process this user cannot see"
    held = "" if program.memory is None else f", {gib(program.memory)} GiB"
    return f"{name} (pid {program.pid}{held})"


def _unusable(other: Unusable) -> Check:
    name = f"{other.name}: " if other.name else ""
    return Check(
        f"gpu{other.index}",
        "fail" if other.kind == "fault" else "warn",
        f"{name}not usable. {other.what}",
        other.fix,
    )
