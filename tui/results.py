"""What the results screen shows of a run, read in the feed's thread: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from engine.base import project
from engine.base.errors import TunesmithError
from engine.base.store import Row, Store
from tui.screens.stage import gate_rows, newest_job, run_row

Shown = Literal["changed", "fixed", "broken"]
SHOWN: tuple[Shown, ...] = ("changed", "fixed", "broken")
_SUBJECTS = ("base", "few_shot", "tuned")


@dataclass(frozen=True)
class Changed:
    """A row that the tuned model answers better or worse than the base.

    Attributes:
        key: Split and row.
        split: The split it belongs to.
        message: What was asked.
        expected: The right answer.
        answers: What each model answered, and whether that was exactly right.
        change: `fixed` where only the tuned model is right, `broken` where only it is wrong.
    """

    key: str
    split: str
    message: str
    expected: str
    answers: Mapping[str, tuple[str, bool]]
    change: str


@dataclass(frozen=True)
class Results:
    """One look at a run's evaluation.

    Attributes:
        run: The run.
        job: The newest evaluation; None before the first.
        threshold: The score from which the model may ship; None when the project is gone.
        table: The scores, as `engine.score.records` gives them.
        sentence: The verdict in words; empty before there is one.
        result: better, worse or can't tell; empty before there is one.
        gates: The gates of the newest evaluation.
        changed: The rows that changed.
        fault: Why they cannot be read; empty when they can.
    """

    run: Row
    job: Row | None
    threshold: float | None = None
    table: tuple[Mapping[str, Any], ...] = ()
    sentence: str = ""
    result: str = ""
    gates: tuple[Row, ...] = ()
    changed: tuple[Changed, ...] = ()
    fault: str = ""

    def of(self, kind: Shown) -> list[Changed]:
        """Return the rows of a kind."""
        return [row for row in self.changed if kind in ("changed", row.change)]


class Reader:
    """Reads a run's results; the rows are read anew only when the evaluation has changed.

    Args:
        run_id: The run.
    """

    def __init__(self, run_id: int) -> None:
        self.run_id = run_id
        self._basis: tuple[object, ...] | None = None
        self._last: Results | None = None

    def __call__(self, store: Store) -> Results | None:
        """Return a look, or None when nothing changed."""
        run = run_row(store, self.run_id)
        if run is None:
            return None
        job = newest_job(store, "eval", self.run_id)
        newest = store.scalar("SELECT max(id) FROM verdicts WHERE run_id = ?", (self.run_id,))
        basis = (newest, job and (job["id"], job["state"]))
        if basis != self._basis or self._last is None:
            self._basis, self._last = basis, _read(store, run, job)
        elif job == self._last.job:
            return None
        else:
            self._last = replace(self._last, job=job)
        return self._last


def _read(store: Store, run: Row, job: Row | None) -> Results:
    from engine.score import records

    table = tuple(records.table(store, run["id"]))
    if not table:
        return Results(run, job)
    try:
        changed, fault = tuple(map(_changed, records.changed_rows(store, run["id"]))), ""
    except TunesmithError as error:  # the dataset's files are gone; the figures still stand
        changed, fault = (), str(error)
    return Results(
        run,
        job,
        threshold=_threshold(run),
        table=table,
        sentence=records.sentence(store, run["id"]),
        result=next((item["result"] for item in records.verdicts(store, run["id"])), ""),
        gates=gate_rows(store, run["id"], "verdict", "safety"),
        changed=changed,
        fault=fault,
    )


def _changed(row: Mapping[str, Any]) -> Changed:
    answers = {
        name: (row[name]["answer"], bool(row[name]["exact"])) for name in _SUBJECTS if row.get(name)
    }
    right = answers["tuned"][1]
    return Changed(
        key=f"{row['split']}:{row['row_id']}",
        split=row["split"],
        message=row["prompt"],
        expected=row["expected"],
        answers=answers,
        change="fixed" if right else "broken",
    )


def _threshold(run: Row) -> float | None:
    try:
        return project.load(Path(run["folder"])).objective.threshold
    except TunesmithError:
        return None
