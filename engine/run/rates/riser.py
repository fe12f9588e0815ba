"""The climb from inside a training: each step a higher rate, until the end or until it explodes.

Imported inside the job only, because it needs `transformers`.
"""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from engine.base.work import Work
from engine.run.rates.judge import Smooth, Step, exploded


class Riser(TrainerCallback):  # type: ignore[misc]
    """Stands where a run's watcher stands; nothing is saved and nothing validated.

    Args:
        work: The job.
        rates: The rate of each step.

    Attributes:
        steps: What was seen.
        tokens: Tokens trained on; the trainer counts them.
        stopped: Whether the user asked to stop.
    """

    def __init__(self, work: Work, rates: list[float]) -> None:
        self.steps: list[Step] = []
        self.tokens = 0
        self.stopped = False
        self._work = work
        self._rates = rates
        self._smooth = Smooth()

    def on_step_begin(self, _args: Any, state: Any, _control: Any, **given: Any) -> None:
        """Set this step's rate; the schedule set its own after the last step."""
        for group in given["optimizer"].param_groups:
            group["lr"] = self._rates[state.global_step]

    def on_step_end(self, _args: Any, _state: Any, control: Any, **_: Any) -> Any:
        """Save nothing, not even at the end; obey a stop."""
        control.should_save = False
        if self._work.requested() == "stop":
            self.stopped = control.should_training_stop = True
        return control

    def on_log(self, _args: Any, state: Any, control: Any, logs: Any, **_: Any) -> Any:
        """Take the step's loss; stop when it explodes."""
        if "loss" not in logs:
            return control
        loss, step = logs["loss"], state.global_step
        self.steps.append(Step(self._rates[step - 1], loss, self._smooth.add(loss)))
        self._work.progress(step, len(self._rates), "raising the learning rate")
        if exploded(self.steps):
            control.should_training_stop = True
        return control
