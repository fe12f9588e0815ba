"""The situations that recipes bend to: data, model and device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Situation:
    """What a recipe bends to.

    Attributes:
        rows: Training rows.
        parameters: Parameters of the base model.
        device: cpu or gpu.
        bf16: Whether the device calculates in bfloat16 itself.
        memory: Its free memory in bytes.
        flash_attention: Whether it runs FlashAttention, and the library is there.
    """

    rows: int
    parameters: int
    device: Literal["cpu", "gpu"]
    bf16: bool
    memory: float = math.inf
    flash_attention: bool = False


@dataclass(frozen=True)
class When:
    """A condition; every part that is given must hold.

    Attributes:
        rows_from: Training rows, at least.
        rows_below: Training rows, fewer than.
        billions_from: Parameters of the base model in billions, at least.
        billions_below: Parameters of the base model in billions, fewer than.
        memory_from: Free memory of the device in GB (1e9 bytes), at least.
        memory_below: Free memory of the device in GB, less than.
        gb_per_billion_from: Free memory in GB for each billion parameters, at least.
        gb_per_billion_below: Free memory in GB for each billion parameters, less than.
        device: Where the training runs.
        lacks: What the device cannot do.
    """

    rows_from: float = 0
    rows_below: float = math.inf
    billions_from: float = 0
    billions_below: float = math.inf
    memory_from: float = 0
    memory_below: float = math.inf
    gb_per_billion_from: float = 0
    gb_per_billion_below: float = math.inf
    device: Literal["any", "cpu", "gpu"] = "any"
    lacks: Literal["nothing", "bf16", "flash attention"] = "nothing"

    def holds(self, situation: Situation) -> bool:
        """Say whether a situation is one of those meant."""
        billions, memory = situation.parameters / 1e9, situation.memory / 1e9
        return (
            _within(self.rows_from, situation.rows, self.rows_below)
            and _within(self.billions_from, billions, self.billions_below)
            and _within(self.memory_from, memory, self.memory_below)
            and _within(self.gb_per_billion_from, memory / billions, self.gb_per_billion_below)
            and self.device in ("any", situation.device)
            and not (self.lacks == "bf16" and situation.bf16)
            and not (self.lacks == "flash attention" and situation.flash_attention)
        )

    def words(self) -> str:
        """Return the condition as a person says it."""
        parts = [
            _words("rows", self.rows_from, self.rows_below, "{:,.0f}"),
            _words("model size", self.billions_from, self.billions_below, "{:g} billion"),
            _words("free memory", self.memory_from, self.memory_below, "{:g} GB"),
            _words(
                "free memory for each billion parameters",
                self.gb_per_billion_from,
                self.gb_per_billion_below,
                "{:g} GB",
            ),
            {"any": "", "cpu": "on a CPU", "gpu": "on a GPU"}[self.device],
            "" if self.lacks == "nothing" else f"the device lacks {self.lacks}",
        ]
        return ", ".join(filter(None, parts))


def _within(low: float, value: float, high: float) -> bool:
    """Say whether low <= value < high; an infinite value is below an infinite bound."""
    return low <= value and (value < high or high == math.inf)


def _words(what: str, low: float, high: float, form: str) -> str:
    if high == math.inf:
        return f"{what} from {form.format(low)}" if low else ""
    below = f"below {form.format(high)}"
    return f"{what} from {form.format(low)}, {below}" if low else f"{what} {below}"
