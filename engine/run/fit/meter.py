"""The clock and the scales of an attempt: when to validate, to save and to end, and what it took.

Imported inside the attempt only, because it needs `transformers`.
"""

from __future__ import annotations

import mmap
import time
from typing import Any

from transformers import TrainerCallback

from engine.run import memory
from engine.run.fit.course import Course
from engine.run.fit.growth import Growth
from engine.run.fit.request import Request
from engine.run.fit.timing import Sample, warm

_FEWEST = 4  # steps that the speed rests on, however long they take


class Meter(TrainerCallback):  # type: ignore[misc]
    """Follows an attempt; added after the watcher, so that what the watcher does is timed too.

    Args:
        request: The attempt.
        began: When it began, on the monotonic clock.
        course: The order of its micro-batches.
        growth: Learns how much each new shape of a micro-batch keeps.

    Attributes:
        startup: Seconds from the beginning to the first step.
        saving: Seconds that a checkpoint took.
        validating: Seconds that the validation pass took.
        samples: What each step of the sample took.
    """

    def __init__(self, request: Request, began: float, course: Course, growth: Growth) -> None:
        self.startup = self.saving = self.validating = 0.0
        self.samples: list[Sample] = []
        self._request = request
        self._began = began
        self._course = course
        self._growth = growth
        self._mark = self._computed = self._since = 0.0
        self._reserve: mmap.mmap | None = None

    def on_train_begin(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Note the start."""
        self._mark = time.monotonic()
        self.startup = warm(self._mark - self._began)
        self._request.enter("stepping the longest rows")

    def on_pre_optimizer_step(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Note where the micro-batches end and the optimizer begins."""
        self._computed = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Take the step's time and memory; after the worst ones validate and save; end in time."""
        now, step = time.monotonic(), state.global_step
        taken = self._course.step(step)
        batches = [each.batch for each in taken]
        self._growth.add(batches, memory.used(self._request.device))
        if taken[-1].phase == "sample":
            self._add(sum(batch.padded for batch in batches), now)
            if self._enough(now) or self._course.is_last_of("sample", step):
                self._close()
        self._mark = now
        control.should_save = self._course.is_last_of("worst", step)
        control.should_evaluate = control.should_save and args.eval_strategy != "no"
        control.should_training_stop = self._course.is_last_of("again", step)
        if control.should_save:
            self._request.enter("validating and saving")
        return control

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: Any, **_: Any) -> None:
        """Count the curves' points with the optimizer: a step has one, whatever its size."""
        if "loss" not in logs:  # those of a validation pass, which is timed as a whole
            return
        now = time.monotonic()
        if self.samples:
            last = self.samples[-1]
            self.samples[-1] = last._replace(rest=last.rest + now - self._mark)
        self._mark = now

    def on_evaluate(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Take the time of the validation pass."""
        now = time.monotonic()
        self.validating, self._mark = now - self._mark, now

    def on_save(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Take the time of the checkpoint; the measurement of the speed begins."""
        now = time.monotonic()
        self.saving, self._mark, self._since = now - self._mark, now, now
        self._request.enter("measuring the speed")

    def _add(self, padded: int, now: float) -> None:
        together = self._course.together
        seconds = (self._computed - self._mark) / together
        self.samples.append(Sample(padded / together, seconds, now - self._computed))

    def _enough(self, now: float) -> bool:
        return len(self.samples) >= _FEWEST and now - self._since > self._request.seconds

    def _close(self) -> None:
        """Take the memory that the rest of the run will keep, and try the worst once more."""
        if self._course.closing:
            return
        self._course.closing = True
        if missing := self._growth.missing():
            self._reserve = mmap.mmap(-1, missing, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._request.enter("stepping the longest rows again")
