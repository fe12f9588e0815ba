"""What the board shows while a run trains, through NVML: how busy, how warm, and its power.

One handle is kept and no second is asked for twice. A field that the board does not tell is left
out, and a board that is lost tells nothing: the training itself will say so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

_PERIOD_SECONDS = 1.0  # NVML's utilisation is itself a mean over up to a second


class Gauges:
    """Reads one device from now on; on a CPU there is nothing to read.

    A MIG slice has its board's temperature, but no utilisation or energy of its own: what the board
    tells of those belongs to all slices, so it is left out.

    Args:
        device: As jobs name it: `cpu`, `gpu0`, or `gpu0.1` for a slice.
        period: Seconds that a reading lasts.

    Attributes:
        slowdown_at: Degrees Celsius at which the board lowers its clocks, or None where not told.
        reasons: NVML's bits of what held the clocks down at the last reading; 0 where not told.
    """

    def __init__(self, device: str, period: float = _PERIOD_SECONDS) -> None:
        self.slowdown_at: int | None = None
        self.reasons = 0
        self._period = period
        self._sliced = "." in device
        self._read_at = float("-inf")
        self._watts: float | None = None
        self._watts_at = 0.0
        self._integral: float | None = None
        self._counted: int | None = None
        self._board = _board(device)
        if self._board is None:
            return
        import pynvml

        self.slowdown_at = _ask(
            pynvml.nvmlDeviceGetTemperatureThreshold,
            self._board,
            pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN,
        )
        if not self._sliced:
            self._counted = _ask(pynvml.nvmlDeviceGetTotalEnergyConsumption, self._board)
            self._draw()

    def read(self) -> dict[str, float]:
        """Return the points of our series; empty while the last reading is young.

        They are `gpu_utilisation` (0 to 1), `gpu_temperature` (degrees Celsius) and `gpu_watts`.
        """
        now = time.monotonic()
        if self._board is None or now - self._read_at < self._period:
            return {}
        import pynvml

        self._read_at = now
        self.reasons = _reasons(self._board)
        rates = _ask(pynvml.nvmlDeviceGetUtilizationRates, self._board)
        found = {
            "gpu_utilisation": None if rates is None or self._sliced else rates.gpu / 100,
            "gpu_temperature": _ask(
                pynvml.nvmlDeviceGetTemperature, self._board, pynvml.NVML_TEMPERATURE_GPU
            ),
            "gpu_watts": None if self._sliced else self._draw(),
        }
        return {name: float(value) for name, value in found.items() if value is not None}

    def joules(self) -> float | None:
        """Return the energy that the board took since this object was made.

        By the board's own counter, else by the readings of its power; None where it tells neither.
        """
        if self._board is None or self._sliced:
            return None
        if self._counted is not None:
            import pynvml

            counted = _ask(pynvml.nvmlDeviceGetTotalEnergyConsumption, self._board)
            return None if counted is None else float(counted - self._counted) / 1000
        self._draw()
        return self._integral

    def _draw(self) -> float | None:
        """Return the power in watts; its integral goes on."""
        import pynvml

        now, milliwatts = time.monotonic(), _ask(pynvml.nvmlDeviceGetPowerUsage, self._board)
        if milliwatts is None:
            return None
        watts = float(milliwatts) / 1000
        if self._watts is None:
            self._integral = 0.0
        elif self._integral is not None:
            self._integral += (self._watts + watts) / 2 * (now - self._watts_at)
        self._watts, self._watts_at = watts, now
        return watts


def _board(device: str) -> Any:
    """Return NVML's handle of a device's board; None on a CPU or without a driver.

    NVML stays open until the process ends; jobs are processes of their own.
    """
    if not device.startswith("gpu"):
        return None
    import pynvml

    index = int(device.removeprefix("gpu").partition(".")[0])
    try:
        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError:
        return None


def _reasons(board: Any) -> int:
    import pynvml

    # drivers before 535 have the older name only
    for name in ("Event", "Throttle"):
        bits = _ask(getattr(pynvml, f"nvmlDeviceGetCurrentClocks{name}Reasons"), board)
        if bits is not None:
            return int(bits)
    return 0


def _ask(call: Callable[..., Any], *arguments: object) -> Any:
    """Return what a query gives, or None where the board has no answer to it."""
    import pynvml

    try:
        return call(*arguments)
    except pynvml.NVMLError:
        return None
