"""What the fit gate has measured: the attempts of a job, and the plan that came of them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.base.store import Row, Store
from engine.plan import plan as plans
from engine.plan.plan import Plan
from engine.plan.recipe import Scalar

FITS, RAN_OUT = "fits", "out of memory"
# from the others, and from what was measured since
_FOLLOWS = ("tokens_per_second", "watts", "memory_factor")


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


def latest(store: Store, project_id: int, plan: Plan) -> Outcome | None:
    """Return the newest outcome of the fit gate for a plan with the same values.

    Args:
        store: The workspace's store.
        project_id: The project.
        plan: The plan as it would be without measuring.
    """
    wanted = _chosen(plan)
    for row in store.rows(
        "SELECT b.job_id AS job, min(b.plan_id) AS asked FROM probes b "
        "JOIN plans p ON p.id = b.plan_id "
        "WHERE p.project_id = ? AND p.dataset_id = ? AND p.model = ? AND p.recipe = ? "
        "AND p.device = ? GROUP BY b.job_id HAVING max(b.plan_id) > min(b.plan_id) "
        "ORDER BY max(b.id) DESC",
        (project_id, plan.dataset_id, plan.model, plan.recipe, plan.device),
    ):
        if _chosen(plans.load(store, row["asked"])) == wanted:
            return outcome(store, row["job"])
    return None


def _chosen(plan: Plan) -> dict[str, Scalar]:
    """The values that were chosen, and not what speed and power follow from them."""
    return {name: value.value for name, value in plan.values.items() if name not in _FOLLOWS}
