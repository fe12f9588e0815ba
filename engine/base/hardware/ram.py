"""Main memory: the box's, and what of it this process may take."""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass
from pathlib import Path

import psutil

from engine.base.hardware import cgroup

# Address space that the libraries of a job reserve and never fill, which `ulimit -v` counts all the
# same: measured 2.0 GB with torch 2.13, Transformers 5.23, TRL 1.16 and two threads.
_LIBRARIES, _THREAD = 1_850_000_000, 70_000_000


@dataclass(frozen=True)
class Ram:
    """Main memory, in bytes.

    Attributes:
        total: What this process may take at most: the box's, or less where it is limited.
        free: What a job may fill now without another program being pushed out.
        swap: The box's swap.
        swap_free: The swap that is free.
        box: The box's memory.
        limited_by: What limits this process below the box, in words; empty where nothing does.
    """

    total: int
    free: int
    swap: int
    swap_free: int
    box: int
    limited_by: str


def read(root: Path = Path("/")) -> Ram:
    """Return the memory of this box and process now.

    Args:
        root: Where the box's `/proc` and `/sys` are found.
    """
    total, available, swap, swap_free = _box(root)
    limit, free, limited_by = total, available, ""
    if (room := cgroup.memory(root)) and room.limit < limit:
        limit, free = room.limit, min(free, room.free)
        limited_by = "its control group (a container or batch system)"
    elif room:
        free = min(free, room.free)
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if space != resource.RLIM_INFINITY:
        if space < limit:
            part = f"{_reserved() / (1 << 30):.1f} GiB"
            limited_by = f"`ulimit -v` of this shell (a job's libraries reserve {part} of it)"
            limit = space
        free = min(free, max(0, space - max(_address_space(), _reserved())))
    return Ram(limit, free, swap, swap_free, total, limited_by)


def _box(root: Path) -> tuple[int, int, int, int]:
    """Return total, available, swap and free swap, by the kernel or else by psutil."""
    found: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError):
        for line in (root / "proc/meminfo").read_text(encoding="utf-8").splitlines():
            name, _, rest = line.partition(":")
            found[name] = int(rest.split()[0]) * 1024
    wanted = ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")
    if all(name in found for name in wanted):
        return found[wanted[0]], found[wanted[1]], found[wanted[2]], found[wanted[3]]
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return memory.total, memory.available, swap.total, swap.free


def _reserved() -> int:
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    return _LIBRARIES + _THREAD * (len(allowed) or os.cpu_count() or 1)


def _address_space() -> int:
    """Return the bytes of address space this process has, which `ulimit -v` counts."""
    return int(psutil.Process(os.getpid()).memory_info().vms)
