"""Figures, states and foreign text as words for the screen; pure, imports no Textual."""

from __future__ import annotations

import re
import time

from rich.cells import cell_len, set_cell_size

# State of a job -> the symbol that says it without colour, and the style class that colours it.
STATES = {
    "queued": ("○", "quiet"),
    "waiting": ("○", "quiet"),
    "running": ("●", "active"),
    "done": ("✓", "good"),
    "failed": ("✗", "bad"),
    "paused": ("‖", "warn"),
    "stopped": ("■", "warn"),
    "lost": ("?", "bad"),
}
# Kind of a job -> what the screens call it.
KINDS = {
    "data": "data",
    "fit": "fit",
    "trial": "trial",
    "rates": "rates",
    "train": "training",
    "sweep": "sweep",
    "eval": "eval",
    "export": "export",
}
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def state(name: str | None) -> str:
    """Return a job's state as symbol and word, as in `● running`."""
    return f"{STATES.get(name or '', ('·', ''))[0]} {name or 'unknown'}"


def tone(name: str | None) -> str:
    """Return the style class of a state: quiet, active, good, warn or bad."""
    return STATES.get(name or "", ("", "quiet"))[1]


def literal(text: object) -> str:
    """Return foreign text on one line, with what would steer the terminal shown as `·`."""
    return _CONTROL.sub("·", str(text).replace("\t", " ").replace("\n", " "))


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return text in exactly `width` cells: padded, or cut with an ellipsis."""
    if width <= 0:
        return ""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - length) + text if right else text + " " * (width - length)


def size(count: float) -> str:
    """Return bytes in decimal units, as disks and model hubs count them: `1.3 GB`."""
    for unit in _UNITS:
        if abs(count) < 999.5 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit in ("B", "kB") or count >= 99.5 else f"{count:.1f} {unit}"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units: `48 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def clock(seconds: float) -> str:
    """Return a length of time as a clock shows it: `0:48`, `12:30`, `2:10:05`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def left(seconds: float, error: float | None = None) -> str:
    """Return the time that is left, with its error where that is known: `12:30 left ± 0:40`.

    Args:
        seconds: The prediction.
        error: Half the width of its interval, in seconds.
    """
    text = f"{clock(seconds)} left"
    return text if error is None else f"{text} ± {clock(error)}"


def energy(joules: float) -> str:
    """Return energy as a bill counts it: `3.4 Wh`, `1.2 kWh`."""
    hours = joules / 3600
    return f"{hours / 1000:.1f} kWh" if hours >= 1000 else f"{hours:.1f} Wh"


def ago(at: float, now: float | None = None) -> str:
    """Return how long ago a moment was, in one unit: `just now`, `5 min ago`, `12 d ago`."""
    seconds = max(0.0, (time.time() if now is None else now) - at)
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 86_400:
        return f"{seconds // 3600:.0f} h ago"
    return f"{seconds // 86_400:.0f} d ago"


def figure(value: float) -> str:
    """Return a number in about four characters: `0.0312`, `1.62e-4`, `6,812`."""
    magnitude = abs(value)
    if value == 0:
        return "0"
    if value != value or magnitude == float("inf"):  # noqa: PLR0124 - NaN is unlike itself
        return "not a number" if value != value else "infinite"  # noqa: PLR0124
    if magnitude >= 1000:
        return f"{value:,.0f}"
    if magnitude >= 100:
        return f"{value:.0f}"
    if magnitude >= 0.01:
        return f"{value:.3g}" if magnitude >= 1 else f"{value:.3f}"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def share(part: float, whole: float) -> float:
    """Return part of whole from 0 to 1; 0 when the whole is not known yet."""
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0


def plain(value: object) -> str:
    """Return a setting's value for people: `yes`, `0.001`, `1200`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,g}" if isinstance(value, float) else str(value)
