"""The CPU: its name, the cores this process may use, and the instructions that matter here."""

from __future__ import annotations

import math
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

from engine.base.hardware import cgroup

# The kernel's names of instruction sets (x86: `flags`, ARM: `Features`) and those people know.
_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX512",
    "avx512_vnni": "AVX512-VNNI",
    "avx512_bf16": "AVX512-BF16",
    "amx_tile": "AMX",
    "amx_bf16": "AMX-BF16",
    "amx_int8": "AMX-INT8",
    "asimd": "NEON",
    "sve": "SVE",
    "sve2": "SVE2",
    "i8mm": "I8MM",
    "bf16": "BF16",
}
_BF16 = frozenset({"AVX512-BF16", "AMX-BF16", "BF16"})
# ARM gives numbers for a name: implementer and part (Arm's and Ampere's reference manuals).
_ARM = {
    ("0x41", "0xd08"): "Arm Cortex-A72",
    ("0x41", "0xd0b"): "Arm Cortex-A76",
    ("0x41", "0xd0c"): "Arm Neoverse N1",
    ("0x41", "0xd40"): "Arm Neoverse V1",
    ("0x41", "0xd49"): "Arm Neoverse N2",
    ("0x41", "0xd4f"): "Arm Neoverse V2",
    ("0xc0", "0xac3"): "Ampere-1",
    ("0xc0", "0xac4"): "Ampere-1A",
}


@dataclass(frozen=True)
class Processor:
    """The CPU.

    Attributes:
        name: The maker's name of it.
        architecture: x86_64, aarch64 or another.
        physical: Physical cores of the box, or None where the kernel does not tell.
        logical: Cores that the kernel schedules on, hyper-threads counted.
        usable: Cores this process may use: of those its affinity allows, what its quota pays for.
        quota: Cores' worth of time that its control group allows, or None without a limit.
        features: The instruction sets that speed training up, in the usual spelling.
    """

    name: str
    architecture: str
    physical: int | None
    logical: int
    usable: int
    quota: float | None
    features: tuple[str, ...]

    @property
    def bf16(self) -> bool:
        """Whether it multiplies bfloat16 itself."""
        return not _BF16.isdisjoint(self.features)


def read(root: Path = Path("/")) -> Processor:
    """Return the CPU of this box.

    Args:
        root: Where the box's `/proc` and `/sys` are found.
    """
    facts, cores = _cpuinfo(root)
    logical = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    quota = cgroup.cores(root)
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    return Processor(
        name=_name(facts),
        architecture=platform.machine(),
        physical=cores or psutil.cpu_count(logical=False),
        logical=logical,
        usable=allowed if quota is None else max(1, min(allowed, math.ceil(quota))),
        quota=quota,
        features=tuple(name for flag, name in _FEATURES.items() if flag in flags),
    )


def _cpuinfo(root: Path) -> tuple[dict[str, str], int]:
    """Return what the kernel says of the first core, and how many physical cores there are."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}, 0
    first: dict[str, str] = {}
    cores: set[tuple[str, str]] = set()
    socket = ""
    for line in text.splitlines():
        name, _, value = (part.strip() for part in line.partition(":"))
        first.setdefault(name, value)
        if name == "physical id":
            socket = value
        elif name == "core id":
            cores.add((socket, value))
    return first, len(cores)


def _name(facts: dict[str, str]) -> str:
    arm = (facts.get("CPU implementer", ""), facts.get("CPU part", ""))
    return (
        facts.get("model name")
        or _ARM.get(arm)
        or platform.processor()
        or f"{platform.machine()} processor"
    )
