"""What home shows, read from the store and the box: plain values, safe to hand to a screen."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.base.store import Row, Store, Value
from tui.follow import Run, RunReader
from tui.widgets.gauges import Load

if TYPE_CHECKING:
    from engine.base.hardware.machine import Machine

WINDOW = 200  # rows of the runs' table that are held at once
_PAST = 60  # readings of the box that are remembered
_LOAD_SECONDS = 1.0
_RUNS = """
SELECT l.*,
  (SELECT m.value FROM scores s JOIN score_metrics m ON m.score_id = s.id
    WHERE s.run_id = l.id AND s.subject = 'tuned' AND s.split = 'test' AND m.metric = s.metric
    ORDER BY s.id DESC LIMIT 1) AS score,
  (SELECT p.value FROM series s JOIN points p ON p.series_id = s.id
    WHERE s.run_id = l.id AND s.name = 'validation_loss' ORDER BY p.step DESC LIMIT 1) AS loss
FROM run_list l"""
_MATCH = """
WHERE instr(lower(l.name || ' ' || l.model || ' ' || l.method || ' ' || COALESCE(l.status, '')),
  :words)"""
_ORDER = " ORDER BY l.created DESC, l.id DESC LIMIT :limit OFFSET :offset"
_JOBS = """
SELECT j.*, p.name AS project, r.name AS run, r.id AS run_id,
  (SELECT x.value FROM series s JOIN points x ON x.series_id = s.id
    WHERE s.run_id = r.id AND s.name = 'seconds_left' ORDER BY x.step DESC LIMIT 1) AS seconds_left
FROM jobs j LEFT JOIN projects p ON p.id = j.project_id
LEFT JOIN runs r ON r.id = COALESCE(json_extract(j.args, '$.run_id'), -1)
WHERE j.state IN ('running', 'waiting', 'queued')
  OR (j.state IN ('failed', 'lost') AND j.id IN (SELECT id FROM jobs ORDER BY id DESC LIMIT 20)
      AND j.ended > :since)
ORDER BY j.state = 'running' DESC, j.state IN ('waiting', 'queued') DESC,
  CASE WHEN j.state IN ('waiting', 'queued') THEN j.priority END DESC,
  CASE WHEN j.state IN ('waiting', 'queued') THEN j.place END,
  CASE WHEN j.state IN ('waiting', 'queued') THEN j.id ELSE -j.id END LIMIT 8"""
_FAULT_SECONDS = 1800.0


class LoadReader:
    """Reads what the box is doing, once a second, and remembers the last minute."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._next = 0.0
        self._machine: Machine | None = None
        self._busy: deque[float] = deque(maxlen=_PAST)
        self._gpus: dict[int, deque[float]] = {}

    def __call__(self) -> Load | None:
        """Return a reading; None when the last one is younger than a second."""
        if time.monotonic() < self._next:
            return None
        # imported here, in the feed's thread: they would cost the first frame 15 ms
        import psutil

        from engine.base.hardware import machine, ram

        self._next = time.monotonic() + _LOAD_SECONDS
        if self._machine is None:
            self._machine = machine.read()
            psutil.cpu_percent()
        else:
            self._busy.append(psutil.cpu_percent())
        gpus = machine.gpus_by_nvml()[0] if self._machine.gpus else ()
        for gpu in gpus:
            past = self._gpus.setdefault(gpu.index, deque(maxlen=_PAST))
            past.append(float(gpu.utilisation or 0))
        memory = ram.read()
        return Load(
            cpu=self._machine.cpu,
            cores=self._machine.cores,
            busy=tuple(self._busy),
            memory=memory.total,
            memory_used=memory.total - memory.free,
            disk_free=machine.disk_free(self._workspace),
            gpus=tuple((gpu, tuple(self._gpus[gpu.index])) for gpu in gpus),
            gpu_problem=self._machine.gpu_problem,
        )


class Home(NamedTuple):
    """One look at the workspace.

    Attributes:
        runs: A window of the runs, newest first.
        offset: The place of the window's first run.
        matching: How many runs match the filter.
        total: How many runs there are.
        jobs: The jobs at work and the latest faults.
        load: What the box is doing; None before the first reading.
        detail: The run under the cursor, where the screen has room for it.
    """

    runs: Sequence[Row]
    offset: int
    matching: int
    total: int
    jobs: Sequence[Row]
    load: Load | None = None
    detail: Run | None = None


def home(store: Store, words: str = "", offset: int = 0, limit: int = WINDOW) -> Home:
    """Read a window of the runs, newest first, and the jobs."""
    values: dict[str, Value] = {"words": words.lower(), "limit": limit, "offset": offset}
    total = matching = int(store.scalar("SELECT count(*) FROM runs"))
    where = _MATCH if words else ""
    if words:
        matching = int(store.scalar(f"SELECT count(*) FROM run_list l{where}", values))  # noqa: S608
    return Home(
        runs=store.rows(_RUNS + where + _ORDER, values),
        offset=offset,
        matching=matching,
        total=total,
        jobs=store.rows(_JOBS, {"since": time.time() - _FAULT_SECONDS}),
    )


def waiting_job(store: Store, run: Row) -> int:
    """Return the job of a run that waits: its training, or what came after; else its training."""
    found = store.scalar(
        "SELECT id FROM jobs WHERE state IN ('queued', 'waiting') "
        "AND json_extract(args, '$.run_id') = ? ORDER BY id DESC LIMIT 1",
        (run["id"],),
    )
    return int(found or run["job_id"] or 0)


class HomeReader:
    """Reads what the home screen shows, as far as it changed.

    Attributes:
        words: The filter's text; empty for all runs.
        offset: The first run of the window.
        detail: Reads the run under the cursor; None where the screen has no room for it.
    """

    def __init__(self, workspace: Path, shown: Home) -> None:
        self.words = ""
        self.offset = 0
        self.detail: RunReader | None = None
        self._home = shown
        self._load = LoadReader(workspace)
        self._seen: tuple[object, ...] = ()

    def __call__(self, store: Store) -> Home | None:
        """Return what to show; None when it is what was shown last."""
        before = self._home
        words, offset, detail = self.words, self.offset, self.detail
        first = not self._seen
        seen = (words, offset, store.scalar("PRAGMA data_version"), int(time.time()) // 30)
        if seen != self._seen:
            self._seen = seen
            self._home = home(store, words, offset)._replace(load=before.load, detail=before.detail)
        # never at the first look, which the first frame waits for: it takes its time
        if not first and (load := self._load()) is not None:
            self._home = self._home._replace(load=load)
        if detail is None:
            self._home = self._home._replace(detail=None) if before.detail else self._home
        elif (run := detail(store)) is not None:
            self._home = self._home._replace(detail=run)
        return None if self._home is before else self._home
