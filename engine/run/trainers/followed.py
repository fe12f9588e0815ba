"""What all trainers share: a reproducible order, someone who follows them, sound checkpoints.

Imported inside the training job only, because it needs `torch` and `transformers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from transformers import PrinterCallback

from engine.base import ranks
from engine.run import checkpoints
from engine.run.order import Order
from engine.run.pieces import Cut
from engine.run.watcher import Watcher


class Followed:
    """A mixin that stands before one of TRL's trainers.

    Args:
        order: The order of the training rows.
        cut: Cuts a micro-batch into the pieces that are computed at the same time.
        watcher: Follows the training.
        options: TRL's own arguments.

    Attributes:
        CONFIG: TRL's class of arguments for this trainer.
        MASKS: The masks of a batch whose tokens are trained on.
    """

    CONFIG: ClassVar[Any]
    MASKS: ClassVar[tuple[str, ...]] = ("attention_mask",)

    def __init__(self, *, order: Order, cut: Cut, watcher: Watcher, **options: Any) -> None:
        super().__init__(**options, callbacks=[watcher])  # type: ignore[call-arg]
        self.remove_callback(PrinterCallback)  # type: ignore[attr-defined]
        self._order = order
        self._cut = cut
        self._watcher = watcher
        _widen(self.model)  # type: ignore[attr-defined]

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:  # noqa: ARG002 - the base's
        return self._order

    def pieces(self, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the parts of a micro-batch whose losses add up to its own; itself by default."""
        return [dict(inputs)]

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Go forward and back with one piece after the other; return the micro-batch's loss."""
        pieces, losses = self.pieces(inputs), []
        for place, piece in enumerate(pieces):
            last = place == len(pieces) - 1
            # several processes add their gradients up once a micro-batch, after its last piece
            apart = nullcontext() if last else self.accelerator.no_sync(model)  # type: ignore[attr-defined]
            with apart:
                losses.append(super().training_step(model, piece, num_items_in_batch))  # type: ignore[misc]
        return torch.stack(losses).sum()

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **named: Any) -> Any:
        """Return the library's loss, and count the tokens that it is taken of."""
        self.count(model, inputs)
        return super().compute_loss(model, inputs, *arguments, **named)  # type: ignore[misc]

    def count(self, model: Any, inputs: Any) -> None:
        """Count a batch's tokens, padding not among them."""
        if model.training:
            self._watcher.tokens += sum(int(inputs[name].sum()) for name in self.MASKS)

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        """Return the dataset as it is: its rows are token ids already, those we ask with."""
        return dataset

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a checkpoint and make it valid; where the disk is full, wait for room and write."""
        folder, step = Path(self.args.output_dir), self.state.global_step  # type: ignore[attr-defined]
        while True:
            try:
                with checkpoints.saving(folder, step):
                    super()._save_checkpoint(model, trial)  # type: ignore[misc]
                    self._watcher.complete(step)
            except checkpoints.DiskFull as full:
                if ranks.world() > 1:  # the others have gone on
                    raise
                self._watcher.wait_for_room(full)
            else:
                return

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Do nothing: the run's report says what a card would."""


def _widen(model: Any) -> None:
    """Train an adapter, and tables beside it, in float32 whatever the base's format.

    TRL rounds adapters on a 4-bit base to bfloat16. With its 8 bits of fraction that loses an
    update smaller than a 256th of the weight, and late in a run most are.
    """
    if hasattr(model, "peft_config"):
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(torch.float32)
