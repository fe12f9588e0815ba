"""A little disk kept for the end: what a job's last words need when nothing else is free."""

from __future__ import annotations

import os
from pathlib import Path

_BYTES = 512 * 1024  # a few pages of the store, its write-ahead log's among them


def hold(place: Path) -> None:
    """Take the space; where there is none, there is none to keep."""
    try:
        with place.open("wb") as out:
            out.write(bytes(_BYTES))
            os.fsync(out.fileno())
    except OSError:
        release(place)


def release(place: Path) -> None:
    """Give the space back."""
    place.unlink(missing_ok=True)
