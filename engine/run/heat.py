"""Whether a board is too hot or slowed down while it trains; each is said once, with advice.

Pure functions of `Gauges`' readings.
"""

from __future__ import annotations

from collections.abc import Iterable

_NEAR = 3.0  # degrees below the slowdown temperature
_READINGS = 5  # in a row, so that one high reading says nothing
# Bits of NVML's clock event reasons (nvml.h, nvmlClocksEventReason*). Its power cap, 0x04, is not
# among them: a board that works hard runs into it, as it should.
_HEAT, _POWER_BRAKE, _HARDWARE = 0x20 | 0x40, 0x80, 0x08
_HOT = "The board is hot: "
_SLOW = "The board is slowed down "
_COOL = "Look at its fans, filters and the room's air"


class Heat:
    """Judges the readings of one run's board as they come.

    Args:
        slowdown_at: Degrees Celsius at which the board lowers its clocks, or None where not told.
        said: What earlier sessions of the run said; that is not said again.
    """

    def __init__(self, slowdown_at: float | None, said: Iterable[str] = ()) -> None:
        self._slowdown_at = slowdown_at
        self._hot = self._slow = 0
        earlier = tuple(said)
        self._silent = {
            start for start in (_HOT, _SLOW) if any(text.startswith(start) for text in earlier)
        }

    def seen(self, temperature: float | None, reasons: int) -> list[str]:
        """Take one reading; return what it is worth saying, in sentences.

        Args:
            temperature: Degrees Celsius, or None where not told.
            reasons: NVML's bits of what holds the clocks down.
        """
        limit = self._slowdown_at
        near = limit is not None and temperature is not None and temperature >= limit - _NEAR
        self._hot = self._hot + 1 if near else 0
        why = cause(reasons)
        self._slow = self._slow + 1 if why else 0
        found = []
        if self._hot >= _READINGS:
            found += self._once(
                _HOT,
                f"{temperature:.0f} °C, and it slows itself down at {limit:.0f} °C. {_COOL}, or "
                "lower its power: `sudo nvidia-smi -pl WATTS`.",
            )
        if self._slow >= _READINGS:
            found += self._once(_SLOW, why)
        return found

    def _once(self, start: str, rest: str) -> list[str]:
        if start in self._silent:
            return []
        self._silent.add(start)
        return [start + rest]


def cause(reasons: int) -> str:
    """Return what slows a board down and the way out, as the end of a sentence; empty for nothing.

    Args:
        reasons: NVML's bits.
    """
    if reasons & _HEAT:
        return f"by heat, so steps take longer than they need. {_COOL}; training goes on."
    if reasons & _POWER_BRAKE:
        return (
            "because the box's power supply brakes it. Check the supply and the board's power "
            "cables, or let fewer boards work at once; training goes on."
        )
    if reasons & _HARDWARE:
        return (
            "by its own hardware: too hot, or too much power. `nvidia-smi -q -d PERFORMANCE` "
            "says which; training goes on."
        )
    return ""
