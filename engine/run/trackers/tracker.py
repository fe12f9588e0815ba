"""What every tracker's adapter can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from engine.run.trackers.described import Outcome


class Tracker(Protocol):
    """A run in a tracker, open for points.

    Attributes:
        id: The name by which the tracker finds the run again.
    """

    id: str

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of a step; steps never go back within a series."""

    def flush(self) -> None:
        """Hand over what was taken."""

    def close(self, outcome: Outcome) -> None:
        """Hand over the rest, and say how the session ended."""
