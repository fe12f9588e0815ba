"""What the fit gate has measured: the attempts of a job, and the plan that came of them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.base.store import Row, Store
from engine.plan import plan as plans
from engine.plan.plan import Plan
from engine.plan.recipe import Scalar

FITS, RAN_OUT = "fits", "out of memory"
_FOLLOWS = ("tokens_per_second", "watts")  # from the others, and from what was measured since


@dataclass(frozen=True)
class Outcome:
    """What the fit gate found.

    Attributes:
        plan: The plan with what was measured and changed; its gate says whether it fits.
        attempts: Rows of the table `probes`, in order.
        fits: Whether the last attempt fits.
    """

    plan: Plan
    attempts: tuple[Row, ...]
    fits: bool


def outcome(store: Store, job_id: int) -> Outcome:
    """Return what a finished job of kind `fit` found."""
    *attempts, last = store.rows("SELECT * FROM probes WHERE job_id = ? ORDER BY id", (job_id,))
    return Outcome(plans.load(store, last["plan_id"]), tuple(attempts), last["result"] == FITS)


def like(store: Store, project_id: int, plan: Plan) -> Plan | None:
    """Return the newest plan that fits by measurement, made from one with the same values.

    Args:
        store: The workspace's store.
        project_id: The project.
        plan: The plan as it would be without measuring.
    """
    wanted = _asked_values(plan)
    for row in store.rows(
        "SELECT asked.plan_id AS asked, made.plan_id AS made FROM probes made "
        "JOIN plans p ON p.id = made.plan_id "
        "JOIN probes asked ON asked.job_id = made.job_id AND asked.plan_id < made.plan_id "
        "WHERE p.project_id = ? AND p.dataset_id = ? AND p.model = ? AND p.recipe = ? "
        "AND p.device = ? AND made.result = 'fits' GROUP BY made.id ORDER BY made.id DESC",
        (project_id, plan.dataset_id, plan.model, plan.recipe, plan.device),
    ):
        if _asked_values(plans.load(store, row["asked"])) == wanted:
            return plans.load(store, row["made"])
    return None


def _asked_values(plan: Plan) -> dict[str, Scalar]:
    """The values that were chosen, and not what speed and power follow from them."""
    return {name: value.value for name, value in plan.values.items() if name not in _FOLLOWS}
