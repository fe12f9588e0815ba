"""Bars, and the strip that shows the box: GPUs where there are any, else processor and memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from textual.markup import escape

from tui.widgets.canvas import Canvas, Line, Part
from tui.widgets.spark import spark
from tui.words import fit, literal, share, size

if TYPE_CHECKING:
    from engine.base.hardware.machine import Gpu


class Load(NamedTuple):
    """One reading of the box, with the recent past.

    Attributes:
        cpu: The processor's name.
        cores: Cores that this process may use.
        busy: Busy share of all cores over the last readings, 0 to 100, oldest first.
        memory: Main memory in bytes.
        memory_used: Main memory in use, in bytes.
        disk_free: Free bytes of the workspace's disk.
        gpus: Each GPU and its busy share over the last readings.
        gpu_problem: Why there is no GPU; empty when there is one.
    """

    cpu: str
    cores: int
    busy: tuple[float, ...]
    memory: int
    memory_used: int
    disk_free: int
    gpus: tuple[tuple[Gpu, tuple[float, ...]], ...]
    gpu_problem: str


def bar(part: float, width: int, tone: str = "active") -> list[Part]:
    """Return a bar of `width` cells, filled to `part` (0 to 1) in half cells."""
    halves = round(min(1.0, max(0.0, part)) * width * 2)
    full, half = divmod(halves, 2)
    filled = "━" * full + "╸" * half
    return [(filled, tone), ("━" * (width - full - half), "faint")]


def pressure(part: float) -> str:
    """Return the tone of a share in use: calm, then a warning from 85 %, then alarm from 95 %."""
    return "bad" if part >= 0.95 else "warn" if part >= 0.85 else "active"


class MachineStrip(Canvas):
    """What the box is doing, one line for each device."""

    load: Load | None = None

    def show(self, load: Load | None) -> None:
        """Take a new reading."""
        if load is not None and load != self.load:
            self.load = load
            self.border_title = escape(
                f"Machine: {load.gpu_problem}" if load.gpu_problem else "Machine"
            )
            self.repaint()

    def paint(self, y: int) -> Line:
        """Return the line of one device."""
        if self.load is None:
            return [("Reading the machine …", "quiet")] if y == 0 else ()
        width = self.size.width
        if self.load.gpus:
            return gpu_line(*self.load.gpus[y], width) if y < len(self.load.gpus) else ()
        return (processor_line(self.load, width), memory_line(self.load, width))[y] if y < 2 else ()


def gpu_line(gpu: Gpu, busy: Sequence[float], width: int) -> Line:
    """Return utilisation, memory, temperature and power of one GPU on one line."""
    used = gpu.total - gpu.free
    tail = "".join(
        f"  {value:.0f} {unit}"
        for value, unit in ((gpu.temperature, "°C"), (gpu.watts, "W"))
        if value is not None
    )
    part = share(used, gpu.total)
    name, past, room = (16, 20, min(40, width - 100)) if width >= 110 else (10, 8, 8)
    return [
        (f"GPU {gpu.index}  ", "strong"),
        (fit(literal(gpu.name).removeprefix("NVIDIA "), name) + " ", "quiet"),
        (spark(busy, past, 0, 100), "active"),
        (f" {gpu.utilisation or 0:3d} %  ", ""),
        *bar(part, room, pressure(part)),
        (f" {size(used)} of {size(gpu.total)}", ""),
        (tail, "quiet"),
    ]


def processor_line(load: Load, width: int) -> Line:
    """Return how busy the cores are, and what they are."""
    busy = load.busy[-1] if load.busy else 0.0
    cores = f"{load.cores} core{'s' if load.cores != 1 else ''}"
    return [
        ("CPU     ", "strong"),
        (spark(load.busy, _width(width), 0, 100), "active"),
        (f" {busy:3.0f} %", ""),
        (f"   {cores} · {literal(load.cpu)}", "quiet"),
    ]


def memory_line(load: Load, width: int) -> Line:
    """Return how much of the main memory is in use."""
    part = share(load.memory_used, load.memory)
    return [
        ("Memory  ", "strong"),
        *bar(part, _width(width), pressure(part)),
        (f" {100 * part:3.0f} %", ""),
        (f"   {size(load.memory_used)} of {size(load.memory)}", "quiet"),
    ]


def _width(width: int) -> int:
    return max(12, min(40, width // 4))
