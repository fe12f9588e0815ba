"""Figures as words, for the documents."""

from __future__ import annotations


def count(parameters: int) -> str:
    """Return a number of weights: `1.54 billion`, `135 million`, `12 thousand`."""
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if parameters >= size:
            figure = f"{parameters / size:.2f}" if size == 1e9 else f"{parameters / size:.3g}"
            return f"{figure} {word}"
    return str(parameters)


def duration(seconds: float) -> str:
    """Return a length of time: `2 h 5 min`, `3 min 5 s`, `48 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def amount(size: float) -> str:
    """Return bytes in decimal units: `3.21 GB`, `340 MB`."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
