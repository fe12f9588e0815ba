"""Direct preference optimization: pairs of answers against the model with its adapter off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from trl import DPOConfig, DPOTrainer

from engine.run.trainers.followed import Followed

_SHARE = "share"  # of the micro-batch's pairs that a piece holds


class Trainer(Followed, DPOTrainer):  # type: ignore[misc]
    """TRL's trainer; its batch holds the better answers, then the worse ones."""

    CONFIG: ClassVar[Any] = DPOConfig

    def pieces(self, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the parts of a micro-batch, whole pairs each."""
        lengths = inputs["attention_mask"].sum(dim=1)
        pairs = len(lengths) // 2
        longer = lengths.view(2, pairs).amax(dim=0).tolist()
        return [self._piece(inputs, rows, longer, pairs) for rows in self._cut(longer)]

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **named: Any) -> Any:
        """Return the library's mean over a piece, times its share of the micro-batch's pairs."""
        share = inputs.pop(_SHARE, 1.0)
        return super().compute_loss(model, inputs, *arguments, **named) * share

    def _piece(
        self, inputs: Mapping[str, Any], rows: list[int], longer: list[int], pairs: int
    ) -> dict[str, Any]:
        width = max(longer[row] for row in rows)
        both = [*rows, *(pairs + row for row in rows)]
        found: dict[str, Any] = {_SHARE: len(rows) / pairs}
        for name, value in inputs.items():
            each = rows if len(value) == pairs else both
            found[name] = value[each] if value.dim() == 1 else value[each, :width]
        return found
