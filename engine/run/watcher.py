"""What happens between two steps: curves, requests, checkpoints, and a stop when the loss breaks.

Imported inside the training job only, because it needs `transformers`.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from engine.base import files
from engine.base.errors import TunesmithError
from engine.base.hardware import disk
from engine.base.work import Work
from engine.run import checkpoints, memory, metrics, samples, utilisation
from engine.run.alarms import Alarms
from engine.run.best import Best, Keeping
from engine.run.checkpoints import DiskFull, Totals
from engine.run.heat import Heat
from engine.run.metrics import Recorder
from engine.run.views import Views

_LAST = Keeping()
_ROOM_SECONDS = 2.0
_ROOM = 1.1  # times what a checkpoint takes, and
_ROOM_BYTES = 4 << 20
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
        views: What else is looked at.
        keeping: Which checkpoints stay, and when the run ends.

    Attributes:
        tokens: Tokens trained on in this session; the trainer counts them.
        stopped: Whether the job was asked to stop or to pause.
        best: The best validation so far.
    """

    def __init__(
        self,
        work: Work,
        run_id: int,
        folder: Path,
        recorder: Recorder,
        before: Totals,
        views: Views,
        keeping: Keeping = _LAST,
    ) -> None:
        self.tokens = 0
        self.stopped = False
        self.best = Best()
        self._work = work
        self._run_id = run_id
        self._folder = folder
        self._recorder = recorder
        self._before = before
        self._views = views
        self._keeping = keeping
        self._full = ""  # what was last said of a full disk
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
        self._counted = 0
        before = {
            name: [
                (point.step, point.value)
                for point in metrics.tail(self._work.store, self._run_id, name, 0)
                if point.value is not None
            ]
            for name in ("loss", "validation_loss")
        }
        warned = self._work.store.rows(
            "SELECT text FROM job_log WHERE job_id = ? AND level = 'warning'",
            (self._work.job_id,),
        )
        self._heat = Heat(self._views.gauges.slowdown_at, (row["text"] for row in warned))
        self._alarms = Alarms(state.max_steps)
        self._alarms.seen(before["loss"], before["validation_loss"])
        self.best = Best(before["validation_loss"])
        store = self._work.store
        self._joules = store.scalar("SELECT joules FROM runs WHERE id = ?", (self._run_id,)) or 0.0
        store.update("runs", self._run_id, {"steps": state.max_steps})

    def on_step_begin(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Note when a step begins."""
        self._stepped = time.monotonic()

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Obey a request; ask for one four times a second at most."""
        now = time.monotonic()
        self._views.forecast.stepped(state.global_step, now - self._stepped)
        self._paused = now
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
        left = self._views.forecast.left(step)
        speed = (self.tokens - self._counted) / max(now - self._mark, 1e-9)
        values = {
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "epoch": state.epoch,
            "tokens_per_second": speed,
            "memory_bytes": memory.used(self._work.device),
            "seconds_left": left.seconds,
            "seconds_left_error": left.error,
        }
        if board := self._views.gauges.read():
            values |= board
            warm, why = board.get("gpu_temperature"), self._views.gauges.reasons
            self._say(self._heat.seen(warm, why))
        if share := utilisation.utilisation(speed, self._views.flops, self._views.peak_flops):
            values["mfu"] = share
        values |= {name: logs[key] for key, name in _EXTRA.items() if key in logs}
        self._recorder.add(step, values)
        self._say(self._alarms.trained(step, logs["loss"]))
        self._mark, self._counted = now, self.tokens
        self._paused = time.monotonic()
        state.log_history.clear()  # the store has it; every checkpoint would carry all of it
        if self._recorder.due or control.should_evaluate or control.should_save:
            self.flush(step, state.max_steps)
        if step % max(args.logging_steps, state.max_steps // _LOG_LINES) == 0:
            self._work.log(
                f"step {step} of {state.max_steps}: loss {logs['loss']:.4f}, {speed:.0f} tokens/s"
            )

    def on_evaluate(self, _args: Any, state: Any, control: Any, metrics: Any, **given: Any) -> Any:
        """Take the validation loss, how held-out pairs fare, and the answers to a few rows."""
        step, loss = state.global_step, metrics["eval_loss"]
        values = {
            f"validation_{name}": metrics[f"eval_{key}"]
            for key, name in _EXTRA.items()
            if f"eval_{key}" in metrics
        }
        self._recorder.add(step, {"validation_loss": loss, **values})
        self._recorder.flush()
        self._work.log(f"step {step}: validation loss {loss:.4f}")
        self._say(self._alarms.validated(step, loss))
        if self._views.questions:
            answers = samples.ask(given["model"], given["processing_class"], self._views.questions)
            samples.record(self._work.store, self._run_id, step, self._views.questions, answers)
        self._judge(control, step, loss)
        self._mark = time.monotonic()
        self._views.forecast.validated(self._mark - self._paused)
        self._paused = self._mark
        return control

    def _judge(self, control: Any, step: int, loss: float) -> None:
        """Keep the checkpoint of a best validation; end a run that has not had one for long."""
        if self.best.take(step, loss):
            control.should_save = control.should_save or self._keeping.best
        elif 0 < self._keeping.patience <= self.best.waited:
            control.should_training_stop = control.should_save = True
            self._work.store.update("runs", self._run_id, {"steps": step})
            self._work.log(
                f"step {step}: ends early, after {self.best.waited} validations without a lower "
                f"loss than that of step {self.best.step}"
            )

    def complete(self, step: int) -> None:
        """Make the checkpoint that was just written valid."""
        checkpoints.complete(self._work.store, self._run_id, self._folder, step, self.totals)

    def wait_for_room(self, full: DiskFull) -> None:
        """Wait until the disk has room for a checkpoint; what is trained stays in memory.

        Raises:
            DiskFull: The job was asked to end meanwhile.
        """
        older = checkpoints.folders(self._folder)
        needed = round(_ROOM * files.size(older[0])) if older else 0
        needed += _ROOM_BYTES
        room = f"room on the disk: {needed / 1e6:.0f} MB for {self._folder}"
        with suppress(TunesmithError):  # the store may lie on the same disk
            if self._full != full.what:  # a quota can refuse where the disk shows room
                self._full = full.what
                told = f"{full.what} The run waits for room and goes on by itself."
                self._work.log(told, "warning")
            self._work.waits(room)
        enough = False
        while not enough:
            time.sleep(_ROOM_SECONDS)
            if self._work.requested() in ("stop", "pause"):
                raise full
            enough = disk.free(self._folder) >= needed
        with suppress(TunesmithError):
            self._work.waits(None)

    def on_save(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Let older checkpoints go, now that the newer one is valid."""
        step = state.global_step
        best = self.best.step if self._keeping.best else None
        checkpoints.prune(self._work.store, self._run_id, self._folder, self._keeping.newest, best)
        if self._asked:
            self._asked = False
            self._work.log(f"step {step}: checkpoint saved, as asked")
            if not self.stopped:
                self._work.answered()
        self._mark = time.monotonic()
        self._views.forecast.saved(self._mark - self._paused)
        self._paused = self._mark

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
                "joules": self._energy(),
            },
        )
        self._work.progress(step, steps, "training")

    def _energy(self) -> float | None:
        """Joules of the run so far, over all its resumes; None where the board does not tell."""
        used = self._views.gauges.joules()
        return None if used is None else self._joules + used


def _check(logs: Any, step: int) -> None:
    for name, quantity in (("loss", "loss"), ("grad_norm", "gradient")):
        if not math.isfinite(logs.get(name, 0.0)):
            raise TunesmithError(
                f"The {quantity} is no longer a number at step {step}: the training has diverged.",
                "Start again with a third of the learning rate, such as "
                f"`tunesmith train --set learning_rate={logs['learning_rate'] / 3:.0e}`.",
                "learning_rate",
            )
