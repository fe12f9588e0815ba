"""One finding of the doctor, and how it writes sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """One finding of the doctor.

    Attributes:
        name: What was looked at.
        result: pass, warn (works, with a limit) or fail (something will not work).
        what: What was found, and what it means.
        fix: The command or step that mends it; empty when nothing needs mending.
    """

    name: str
    result: Literal["pass", "warn", "fail"]
    what: str
    fix: str = ""


def gib(size: float) -> str:
    """Return a number of bytes in GiB, with one decimal, without the unit."""
    return f"{size / (1 << 30):.1f}"
