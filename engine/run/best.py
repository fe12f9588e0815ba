"""The best validation so far: which checkpoint is worth keeping, and when it is time to stop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Keeping:
    """Which checkpoints stay, and when a run ends for want of progress.

    Attributes:
        newest: Checkpoints to keep.
        best: Whether the best one is kept too, and is the result.
        patience: Validations without a lower loss after which the run ends; 0 for never.
    """

    newest: int = 1
    best: bool = False
    patience: int = 0


class Best:
    """Follows a run's validation losses.

    Args:
        seen: The validations from before a resume: step and loss.

    Attributes:
        step: The step of the lowest loss; None before the first validation.
        waited: Validations since then, none of them lower.
    """

    def __init__(self, seen: Iterable[tuple[int, float]] = ()) -> None:
        self.step: int | None = None
        self.waited = 0
        self._loss = float("inf")
        for step, loss in seen:
            self.take(step, loss)

    def take(self, step: int, loss: float) -> bool:
        """Take a validation loss; return whether it is the lowest so far."""
        if loss < self._loss:
            self._loss, self.step, self.waited = loss, step, 0
            return True
        self.waited += 1
        return False
