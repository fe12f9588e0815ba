"""One run as its screen shows it, followed point by point: plain values, safe to hand over."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.base.errors import UsageError
from engine.base.store import Row, Store
from tui.widgets.log import LogLine
from tui.widgets.raster import Band

if TYPE_CHECKING:
    from engine.run.watched import Change

_FOLLOWED = (
    "loss",
    "validation_loss",
    "learning_rate",
    "grad_norm",
    "tokens_per_second",
    "memory_bytes",
    "mfu",
    "gpu_utilisation",
)
_LOG_LINES = 2000
_TICK_SECONDS = 1.0  # clocks on the screen go on while the store rests


class Run(NamedTuple):
    """One look at a run.

    Attributes:
        run: The row of `runs`, with its dataset's size and its last checkpoint.
        job: The training's row of `jobs`; None for a run that was never submitted.
        after: The newest job that came after the training (evaluation, export), if any.
        series: The points of each series, old ones thinned out to lowest, highest and mean.
        latest: The last value of every series.
        log: The last lines of the job at work.
        changes: The settings that were changed on the way, in order.
    """

    run: Row
    job: Row | None
    after: Row | None
    series: Mapping[str, Sequence[Band]]
    latest: Mapping[str, float]
    log: Sequence[LogLine]
    changes: Sequence[Change]

    @property
    def at_work(self) -> Row | None:
        """The job that keys act on: what came after the training, else the training."""
        return self.after or self.job

    @property
    def state(self) -> str | None:
        """The training's state."""
        return None if self.job is None else self.job["state"]


_RUN = """
SELECT r.*, d.train, d.tokens_train, p.device, p.predicted_seconds, p.predicted_peak_bytes,
  p.predicted_joules,
  (SELECT max(step) FROM checkpoints c WHERE c.run_id = r.id) AS checkpoint
FROM runs r JOIN datasets d ON d.id = r.dataset_id JOIN plans p ON p.id = r.plan_id
WHERE r.id = ?"""
_AFTER = """
SELECT * FROM jobs WHERE id > ? AND kind IN ('eval', 'export')
  AND json_extract(args, '$.run_id') = ? ORDER BY id DESC LIMIT 1"""


class RunReader:
    """Follows one run: reads all of it once, thinned out, then only what is new.

    Attributes:
        run_id: The run.
        columns: The chart's width in cells; twice as many points are read of an old series.
    """

    def __init__(self, run_id: int, columns: int = 60) -> None:
        self.run_id = run_id
        self.columns = columns
        self._series: dict[str, list[Band]] = {}
        self._log: deque[LogLine] = deque(maxlen=_LOG_LINES)
        self._log_of = (0, 0)  # the job, and the id of its last line that was read
        self._worker: tuple[object, ...] = ()
        self._seen: tuple[object, ...] = ()

    def __call__(self, store: Store) -> Run | None:
        """Return the run as it is; None when nothing changed for a moment."""
        seen = (store.scalar("PRAGMA data_version"), int(time.time() / _TICK_SECONDS))
        if seen == self._seen:
            return None
        fresh = not self._seen or seen[0] != self._seen[0]
        self._seen = seen
        from engine.run import watched

        row = store.row(_RUN, (self.run_id,))
        if row is None:
            raise UsageError(f"There is no run {self.run_id}.", "See `tunesmith runs`.")
        job = store.row("SELECT * FROM jobs WHERE id = ?", (row["job_id"],))
        after = store.row(_AFTER, (row["job_id"] or 0, self.run_id))
        if fresh:
            self._read_series(store, job)
            self._read_log(store, after or job)
        return Run(
            row,
            job,
            after,
            {name: tuple(bands) for name, bands in self._series.items()},
            self._latest(store),
            tuple(self._log),
            tuple(watched.changes(store, self.run_id)),
        )

    def _latest(self, store: Store) -> Mapping[str, float]:
        from engine.run import metrics

        return metrics.latest(store, self.run_id)

    def _read_series(self, store: Store, job: Row | None) -> None:
        """A resumed run writes its last steps anew, so a new worker means a new reading."""
        from engine.run import metrics

        worker = () if job is None else (job["id"], job["pid"], job["started"])
        if worker != self._worker:
            self._worker = worker
            self._series.clear()
        buckets = self.columns * 2
        for name in _FOLLOWED:
            known = self._series.setdefault(name, [])
            if known and len(known) <= 4 * buckets:
                last = int(known[-1].step)
                tail = metrics.tail(store, self.run_id, name, last - 1)
                if tail and tail[0][0] == last:  # else a resumed run took its last steps back
                    known += [_band(step, value, value, value) for step, value in tail[1:]]
                    continue
            points = metrics.points(store, self.run_id, name, buckets)
            known[:] = [_band(p.step, p.low, p.high, p.mean) for p in points]

    def _read_log(self, store: Store, job: Row | None) -> None:
        if job is None:
            return
        if self._log_of[0] != job["id"]:
            self._log.clear()
            self._log_of = (job["id"], 0)
        lines = store.rows(
            "SELECT id, at, level, text FROM job_log WHERE job_id = ? AND id > ? "
            "ORDER BY id DESC LIMIT ?",
            (*self._log_of, _LOG_LINES),
        )
        for line in reversed(lines):
            self._log.append(LogLine(line["at"], line["level"], line["text"]))
        if lines:
            self._log_of = (job["id"], lines[0]["id"])


def _band(step: Any, low: Any, high: Any, mean: Any) -> Band:
    """A value that the store holds as NULL was not a number."""
    nan = float("nan")
    return Band(
        float(step),
        nan if low is None else low,
        nan if high is None else high,
        nan if mean is None else mean,
    )
