"""What of a plan decides the memory and the speed of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from engine.plan.recipe import Scalar

Kind = Literal["cpu", "gpu"]

# The share of a row's tokens that are answer, where nobody counted.
HALF = 0.5
_TWO_ANSWERS = frozenset({"dpo", "orpo"})
_REFERENCE = frozenset({"dpo", "kto"})
ALL_LINEAR = "all-linear"


@dataclass(frozen=True)
class Setup:
    """A training, as far as its memory and speed depend on it.

    Attributes:
        trainer: sft, dpo, kto, orpo or cpt.
        tuning: lora or full.
        quantization: none or nf4, the format of the base's linear maps.
        rank: LoRA rank; 0 for full tuning.
        micro_batch: Rows computed at the same time; a row of pairs counts once.
        length: Tokens of the longest row.
        precision: bf16 or fp32, the format of the weights and of the computation; mixed has weights
            in fp32 and computes in bf16.
        gradient_checkpointing: Whether layers are recomputed instead of kept.
        dropout: Dropout on the adapters' inputs.
        optimizer: Its name, as Transformers has it.
        scored: The share of a row's tokens that is answer and so enters the loss, 0 to 1.
        accumulation: Micro-batches to a step; gradients stay between them.
        targets: The linear maps that LoRA adapts: `all-linear`, or names with commas.
        embeddings: Whether the tables of the tokens are trained whole, beside the adapter.
        precomputed: Whether the reference's probabilities are computed before the training.
        budget: Tokens of rows computed at the same time at most, a longer row by itself; of pairs
            the longer half counts. 0 for no bound.
        packing: Whether rows lie end to end without padding.
    """

    trainer: str = "sft"
    tuning: str = "lora"
    quantization: str = "none"
    rank: int = 16
    micro_batch: int = 1
    length: int = 1024
    precision: str = "bf16"
    gradient_checkpointing: bool = False
    dropout: float = 0.0
    optimizer: str = "adamw_torch_fused"
    scored: float = HALF
    accumulation: int = 1
    targets: str = ALL_LINEAR
    embeddings: bool = False
    precomputed: bool = False
    budget: int = 0
    packing: bool = False

    @classmethod
    def of(cls, settings: Mapping[str, Scalar], trainer: str, tuning: str) -> Self:
        """Return the setup of a plan's settings; those that older stores lack are assumed.

        Args:
            settings: Every setting of a plan, plain.
            trainer: The recipe's trainer.
            tuning: The recipe's tuning.
        """
        lora, limit = tuning == "lora", int(settings["max_length"])
        return cls(
            trainer=trainer,
            tuning=tuning,
            quantization=str(settings.get("quantization", "none")) if lora else "none",
            rank=int(settings["lora_rank"]) if lora else 0,
            micro_batch=int(settings["micro_batch"]),
            length=min(limit, int(settings.get("longest", limit))),
            precision=str(settings["precision"]),
            gradient_checkpointing=bool(settings["gradient_checkpointing"]),
            dropout=float(settings.get("lora_dropout", 0.0)) if lora else 0.0,
            optimizer=str(settings["optimizer"]),
            scored=1.0 if trainer == "cpt" else float(settings.get("answer_share", HALF)),
            accumulation=int(settings.get("accumulation", 1)),
            targets=str(settings.get("lora_targets", ALL_LINEAR)),
            embeddings=lora and bool(settings.get("train_embeddings", False)),
            precomputed=bool(settings.get("precompute_reference", False)),
            budget=0
            if settings.get("sharding") == "fsdp2"
            else int(settings.get("micro_tokens", 0)),
            packing=bool(settings.get("packing", False)),
        )

    @property
    def lora(self) -> bool:
        """Whether an adapter is trained instead of the model."""
        return self.tuning == "lora"

    @property
    def nf4(self) -> bool:
        """Whether the base's linear maps are held in four bits."""
        return self.lora and self.quantization == "nf4"

    @property
    def method(self) -> str:
        """The method's name: `sft-lora`, `sft-qlora`, `sft-full`, `dpo-lora` and so on."""
        return f"{self.trainer}-{'qlora' if self.nf4 else self.tuning}"

    @property
    def weight_bytes(self) -> int:
        """Bytes of one weight, and of one number between two layers."""
        return 2 if self.precision == "bf16" else 4

    @property
    def number_bytes(self) -> int:
        """Bytes of one number inside a layer."""
        return 4 if self.precision == "fp32" else 2

    @property
    def mixed(self) -> bool:
        """Whether the weights are copied to bf16 for every pass (autocast)."""
        return self.weight_bytes > self.number_bytes

    @property
    def answers(self) -> int:
        """Sequences of one row: a pair's better and worse answer are computed together."""
        return 2 if self.trainer in _TWO_ANSWERS else 1

    @property
    def tokens(self) -> int:
        """Tokens of the widest piece of a micro-batch, all sequences padded to `length`."""
        whole = self.micro_batch * self.length
        return self.answers * (min(whole, max(self.budget, self.length)) if self.budget else whole)

    @property
    def reference(self) -> bool:
        """Whether a frozen copy of the model is held beside it, to compare with.

        With LoRA the copy is the model itself, its adapter switched off.
        """
        return self.trainer in _REFERENCE and not self.lora and not self.precomputed

    @property
    def trains_head(self) -> bool:
        """Whether the output head gets a gradient."""
        return self.embeddings or not self.lora


def split(method: str) -> tuple[str, str]:
    """Return the trainer and the tuning of a method's name: `dpo-qlora` is dpo and lora."""
    trainer, _, tuning = method.rpartition("-")
    return trainer or "sft", tuning.replace("qlora", "lora")
