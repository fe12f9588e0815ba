"""When memory ends in the middle of a run: the next smaller pieces, from the last checkpoint.

What is learnt stays the same: the batches, their order and the steps do. Where rows are compared
with each other (KTO, ORPO) the micro-batch itself is halved, and so their order changes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from engine.base.hardware import machine
from engine.base.store import Store
from engine.plan import fit, models
from engine.plan import plan as plans
from engine.plan.device import choose
from engine.plan.fit import Demand
from engine.plan.plan import Plan
from engine.plan.recipe import Scalar
from engine.run.fit.request import changed

_WHY = "The memory ran out."


def lighter(plan: Plan) -> dict[str, Scalar]:
    """Return the next change that saves memory, as a plan would have made it; empty without one.

    The format of the base weights stays: what an adapter has learnt belongs to it.
    """
    device = choose(machine.read())
    shape = models.find(plan.model).dimensions
    demand = Demand(shape, device, 0, trainer=plan.trainer, tuning=plan.tuning)
    return next(fit.lighter(plan.settings, frozenset({"quantization"}), demand), {})


def record(store: Store, run_id: int, step: int, plan: Plan, change: Mapping[str, Scalar]) -> None:
    """Keep a change with the run; `applied` finds it there."""
    store.insert_all(
        "run_changes",
        [
            {
                "run_id": run_id,
                "step": step,
                "key": key,
                "before": plans.text(plan[key]),
                "after": plans.text(value),
                "why": _WHY,
                "at": time.time(),
            }
            for key, value in change.items()
        ],
    )


def applied(store: Store, run_id: int, plan: Plan) -> Plan:
    """Return a run's plan with what was changed on its way."""
    changes = store.rows(
        "SELECT key, after, why FROM run_changes WHERE run_id = ? ORDER BY id", (run_id,)
    )
    values = {row["key"]: plans.value(row["key"], row["after"]) for row in changes}
    return changed(plan, values, {row["key"]: row["why"] for row in changes})


def words(change: Mapping[str, Scalar]) -> str:
    """Return a change as `--set` words."""
    return " ".join(f"--set {key}={plans.text(value)}" for key, value in change.items())
