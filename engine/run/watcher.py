"""What happens between two steps: curves, requests, checkpoints, and a stop when the loss breaks.

Imported inside the training job only, because it needs `transformers`.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from engine.base.errors import TunesmithError
from engine.base.work import Work
from engine.run import checkpoints, memory, metrics
from engine.run.alarms import Alarms
from engine.run.checkpoints import Totals
from engine.run.metrics import Recorder

_POLL_SECONDS = 0.25
_LOG_LINES = 20  # of one run, unless `log_every` asks for fewer
# What a trainer may log beside the loss, and the curve's name: of preferences how much likelier the
# better answer has become than the worse one, times beta, and in what share of the pairs.
_EXTRA = {
    "grad_norm": "grad_norm",
    "rewards/margins": "reward_margin",
    "rewards/accuracies": "reward_accuracy",
}


class Watcher(TrainerCallback):  # type: ignore[misc]
    """Follows a training from the inside.

    Args:
        work: The job.
        run_id: The run.
        folder: The folder of the run's checkpoints.
        recorder: Where the curves go.
        before: What the run had used when it was resumed.
        keep: Checkpoints to keep.

    Attributes:
        tokens: Tokens trained on in this session; the trainer counts them.
        stopped: Whether the job was asked to stop or to pause.
    """

    def __init__(
        self,
        work: Work,
        run_id: int,
        folder: Path,
        recorder: Recorder,
        before: Totals,
        keep: int,
    ) -> None:
        self.tokens = 0
        self.stopped = False
        self._work = work
        self._run_id = run_id
        self._folder = folder
        self._recorder = recorder
        self._before = before
        self._keep = keep
        self._asked = False
        self._polled = 0.0

    @property
    def totals(self) -> Totals:
        """What the run has used by now, over all its resumes."""
        return Totals(
            self._before.tokens + self.tokens,
            self._before.seconds + time.monotonic() - self._began,
            max(self._before.peak_bytes, memory.peak(self._work.device)),
        )

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Start the clocks."""
        self._began = self._mark = time.monotonic()
        self._first = state.global_step
        self._counted = 0
        self._alarms = self._known(state.max_steps)
        self._work.store.update("runs", self._run_id, {"steps": state.max_steps})

    def on_step_end(self, _args: Any, _state: Any, control: Any, **_: Any) -> Any:
        """Obey a request; ask for one four times a second at most."""
        now = time.monotonic()
        if now - self._polled < _POLL_SECONDS:
            return control
        self._polled = now
        request = self._work.requested()
        if request in ("stop", "pause"):
            self.stopped = control.should_training_stop = True
        if request:
            control.should_save = self._asked = True
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
        """Take the curves' next points."""
        if "loss" not in logs:
            return
        step, now = state.global_step, time.monotonic()
        _check(logs, step)
        mean = (now - self._began) / (step - self._first)
        values = {
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "epoch": state.epoch,
            "tokens_per_second": (self.tokens - self._counted) / max(now - self._mark, 1e-9),
            "memory_bytes": memory.used(self._work.device),
            "seconds_left": mean * (state.max_steps - step),
        }
        values |= {name: logs[key] for key, name in _EXTRA.items() if key in logs}
        self._recorder.add(step, values)
        self._say(self._alarms.trained(step, logs["loss"]))
        self._mark, self._counted = now, self.tokens
        state.log_history.clear()  # the store has it; every checkpoint would carry all of it
        if self._recorder.due or control.should_evaluate or control.should_save:
            self.flush(step, state.max_steps)
        if step % max(args.logging_steps, state.max_steps // _LOG_LINES) == 0:
            speed = values["tokens_per_second"]
            self._work.log(
                f"step {step} of {state.max_steps}: loss {logs['loss']:.4f}, {speed:.0f} tokens/s"
            )

    def on_evaluate(self, _args: Any, state: Any, _control: Any, metrics: Any, **_: Any) -> None:
        """Take the validation loss, and of preferences how the held-out pairs fare."""
        loss = metrics["eval_loss"]
        values = {"validation_loss": loss}
        for key, name in _EXTRA.items():
            if f"eval_{key}" in metrics:
                values[f"validation_{name}"] = metrics[f"eval_{key}"]
        self._recorder.add(state.global_step, values)
        self._recorder.flush()
        self._work.log(f"step {state.global_step}: validation loss {loss:.4f}")
        self._say(self._alarms.validated(state.global_step, loss))
        self._mark = time.monotonic()

    def on_save(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Make the checkpoint valid; only then let older ones go."""
        step = state.global_step
        with checkpoints.saving(self._folder, step):
            checkpoints.complete(self._work.store, self._run_id, self._folder, step, self.totals)
        checkpoints.prune(self._work.store, self._run_id, self._folder, self._keep)
        if self._asked:
            self._asked = False
            self._work.log(f"step {step}: checkpoint saved, as asked")
            if not self.stopped:
                self._work.answered()
        self._mark = time.monotonic()

    def _known(self, steps: int) -> Alarms:
        """The alarms of this run, which know the points from before a resume."""
        alarms = Alarms(steps)
        before = (
            [
                (point.step, point.value)
                for point in metrics.tail(self._work.store, self._run_id, name, 0)
                if point.value is not None
            ]
            for name in ("loss", "validation_loss")
        )
        alarms.seen(*before)
        return alarms

    def _say(self, alarms: list[str]) -> None:
        for text in alarms:
            self._work.log(text, "warning")

    def flush(self, step: int, steps: int) -> None:
        """Write the points taken so far, and how far the run is."""
        totals = self.totals
        self._recorder.flush()
        self._work.store.update(
            "runs",
            self._run_id,
            {
                "step": step,
                "tokens": totals.tokens,
                "seconds": totals.seconds,
                "peak_bytes": totals.peak_bytes,
            },
        )
        self._work.progress(step, steps, "training")


def _check(logs: Any, step: int) -> None:
    for name, quantity in (("loss", "loss"), ("grad_norm", "gradient")):
        if not math.isfinite(logs.get(name, 0.0)):
            raise TunesmithError(
                f"The {quantity} is no longer a number at step {step}: the training has diverged.",
                "Start again with a third of the learning rate, such as "
                f"`tunesmith train --set learning_rate={logs['learning_rate'] / 3:.0e}`.",
                "learning_rate",
            )
