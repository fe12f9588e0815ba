"""What the curves of a training say that a person should know at once, each with advice.

Pure functions of the points; a run says each thing once.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

_SMOOTHED = 0.9  # of the last smoothed loss, that the next one keeps
_SETTLED = 10  # points before a smoothed loss is judged
# A loss in nats that has risen so far above its lowest, as a share of it and at least, diverges.
_RISE, _LEAST_RISE = 0.5, 0.3
_STILL_AFTER = 0.4  # of the run
_STILL_POINTS = 24
_SIGMAS = 2.0
_WORSE = 0.01  # a validation loss this share above the best one has risen


class Alarms:
    """Judges a run's points as they come.

    Args:
        steps: The run's steps.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._losses: list[float] = []
        self._smooth = self._lowest = math.nan
        self._best: tuple[float, int] | None = None
        self._worse = 0
        self._said: set[str] = set()

    def trained(self, step: int, loss: float) -> list[str]:
        """Take a training loss; return what it is worth saying, in sentences."""
        self._losses.append(loss)
        known = not math.isnan(self._smooth)
        self._smooth = _SMOOTHED * self._smooth + (1 - _SMOOTHED) * loss if known else loss
        self._lowest = min(self._smooth, self._lowest) if known else loss
        found = [
            self._once("diverging", self._diverging(step)),
            self._once("still", self._still(step)),
        ]
        return [text for text in found if text]

    def validated(self, step: int, loss: float) -> list[str]:
        """Take a validation loss; return what it is worth saying, in sentences."""
        if self._best is None or loss < self._best[0]:
            self._best, self._worse = (loss, step), 0
            return []
        self._worse = self._worse + 1 if loss > self._best[0] * (1 + _WORSE) else 0
        text = "" if self._worse < 2 else self._overfitting(step, loss)
        return [found] if (found := self._once("overfitting", text)) else []

    def seen(
        self, training: Iterable[tuple[int, float]], validation: Iterable[tuple[int, float]]
    ) -> None:
        """Take the points that a resumed run had before; what they said is not said again."""
        for step, loss in training:
            self.trained(step, loss)
        for step, loss in validation:
            self.validated(step, loss)

    def _once(self, name: str, text: str) -> str:
        if not text or name in self._said:
            return ""
        self._said.add(name)
        return text

    def _diverging(self, step: int) -> str:
        rise = self._smooth - self._lowest
        if len(self._losses) < _SETTLED or rise < max(_LEAST_RISE, _RISE * self._lowest):
            return ""
        return (
            f"The loss rises: {self._smooth:.2f} at step {step}, after {self._lowest:.2f}. It may "
            "diverge; stop the run and start it with a third of the learning rate."
        )

    def _still(self, step: int) -> str:
        """The loss's first and last third do not differ by more than chance."""
        count = len(self._losses)
        if step < _STILL_AFTER * self._steps or count < _STILL_POINTS:
            return ""
        first, last = self._losses[: count // 3], self._losses[-(count // 3) :]
        noise = math.hypot(
            *(statistics.stdev(part) / math.sqrt(len(part)) for part in (first, last))
        )
        gain = statistics.fmean(first) - statistics.fmean(last)
        if gain > _SIGMAS * noise and gain > 0:
            return ""
        return (
            f"The loss does not move: {statistics.fmean(first):.2f} in the first third of the "
            f"{step} steps so far, {statistics.fmean(last):.2f} in the last. Try three times the "
            "learning rate; if that changes nothing, see what is learnt: `tunesmith data preview`."
        )

    def _overfitting(self, step: int, loss: float) -> str:
        assert self._best is not None  # a loss can only be worse than another
        best, at = self._best
        return (
            f"The validation loss has risen twice: {loss:.3f} at step {step}, {best:.3f} at step "
            f"{at}. The model begins to learn rows by heart; fewer epochs would do "
            f"(`--set max_steps={at}`), or more rows."
        )
