"""Weights & Biases: offline in the run's folder unless `WANDB_MODE` says otherwise."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

from engine.run.trackers.described import Described, Outcome

_START_SECONDS, _FINISH_SECONDS = 60, 60


class Tracker:
    """A W&B run. What W&B would add by itself (code, host, packages, console) is left out.

    Args:
        described: The run.
        known: The W&B run's id from an earlier session; empty for a new one.
    """

    def __init__(self, described: Described, known: str) -> None:
        import wandb

        self.id = known or secrets.token_hex(4)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", described.project),
            name=described.name,
            id=self.id,
            resume="allow",
            dir=os.environ.get("WANDB_DIR", described.folder),
            config=dict(described.values),
            settings=wandb.Settings(
                console="off",
                disable_code=True,
                disable_git=True,
                host="-",
                save_code=False,
                silent=True,
                init_timeout=_START_SECONDS,
                finish_timeout=_FINISH_SECONDS,
                x_disable_machine_info=True,
                x_disable_meta=True,
                x_disable_stats=True,
                x_save_requirements=False,
            ),
        )

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of a step; W&B sends them in a process of its own."""
        self._run.log(dict(values), step=step)

    def flush(self) -> None:
        """Do nothing: W&B has them."""

    def close(self, outcome: Outcome) -> None:
        """Finish; any outcome but done counts as a crash there."""
        self._run.finish(exit_code=0 if outcome == "done" else 1)
