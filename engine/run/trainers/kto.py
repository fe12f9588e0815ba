"""Kahneman-Tversky optimization: single answers, good or bad, against the adapter switched off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from trl import KTOConfig, KTOTrainer
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

from engine.run.trainers.followed import Followed


class Mismatched(DataCollatorForUnpairedPreference):  # type: ignore[misc]
    """Puts each answer of a batch under the next prompt too: what KTO measures the distance on.

    TRL pairs rows before it shuffles them; here the answers of both halves are the same, as the
    paper has it. A batch of one, the last of an epoch, keeps its own answer.
    """

    def torch_call(self, examples: Sequence[Mapping[str, Any]]) -> Any:
        """Return a batch of tensors."""
        answers = [example["completion_ids"] for example in examples]
        moved = [answers[-1], *answers[:-1]]
        return super().torch_call(
            [
                {**example, "KL_completion_ids": answer}
                for example, answer in zip(examples, moved, strict=True)
            ]
        )


class Trainer(Followed, KTOTrainer):  # type: ignore[misc]
    """TRL's trainer with mismatched answers made from the batch at hand."""

    CONFIG: ClassVar[Any] = KTOConfig

    def __init__(self, **options: Any) -> None:
        tokenizer = options["processing_class"]
        collator = Mismatched(tokenizer.pad_token_id, options["args"].max_length)
        super().__init__(**options, data_collator=collator)
