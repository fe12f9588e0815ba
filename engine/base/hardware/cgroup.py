"""The limits of this process's control groups: what a container or a batch system lets it take.

The kernel's /proc tells a container about the whole host; its share stands in the cgroup files.
Version 1 and 2, and every level of the hierarchy, count (Linux: admin-guide/cgroup-v2, cgroup-v1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.base.hardware import mounts


@dataclass(frozen=True)
class Room:
    """The memory that the control groups leave.

    Attributes:
        limit: The lowest limit of any level, in bytes.
        free: Bytes that may still be taken at the fullest level; cached files count as free.
    """

    limit: int
    free: int


def cores(root: Path = Path("/")) -> float | None:
    """Return how many cores' time this process may use, or None without a limit.

    Args:
        root: Where the box's `/proc` and `/sys` are found.
    """
    quotas = []
    for folder, second in _levels("cpu", root):
        if second:
            words = _text(folder / "cpu.max").split()
        else:
            words = [_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
            quotas.append(int(words[0]) / int(words[1]))
    return min((quota for quota in quotas if quota > 0), default=None)


def memory(root: Path = Path("/")) -> Room | None:
    """Return the memory that the control groups leave, or None without a limit.

    Args:
        root: Where the box's `/proc` and `/sys` are found.
    """
    rooms = [room for folder, second in _levels("memory", root) if (room := _room(folder, second))]
    if not rooms:
        return None
    return Room(min(room.limit for room in rooms), max(0, min(room.free for room in rooms)))


def _room(folder: Path, second: bool) -> Room | None:
    """Return the room of one level; `memory.high` counts, as a process above it is held still."""
    names = ("memory.max", "memory.high") if second else ("memory.limit_in_bytes",)
    limits = [number for name in names if (number := _number(folder / name)) is not None]
    used = _number(folder / ("memory.current" if second else "memory.usage_in_bytes"))
    if not limits:
        return None
    prefix = "" if second else "total_"
    wanted = {f"{prefix}inactive_file", f"{prefix}active_file"}
    lines = (line.split() for line in _text(folder / "memory.stat").splitlines())
    cached = sum(int(line[1]) for line in lines if len(line) == 2 and line[0] in wanted)
    return Room(min(limits), min(limits) - max(0, (used or 0) - cached))


def _levels(controller: str, root: Path) -> Iterator[tuple[Path, bool]]:
    """Give this process's folder of a controller and those above it; whether it is version 2."""
    mine: dict[str, str] = {}
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, names, path = [*line.split(":", 2), "", ""][:3]
        mine |= dict.fromkeys(names.split(","), path)  # version 2 has no name
    for mount in mounts.read(root):
        second = mount.kind == "cgroup2"
        name = "" if second else controller
        if (not second and mount.kind != "cgroup") or name not in mine:
            continue
        if not second and controller not in mount.options.split(","):
            continue
        top = root / mount.point.lstrip("/")
        inner = _below(mine[name], mount.inner)
        folder = top / inner
        while True:
            yield folder, second
            if folder == top:
                break
            folder = folder.parent


def _below(path: str, inner: str) -> str:
    """Return a group's path below the mounted one; the mounted one itself where it is not below."""
    inner = inner.rstrip("/")
    if ".." in path.split("/") or (path != inner and not path.startswith(f"{inner}/")):
        return ""
    return path[len(inner) :].strip("/")


def _number(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.isdecimal() else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
