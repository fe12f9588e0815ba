"""Trackio: its files are in the workspace, and nothing goes to a Space."""

from __future__ import annotations

from collections.abc import Mapping

from engine.run.trackers.described import Described, Outcome


class Tracker:
    """A Trackio run, found again by its name.

    Args:
        described: The run.
        known: Not needed.
    """

    def __init__(self, described: Described, known: str) -> None:  # noqa: ARG002 - all alike
        import trackio

        self.id = described.name
        self._run = trackio.init(
            project=described.project,
            name=described.name,
            config=dict(described.values),
            resume="allow",
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of a step; Trackio writes them in a thread of its own."""
        self._run.log(dict(values), step=step)

    def flush(self) -> None:
        """Do nothing: Trackio has them, and writes within half a second."""

    def close(self, _outcome: Outcome) -> None:
        """Write the rest; Trackio keeps no word on how a run ended."""
        self._run.finish()
