"""A GPU's gauges during load, read as the doctor and the monitor read them."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Sequence
from typing import Any, Self

from engine.base.hardware import machine
from engine.base.hardware.gpu import Gpu

_SECONDS = 0.5


class Gauges:
    """Reads the GPU that this process sees, twice a second, in a thread of its own.

    Use it as a context manager; `summary` says what was seen.
    """

    def __init__(self) -> None:
        self._before = _read()
        self._seen: list[Gpu] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gauges", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def summary(self) -> dict[str, Any]:
        """Return the highest, the usual and the last of each gauge; empty without a GPU."""
        return summary(self._before, self._seen)

    def _watch(self) -> None:
        while not self._over.wait(_SECONDS):
            if (gpu := _read()) is not None:
                self._seen.append(gpu)


def summary(before: Gpu | None, seen: Sequence[Gpu]) -> dict[str, Any]:
    """Return what samples of one GPU say; a gauge that it has not is None.

    Args:
        before: A sample from before the load, whose memory in use is not counted.
        seen: The samples.
    """
    if before is None or not seen:
        return {}
    used = [gpu.total - gpu.free for gpu in seen]
    watts = [gpu.watts for gpu in seen if gpu.watts is not None]
    busy = [gpu.utilisation for gpu in seen if gpu.utilisation is not None]
    heat = [gpu.temperature for gpu in seen if gpu.temperature is not None]
    return {
        "samples": len(seen),
        "nvml_bytes": max(used) - (before.total - before.free),
        "busy": max(busy, default=None),
        "watts": statistics.median(watts) if watts else None,
        "most_watts": max(watts, default=None),
        "degrees": max(heat, default=None),
        "slowdown": sorted({reason for gpu in seen for reason in gpu.slowdown}),
    }


def _read() -> Gpu | None:
    gpus, _ = machine.gpus_by_nvml()
    return gpus[0] if gpus else None
