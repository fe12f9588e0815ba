"""Supervised fine-tuning and continued pretraining: the loss of the labelled tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from trl import SFTConfig, SFTTrainer

from engine.plan.memory import OWN_LOSS_LOGITS
from engine.run import attention
from engine.run.examples import IGNORED
from engine.run.trainers.followed import Followed

_TOKENS = "tokens"  # of a piece's rows


class Trainer(Followed, SFTTrainer):  # type: ignore[misc]
    """TRL's trainer with a faster loss where there is no GPU, and micro-batches in pieces.

    Args:
        packing: Whether the rows of a piece lie end to end in one sequence without padding.
        prefix: Tokens that all training rows begin with, which a piece computes once; 0 for none.
        options: Those of `Followed`, and TRL's own.
    """

    CONFIG: ClassVar[Any] = SFTConfig

    def __init__(self, *, packing: bool = False, prefix: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self._packing = packing
        self._prefix = prefix if prefix and attention.can_share(self.model) else 0

    def pieces(self, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the parts of a micro-batch; each counts what it adds to the loss of all."""
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        return [
            {**self._laid(inputs, rows, lengths), _TOKENS: sum(lengths[row] for row in rows)}
            for rows in self._cut(lengths)
        ]

    def _laid(
        self, inputs: Mapping[str, Any], rows: list[int], lengths: list[int]
    ) -> dict[str, Any]:
        if self._packing:
            return _end_to_end(inputs, rows, lengths)
        some = _trimmed(inputs, rows, lengths)
        told = some["input_ids"], some["labels"], [lengths[row] for row in rows], self._prefix
        return attention.lay(*told) if attention.alike(*told) else some

    def count(self, model: Any, inputs: Any) -> None:
        """Count a piece's tokens, those of a shared prefix for each row; or a whole batch's."""
        if _TOKENS not in inputs:
            super().count(model, inputs)
        elif model.training:
            self._watcher.tokens += inputs[_TOKENS]

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the mean loss of the labelled tokens.

        Without Triton, TRL projects every position onto the vocabulary, prompt and all, and does
        so twice. Here only the positions that predict a labelled token are projected.
        """
        labels = inputs["labels"]
        wanted = labels[:, 1:]
        counted = wanted != IGNORED
        answers = int(counted.sum())
        self.count(model, inputs)
        inputs = {name: value for name, value in inputs.items() if name != _TOKENS}
        if (
            labels.device.type != "cpu"
            or answers * self.model.config.get_text_config().vocab_size > OWN_LOSS_LOGITS
        ):
            library = super(Followed, self).compute_loss  # what comes between would count again
            return library(model, inputs, return_outputs, num_items_in_batch)
        scores = model(
            **_unmasked(inputs),
            logits_to_keep=torch.nn.functional.pad(counted, (0, 1)),
            use_cache=False,
        ).logits
        loss = torch.nn.functional.cross_entropy(
            scores.float().flatten(0, -2), wanted[counted], reduction="sum"
        )
        if num_items_in_batch is None:
            loss = loss / max(1, answers)
        else:  # counted over all processes, whose gradients are averaged
            loss = loss * self.accelerator.num_processes / num_items_in_batch
        return (loss, {}) if return_outputs else loss

    def prediction_step(
        self,
        model: Any,
        inputs: Any,
        prediction_loss_only: bool,  # noqa: ARG002 - the library's signature; logits are never asked for
        ignore_keys: Any = None,  # noqa: ARG002
    ) -> tuple[Any, None, None]:
        """Return the mean loss of a validation batch, computed piece by piece."""
        pieces = self.pieces(self._prepare_inputs(inputs))
        counts = [int((piece["labels"][:, 1:] != IGNORED).sum()) for piece in pieces]
        with torch.no_grad(), self.compute_loss_context_manager():
            losses = [
                self.compute_loss(model, piece) * count
                for piece, count in zip(pieces, counts, strict=True)
            ]
        return (torch.stack(losses).sum() / max(1, sum(counts))).detach(), None, None


def _unmasked(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model takes; padding on the right needs no mask, since none looks ahead."""
    left_out = {"labels"} if inputs.get("rows") else {"labels", "attention_mask"}
    return {name: value for name, value in inputs.items() if name not in left_out}


def _trimmed(inputs: Mapping[str, Any], rows: list[int], lengths: list[int]) -> dict[str, Any]:
    """Return some rows of a batch, padded to the longest of them only; padding is on the right."""
    width = max(lengths[row] for row in rows)
    return {name: value[rows, :width] for name, value in inputs.items()}


def _end_to_end(inputs: Mapping[str, Any], rows: list[int], lengths: list[int]) -> dict[str, Any]:
    """Return some rows as one sequence; positions that begin anew keep each row to itself.

    The first token of a row has nobody in its row to predict it, so it carries no label.
    """
    parts: dict[str, list[Any]] = {"input_ids": [], "position_ids": [], "labels": []}
    for row in rows:
        length = lengths[row]
        ids, labels = inputs["input_ids"][row, :length], inputs["labels"][row, :length].clone()
        labels[0] = IGNORED
        parts["input_ids"].append(ids)
        parts["position_ids"].append(torch.arange(length, device=ids.device))
        parts["labels"].append(labels)
    return {name: torch.cat(values)[None] for name, values in parts.items()}
