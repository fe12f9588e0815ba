"""The rows of range tests and their points."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from engine.base.errors import UsageError
from engine.base.store import Store
from engine.run.rates.judge import Proposal, Step

_SHOWN = (
    *("id", "job", "plan", "recipe", "model", "dataset", "steps", "rows", "train_rows"),
    *("own_rate", "proposal", "steepest", "blow_up", "certainty", "why", "seconds"),
)


def save(
    store: Store,
    test: dict[str, Any],
    steps: Sequence[Step],
    proposal: Proposal,
) -> int:
    """Write a test with its points in one transaction; return its id.

    Args:
        store: The workspace's store.
        test: Columns of `rate_tests` that say what was done.
        steps: The points.
        proposal: What they say.
    """
    said = {
        "proposal": proposal.rate,
        "steepest": proposal.steepest,
        "blow_up": proposal.blow_up,
        "certainty": proposal.certainty,
        "why": proposal.why,
        "created": time.time(),
    }
    with store.transaction():
        test_id = store.insert("rate_tests", {**test, **said})
        store.write_all(
            "rate_points",
            [
                {
                    "test_id": test_id,
                    "step": place,
                    "rate": step.rate,
                    "loss": step.loss if math.isfinite(step.loss) else None,
                    "smoothed": step.smoothed if math.isfinite(step.smoothed) else None,
                }
                for place, step in enumerate(steps, 1)
            ],
        )
    return test_id


def show(store: Store, test_id: int | None = None) -> dict[str, Any]:
    """Return a test, else the newest, with its `points`.

    Raises:
        UsageError: There is none.
    """
    row = store.row(
        "SELECT t.*, t.job_id AS job, t.plan_id AS plan, p.recipe, p.model, "
        "p.dataset_id AS dataset FROM rate_tests t "
        "JOIN plans p ON p.id = t.plan_id WHERE t.id = COALESCE(?, (SELECT max(id) "
        "FROM rate_tests))",
        (test_id,),
    )
    if row is None:
        which = "is no range test yet" if test_id is None else f"is no range test {test_id}"
        raise UsageError(f"There {which}.", "Make one: `tunesmith rates`.")
    points = store.rows(
        "SELECT step, rate, loss, smoothed FROM rate_points WHERE test_id = ? ORDER BY step",
        (row["id"],),
    )
    return {**{key: row[key] for key in _SHOWN}, "points": [dict(point) for point in points]}


def of_job(store: Store, job_id: int) -> dict[str, Any]:
    """Return the test that a job made."""
    return show(store, store.scalar("SELECT max(id) FROM rate_tests WHERE job_id = ?", (job_id,)))
