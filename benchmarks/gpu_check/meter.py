"""A watcher without a job, which keeps losses and times steps.

Imported inside a part's process only, because it needs `torch` and `transformers`.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import torch

from engine.run.checkpoints import Totals
from engine.run.forecast import Forecast
from engine.run.views import Views
from engine.run.watcher import Watcher

WARM, STEPS = 2, 8  # steps not timed; the fewest in all
# Seconds of timed steps: as many as a GPU's gauges need to show the load, and the most.
_LEAST_SECONDS, _MOST_SECONDS = 4.0, 25.0


class Meter(Watcher):
    """Times the steps after the first two, then ends the training.

    Args:
        folder: Where the trainer works.
        ends: Whether it ends the training; if not, nothing is timed.
        each: Tokens of a step, where the trainer does not count them; 0 where it does.

    Attributes:
        losses: The loss of every step.
    """

    def __init__(self, folder: Path, *, ends: bool = True, each: int = 0) -> None:
        super().__init__(None, 0, folder, None, Totals(), Views(Forecast(())))  # type: ignore[arg-type]
        self.losses: list[float] = []
        self._ends = ends
        self._each = each
        self._marks: list[tuple[float, int]] = []

    @property
    def tokens_per_second(self) -> float:
        """The speed of the timed steps."""
        (began, before), (ended, after) = self._marks[0], self._marks[-1]
        return (after - before) / (ended - began)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Do nothing: there is no run to tell."""

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Take the time when the device has done the step."""
        step = state.global_step
        if self._ends and step >= WARM:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self._marks.append((time.monotonic(), self.tokens or step * self._each))
            spent = self._marks[-1][0] - self._marks[0][0]
            enough = spent >= _LEAST_SECONDS or not torch.cuda.is_available()
            control.should_training_stop = step > WARM and (
                (enough and step >= STEPS) or spent > _MOST_SECONDS
            )
        return control

    def on_log(self, *_: Any, logs: Any, **__: Any) -> None:
        """Keep the loss, which must be a number."""
        if "loss" in logs:
            self.losses.append(logs["loss"])
            if not math.isfinite(logs["loss"]):
                raise ArithmeticError(f"the loss is {logs['loss']}")

    def on_evaluate(self, *_: Any, **__: Any) -> None:
        """Do nothing: there are no validation rows."""

    def on_save(self, *_: Any, **__: Any) -> None:
        """Do nothing: the library's checkpoint is all that is wanted."""

    def complete(self, step: int) -> None:
        """Do nothing: no store records it."""
