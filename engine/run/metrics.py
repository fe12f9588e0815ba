"""The curves of a run: written in batches by the trainer, read by everything else.

One series is one contiguous range of the table `points`, so a chart of a million points is one
range read that SQLite reduces to what the screen has columns for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from engine.base.store import Store

FLUSH_SECONDS = 0.1

Tell = Callable[[int, Mapping[str, float]], None]

# One row a bucket, each from range reads of its own: grouping a million points would sort them.
_RANGE = "FROM points WHERE series_id = :series AND step BETWEEN bucket.low AND bucket.high"
_BUCKETS = f"""
WITH RECURSIVE
  bounds(first, last) AS (
    SELECT (SELECT min(step) FROM points WHERE series_id = :series),
           (SELECT max(step) FROM points WHERE series_id = :series)),
  bucket(low, high) AS (
    SELECT first, first + (last - first) / :buckets FROM bounds WHERE first IS NOT NULL
    UNION ALL
    SELECT high + 1, high + 1 + (last - first) / :buckets FROM bucket, bounds WHERE high < last)
SELECT (SELECT max(step) {_RANGE}) AS step, (SELECT min(value) {_RANGE}) AS low,
       (SELECT max(value) {_RANGE}) AS high, (SELECT avg(value) {_RANGE}) AS mean
FROM bucket
"""  # noqa: S608 - no value is pasted in


class Bucket(NamedTuple):
    """Neighbouring points of a series, summed up; the values are None when none was a number."""

    step: int
    low: float | None
    high: float | None
    mean: float | None


class Point(NamedTuple):
    """One point of a series; the value is None when it was not a number."""

    step: int
    value: float | None


class Recorder:
    """Collects a run's points and writes them a batch at a time, ten times a second at most.

    Args:
        store: The workspace's store.
        run_id: The run.
        tell: Told every step's values too, as they come.
    """

    def __init__(self, store: Store, run_id: int, tell: Tell | None = None) -> None:
        self._store = store
        self._run_id = run_id
        self._tell = tell
        self._series: dict[str, int] = {}
        self._waiting: list[dict[str, int | float | None]] = []
        self._written = 0.0

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of a step; they replace what the series had at that step."""
        now = time.time()
        if self._tell:
            self._tell(step, values)
        for name, value in values.items():
            self._waiting.append(
                {"series_id": self._id(name), "step": step, "at": now, "value": value}
            )

    @property
    def due(self) -> bool:
        """Whether the last writing is so long ago that the next one should come."""
        return time.monotonic() - self._written >= FLUSH_SECONDS

    def flush(self) -> None:
        """Write what was taken, in one transaction."""
        self._store.insert_all("points", self._waiting, replace=True)
        self._waiting.clear()
        self._written = time.monotonic()

    def rewind(self, step: int) -> None:
        """Delete every point after a step: a resumed run writes those anew."""
        self._store.execute(
            "DELETE FROM points WHERE step > ? AND series_id IN "
            "(SELECT id FROM series WHERE run_id = ?)",
            (step, self._run_id),
        )

    def _id(self, name: str) -> int:
        if name not in self._series:
            self._store.execute(
                "INSERT INTO series (run_id, name) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (self._run_id, name),
            )
            self._series[name] = _series(self._store, self._run_id, name) or 0
        return self._series[name]


def series_names(store: Store, run_id: int) -> list[str]:
    """Return the names of a run's series, sorted."""
    rows = store.rows("SELECT name FROM series WHERE run_id = ? ORDER BY name", (run_id,))
    return [row["name"] for row in rows]


def points(store: Store, run_id: int, name: str, buckets: int) -> list[Bucket]:
    """Return a series as `buckets` rows at most, each with the last step it sums up."""
    series = _series(store, run_id, name)
    if series is None:
        return []
    rows = store.rows(_BUCKETS, {"series": series, "buckets": max(1, buckets)})
    return [Bucket(*row) for row in rows if row["step"] is not None]


def tail(store: Store, run_id: int, name: str, after_step: int) -> list[Point]:
    """Return the points of a series after a step, in order."""
    rows = store.rows(
        "SELECT step, value FROM points WHERE step > ? AND series_id = "
        "(SELECT id FROM series WHERE run_id = ? AND name = ?) ORDER BY step",
        (after_step, run_id, name),
    )
    return [Point(*row) for row in rows]


def latest(store: Store, run_id: int) -> dict[str, float]:
    """Return the newest value of each series of a run."""
    rows = store.rows(
        "SELECT name, (SELECT value FROM points WHERE series_id = series.id "
        "ORDER BY step DESC LIMIT 1) AS value FROM series WHERE run_id = ?",
        (run_id,),
    )
    return {row["name"]: row["value"] for row in rows if row["value"] is not None}


def _series(store: Store, run_id: int, name: str) -> int | None:
    number: int | None = store.scalar(
        "SELECT id FROM series WHERE run_id = ? AND name = ?", (run_id, name)
    )
    return number
