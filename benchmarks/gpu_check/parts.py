"""What `make gpu-check` tries, most important first: models, methods, and time for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Kind = Literal["train", "trl", "resume"]

SMALL, MIDDLE, LARGE = "qwen2.5-0.5b-instruct", "llama-3.2-3b-instruct", "llama-3.1-8b-instruct"
# The same architectures with two narrow layers, for a rehearsal.
TINY: Mapping[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 2048,
    "max_position_embeddings": 512,
}


@dataclass(frozen=True)
class Part:
    """One process of the suite.

    Attributes:
        kind: train (Tunesmith's trainer), trl (TRL's, as its documentation has it), or resume.
        model: A name of the catalogue; its dimensions count, its weights are random.
        recipe: A recipe's name.
        length: Tokens of every row.
        batch: Rows of a micro-batch; fewer where the board is small.
        limit: Seconds that it may take.
        settings: Further settings.
    """

    kind: Kind
    model: str
    recipe: str = "sft-lora"
    length: int = 1024
    batch: int = 4
    limit: float = 90.0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the table calls it."""
        size = {SMALL: "0.5B", MIDDLE: "3B", LARGE: "8B"}[self.model]
        return {
            "train": f"{self.recipe} {size}",
            "trl": f"TRL alone {size}",
            "resume": f"resume {size}",
        }[self.kind]

    @property
    def needs(self) -> tuple[str, ...]:
        """Packages beside those that every training takes."""
        return ("bitsandbytes",) if "qlora" in self.recipe else ()


PARTS = (
    Part("train", SMALL),
    Part("resume", SMALL, length=256, batch=2, limit=120),
    Part("train", LARGE, "sft-qlora", limit=150),
    Part("train", MIDDLE, limit=120),
    Part("train", MIDDLE, "dpo-lora", length=512, batch=2, limit=120),
    Part("trl", SMALL),
    Part("train", LARGE, batch=2, limit=150),
    Part("trl", MIDDLE, limit=120),
    Part("train", SMALL, "sft-full"),
    Part("train", SMALL, "sft-qlora"),
)


def tiny(part: Part) -> Part:
    """Return a part with short rows and few of them, for a rehearsal."""
    return replace(part, length=64, batch=2)
