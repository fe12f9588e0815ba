"""What a compatibility check finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Clash:
    """Two things that do not go together.

    Attributes:
        what: What clashes, in one sentence.
        fix: What would work instead.
        fatal: Whether the training or its export cannot succeed; else it is a trap to know of.
        where: The file or the setting that says so.
    """

    what: str
    fix: str
    fatal: bool
    where: str

    @property
    def reason(self) -> str:
        """What, the place and the way out, as one line for a gate."""
        text = f"{self.what.removesuffix('.')} ({self.where}). {self.fix}"
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())
