"""What this box's own runs have taught: how far its peaks lay from the predicted ones."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from engine.base.store import Store
from engine.plan.memory import gpu

_RECENT = 20
# As many runs as the formula itself counts for: with three runs the record weighs one half.
_PRIOR_RUNS = 3
_LEAST, _MOST = 0.5, 2.0  # what lies further off is a fault to look into, not a factor to learn


@dataclass(frozen=True)
class Correction:
    """A factor on the predicted peak, from runs of one method on one device.

    Attributes:
        factor: Measured over predicted: the median of the runs, drawn towards 1 while they are few.
        runs: How many runs it rests on.
        error: The median share by which the factor would have missed those runs.
    """

    factor: float
    runs: int
    error: float

    @property
    def why(self) -> str:
        """The correction in words."""
        runs = "one run" if self.runs == 1 else f"{self.runs} runs"
        return f"{runs} of this method on this device: times {self.factor:.2f}."

    def expected(self, general: float) -> float:
        """Return how far a corrected prediction is likely off at most.

        Args:
            general: What the formula is off by without a record; it weighs as three runs do.
        """
        weight = self.runs / (self.runs + _PRIOR_RUNS)
        return (1 - weight) * general + weight * min(general, 2 * self.error)


def learned(store: Store, method: str, device: str) -> Correction | None:
    """Return what the latest runs of a method on a device have taught, or None without any.

    The predictions in the record may hold an earlier correction, which their plan keeps as its
    value `memory_factor`; it is taken out. On a GPU a run measures its tensors, so that is
    compared, and context and reserve stay as they are.

    Args:
        store: The workspace's store.
        method: The method's name, as plans have it.
        device: The device's name, as plans have it.
    """
    rows = store.rows(
        "SELECT q.predicted, q.measured, v.value AS factor FROM predictions q "
        "JOIN runs r ON r.id = q.run_id JOIN plans p ON p.id = r.plan_id "
        "LEFT JOIN plan_values v ON v.plan_id = p.id AND v.key = 'memory_factor' "
        "WHERE q.quantity = 'peak_bytes' AND r.method = ? AND p.device = ? "
        "AND q.predicted > 0 AND q.measured > 0 "
        "AND r.id NOT IN (SELECT run_id FROM fetched_runs) ORDER BY r.id DESC LIMIT ?",
        (method, device, _RECENT),
    )
    ratios = []
    for row in rows:
        predicted = row["predicted"] if device == "cpu" else gpu.tensors(row["predicted"])
        ratio = row["measured"] / max(predicted, 1) * float(row["factor"] or 1)
        ratios.append(min(_MOST, max(_LEAST, ratio)))
    if not ratios:
        return None
    share = len(ratios) / (len(ratios) + _PRIOR_RUNS)
    factor = 1 + share * (statistics.median(ratios) - 1)
    error = statistics.median(abs(ratio / factor - 1) for ratio in ratios)
    return Correction(round(factor, 4), len(ratios), error)
