"""Odds-ratio preference optimization: the better answer's loss, and its odds over the worse one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from peft import get_peft_model
from transformers import set_seed
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from engine.run.examples import IGNORED
from engine.run.trainers.followed import Followed


class Trainer(Followed, ORPOTrainer):  # type: ignore[misc]
    """TRL's trainer on ready token ids.

    The adapter is put on before, because TRL would otherwise turn a 4-bit base's other weights to
    float32 and the adapter's to bfloat16.
    """

    CONFIG: ClassVar[Any] = ORPOConfig
    MASKS: ClassVar[tuple[str, ...]] = ("chosen_attention_mask", "rejected_attention_mask")

    def __init__(self, *, model: Any, peft_config: Any, args: ORPOConfig, **options: Any) -> None:
        set_seed(args.seed)  # the adapter's first values are drawn now
        adapted = get_peft_model(model, peft_config) if peft_config else model
        super().__init__(model=adapted, args=args, **options)

    def tokenize_row(self, feature: Mapping[str, Any], _model: Any = None) -> dict[str, list[int]]:
        """Return a pair under the names that TRL's collator and loss expect."""
        prompt, found = list(feature["prompt_ids"]), {}
        for side in ("chosen", "rejected"):
            answer = list(feature[f"{side}_ids"])
            found[f"{side}_input_ids"] = prompt + answer
            found[f"{side}_attention_mask"] = [1] * (len(prompt) + len(answer))
            found[f"{side}_labels"] = [IGNORED] * len(prompt) + answer
        return found
