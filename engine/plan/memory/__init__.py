"""Peak memory of a training, part by part, from the model's shape alone.

`gpu` and `cpu` hold the formulas, `state` what both share, `record` what this box's own runs have
taught. The tables of predicted against published and measured peaks are in docs/memory.md. Bytes
throughout; the peak is that of the worst micro-batch, all rows at full length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.plan.dimensions import Dimensions
from engine.plan.memory import cpu, gpu
from engine.plan.memory.cpu import OWN_LOSS_LOGITS, PLAIN_LENGTH
from engine.plan.memory.gpu import OURS, Stack
from engine.plan.memory.record import Correction, learned
from engine.plan.memory.setup import HALF, Kind, Setup, split

__all__ = [
    "EXPECTED_ERROR",
    "HALF",
    "OURS",
    "OWN_LOSS_LOGITS",
    "PLAIN_LENGTH",
    "Correction",
    "Estimate",
    "Kind",
    "Setup",
    "Stack",
    "estimate",
    "learned",
    "split",
]

# The 90th percentile of what was measured: docs/memory.md.
EXPECTED_ERROR: Mapping[str, float] = {"cpu": 0.15, "gpu": 0.15}


@dataclass(frozen=True)
class Estimate:
    """Predicted peak memory.

    Attributes:
        parts: Bytes by name at the moment of the peak: weights, reference, adapter, gradients,
            optimizer, copies, activations, loss, temporary, and context and reserve (GPU) or
            runtime and waste (CPU); those that are nothing then are left out.
        moment: When the peak is: loss, backward, optimizer or evaluation.
        correction: What this box's own runs have taught, by which all was multiplied.
    """

    parts: Mapping[str, int]
    moment: str = "backward"
    correction: Correction | None = None

    @property
    def peak_bytes(self) -> int:
        """The sum of all parts."""
        return sum(self.parts.values())

    def _without(self, part: str) -> int:
        return self.peak_bytes - self.parts.get(part, 0)

    def corrected(self, correction: Correction | None) -> Estimate:
        """Return the estimate, changed by what this box's runs have shown; None changes nothing."""
        if correction is None:
            return self
        # what a GPU's runs measure is their tensors; the context beside them stays as it is
        steady = self.parts.get("context", 0) * self.peak_bytes / self._without("reserve")
        learnt = round((self.peak_bytes - steady) * (correction.factor - 1))
        return replace(self, parts={**self.parts, "learnt": learnt}, correction=correction)


def estimate(
    dimensions: Dimensions, device_kind: Kind, setup: Setup, stack: Stack = OURS
) -> Estimate:
    """Predict the peak memory of a training.

    Args:
        dimensions: The base model's shape.
        device_kind: Whose memory is meant: main memory, or that of one GPU.
        setup: What is trained, and how.
        stack: The libraries that train it on a GPU; ours unless said otherwise.
    """
    if device_kind == "cpu":
        moment, parts = cpu.parts(dimensions, setup)
    else:
        moment, parts = gpu.parts(dimensions, setup, stack)
    return Estimate(parts, moment)
