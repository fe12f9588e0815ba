"""Supervised fine-tuning and continued pretraining: the loss of the labelled tokens."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from trl import SFTConfig, SFTTrainer

from engine.plan.memory import OWN_LOSS_LOGITS
from engine.run.examples import IGNORED
from engine.run.trainers.followed import Followed


class Trainer(Followed, SFTTrainer):  # type: ignore[misc]
    """TRL's trainer with a faster loss where there is no GPU."""

    CONFIG: ClassVar[Any] = SFTConfig

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
        if (
            labels.device.type != "cpu"
            or answers * self.model.config.get_text_config().vocab_size > OWN_LOSS_LOGITS
        ):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self.count(model, inputs)
        scores = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
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
