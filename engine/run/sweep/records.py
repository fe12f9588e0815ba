"""The rows of sweeps and trials: the only record of a sweep, from which it always goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.base.errors import UsageError
from engine.base.store import Row, Store
from engine.plan.plan import text
from engine.plan.recipe import Scalar
from engine.plan.setting import typed
from engine.run import metrics
from engine.run.metrics import Point

State = Literal["running", "done", "pruned", "stopped", "failed"]


@dataclass(frozen=True)
class Trial:
    """One trial of a sweep.

    Attributes:
        id: Its row.
        number: Its place in the sweep, from 1.
        values: What it tries.
        state: running; done; pruned by the sweep; stopped by a person; failed.
        plan_id: Its plan, once made.
        run_id: Its run, once submitted.
        losses: The validation losses so far, in order.
        seconds: How long its job was at work.
        error: What went wrong.
    """

    id: int
    number: int
    values: Mapping[str, Scalar]
    state: State
    plan_id: int | None
    run_id: int | None
    losses: tuple[Point, ...]
    seconds: float
    error: str

    @property
    def best(self) -> Point | None:
        """The lowest validation loss that was a number."""
        known = [point for point in self.losses if point.value is not None]
        return min(known, key=lambda point: point.value or 0.0, default=None)

    @property
    def loss(self) -> float:
        """The lowest validation loss; infinite where there is none."""
        return math.inf if self.best is None or self.best.value is None else self.best.value


def get(store: Store, sweep_id: int) -> Row:
    """Return a sweep's row; raise `UsageError` if there is no such sweep."""
    row = store.row("SELECT * FROM sweeps WHERE id = ?", (sweep_id,))
    if row is None:
        raise UsageError(f"There is no sweep {sweep_id}.", "Start one: `tunesmith sweep --help`.")
    return row


def newest(store: Store) -> int:
    """Return the id of the newest sweep; raise `UsageError` before the first."""
    found = store.scalar("SELECT max(id) FROM sweeps")
    if found is None:
        raise UsageError("There is no sweep yet.", "Start one: `tunesmith sweep --help`.")
    return int(found)


def trials(store: Store, sweep_id: int) -> list[Trial]:
    """Return the trials of a sweep with their losses, in order."""
    rows = store.rows("SELECT * FROM sweep_trials WHERE sweep_id = ? ORDER BY number", (sweep_id,))
    return [_trial(store, row) for row in rows]


def add(store: Store, sweep_id: int, number: int, values: Mapping[str, Scalar]) -> Trial:
    """Record a trial before anything of it is begun."""
    row = {"sweep_id": sweep_id, "number": number, "created": time.time()}
    with store.transaction():
        trial_id = store.insert("sweep_trials", row)
        store.write_all(
            "trial_values",
            [
                {"trial_id": trial_id, "setting": name, "value": text(value)}
                for name, value in values.items()
            ],
        )
    return Trial(trial_id, number, dict(values), "running", None, None, (), 0.0, "")


def best(found: list[Trial]) -> Trial | None:
    """Return the finished trial with the lowest validation loss, the earliest of equals."""
    done = [trial for trial in found if trial.state == "done" and math.isfinite(trial.loss)]
    return min(done, key=lambda trial: trial.loss, default=None)


def _trial(store: Store, row: Row) -> Trial:
    values = store.rows(
        "SELECT setting, value FROM trial_values WHERE trial_id = ? ORDER BY setting", (row["id"],)
    )
    run_id = row["run_id"]
    return Trial(
        row["id"],
        row["number"],
        {item["setting"]: typed(item["setting"], item["value"]) for item in values},
        row["state"],
        row["plan_id"],
        run_id,
        tuple(metrics.tail(store, run_id, "validation_loss", 0)) if run_id else (),
        row["seconds"],
        row["error"],
    )
