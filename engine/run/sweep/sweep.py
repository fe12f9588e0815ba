"""The sweep's job: trial after trial through the queue, each watched and stopped when hopeless.

It needs no device: every trial waits for one by itself, as any run does.
"""

from __future__ import annotations

import math
import time

from engine.base import jobs
from engine.base.errors import TunesmithError
from engine.base.store import Store
from engine.base.work import Stopped, Work
from engine.run.sweep import axes, records, search, submit, trial
from engine.run.sweep.records import State, Trial
from engine.run.sweep.trial import Started

_LOOK_SECONDS = 0.3
_ENDED: dict[str, State] = {"done": "done", "stopped": "stopped"}


def sweep(work: Work) -> None:
    """Carry out the sweep named in the job's arguments, from where it stands.

    Raises:
        Stopped: The user asked for it; the trial at work was stopped with its work saved.
        TunesmithError: Two trials in a row failed for one reason, or none came to its end.
    """
    row = records.get(work.store, int(work.args["sweep_id"]))
    if not row["ended"]:
        _Sweep(work).run()


class _Sweep:
    """One job of a sweep."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._row = records.get(work.store, int(work.args["sweep_id"]))
        self._sweep = submit.of(work.store, self._row)
        self._fault = ""

    def run(self) -> None:
        """Carry out what is left, and say what was best."""
        store = self._work.store
        self._clear()
        while (one := self._next()) is not None:
            self._carry_out(one)
            self._clear()
        found = self._trials()
        best = records.best(found)
        if best is None:
            raise TunesmithError(
                "No trial came to its end, so none is best.",
                f"See why: `tunesmith sweep show {self._row['id']}`.",
            )
        store.update("sweeps", self._row["id"], {"ended": time.time()})
        self._progress(len(found), 0.0, "all trials ended")
        self._work.log(f"best: trial {best.number}, {axes.words(best.values)}, {best.loss:.4f}")

    def _trials(self) -> list[Trial]:
        return records.trials(self._work.store, self._row["id"])

    def _next(self) -> Trial | None:
        """Return the trial that was at work, else a new one; None when all were carried out."""
        before = self._trials()
        if before and before[-1].state == "running":
            return before[-1]
        self._work.check_stop()
        if len(before) >= self._sweep.trials:
            return None
        plan = self._sweep
        values = search.propose(plan.axes, before, plan.sampler, plan.trials, self._row["seed"])
        if values is None:
            return None
        return records.add(self._work.store, self._row["id"], len(before) + 1, values)

    def _carry_out(self, one: Trial) -> None:
        """Follow a trial to its end and record that."""
        store = self._work.store
        said = f"trial {one.number} of {self._sweep.trials}: {axes.words(one.values)}"
        self._progress(one.number - 1, 0.0, said)
        started = trial.start(self._work, self._row, self._sweep, one)
        self._work.log(f"{said}, run {started.run_id}")
        if pruned := self._follow(one, started, said):
            # recorded first: a kill now must not let the trial go on when the sweep is resumed
            store.update("sweep_trials", one.id, {"state": "pruned"})
            trial.stop(store, started.job_id)
        job = jobs.get(store, started.job_id)
        state = _ENDED.get(job["state"], "failed")
        state = "pruned" if pruned and state != "done" else state
        error = str(job["error"]) if state == "failed" else ""
        # the job's own clock knows of the time in which no sweep looked
        alone = (job["ended"] or 0.0) - (job["started"] or job["ended"] or 0.0)
        seconds = max(self._trials()[-1].seconds, alone)
        ended = {"state": state, "error": error, "seconds": seconds}
        store.update("sweep_trials", one.id, ended)
        self._say(self._trials()[-1])
        self._require_another_fault(error)

    def _follow(self, one: Trial, started: Started, said: str) -> bool:
        """Watch a trial until it ends; return True when it should be stopped early."""
        work, watch = self._work, _Watch(self._work.store, one)
        before = self._trials()[:-1]
        seen = -1
        while True:
            if work.requested() == "stop":
                trial.stop(work.store, started.job_id)
                raise Stopped
            at_work = watch.look(started.job_id)
            losses = self._trials()[-1].losses
            if len(losses) != seen or not at_work:
                seen = len(losses)
                watch.write()
                self._progress(one.number - 1, seen / started.points, said)
                numbers = [math.nan if p.value is None else p.value for p in losses]
                if not at_work:
                    return False
                if 0 < seen < started.points and search.hopeless(
                    self._sweep.axes, before, numbers, started.points
                ):
                    return True
            time.sleep(_LOOK_SECONDS)

    def _say(self, ended: Trial) -> None:
        result = f"lowest validation loss {ended.loss:.4f}" if ended.best else "no validation loss"
        level = "warning" if ended.state == "failed" else "info"
        text = f"trial {ended.number}: {ended.state}, {result}. {ended.error}"
        self._work.log(text.strip(), level)

    def _require_another_fault(self, error: str) -> None:
        """End the sweep when two trials in a row failed for one reason: the next would fail too.

        Raises:
            TunesmithError: With that reason.
        """
        if error and error == self._fault:
            raise TunesmithError(
                f"Two trials in a row failed: {error}",
                "Mend that and resume the sweep; it goes on with the next trial.",
            )
        self._fault = error

    def _clear(self) -> None:
        """Stop what a kill left at work of a pruned trial; keep the best trial's files only."""
        store, found = self._work.store, self._trials()
        best = records.best(found)
        for one in found:
            if one.state == "running":
                continue
            job_id = one.run_id and store.scalar(
                "SELECT job_id FROM runs WHERE id = ?", (one.run_id,)
            )
            if one.state == "pruned" and job_id:
                trial.stop(store, job_id)
            trial.clear(store, one, keep=best is not None and best.id == one.id)

    def _progress(self, done: int, part: float, note: str) -> None:
        """Count in validation points, so that a bar moves within a trial too."""
        each = submit.POINTS
        self._work.progress(done * each + round(part * each), self._sweep.trials * each, note)


class _Watch:
    """Looks at a trial's job and counts how long it was at work, over all resumes.

    Args:
        store: The workspace's store.
        one: The trial.
    """

    def __init__(self, store: Store, one: Trial) -> None:
        self._store = store
        self._trial_id = one.id
        self._seconds = one.seconds
        self._last = time.monotonic()

    def look(self, job_id: int) -> bool:
        """Say whether the job still waits or works."""
        state, now = jobs.get(self._store, job_id)["state"], time.monotonic()
        self._seconds += now - self._last if state == "running" else 0.0
        self._last = now
        return state in jobs.OPEN

    def write(self) -> None:
        """Record the time so far."""
        self._store.update("sweep_trials", self._trial_id, {"seconds": self._seconds})
