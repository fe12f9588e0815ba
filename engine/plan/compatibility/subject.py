"""Everything that a compatibility check looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.data.chat import model_files
from engine.plan.compatibility.lists import lists
from engine.plan.compatibility.rows import RowFacts
from engine.plan.dimensions import Dimensions
from engine.plan.models import Chat, Commercial
from engine.plan.setting import Scalar, Trainer, Tuning

_SINGLE_EXPERT = 1
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")


@dataclass(frozen=True)
class Subject:
    """A model, and what is to be done with it.

    Attributes:
        name: The model's name, as the user gave it.
        config: Its config.json, or as much of it as the catalogue has.
        dimensions: Its shape; None where config.json has none that is known.
        folder: Its files, or None where they are not on this box.
        chat: What the catalogue says of its template; None where nobody looked.
        commercial: Whether its licence lets a product use it; empty where unknown.
        licence: The licence's name.
        trainer: The recipe's trainer.
        tuning: The recipe's tuning.
        settings: The plan's settings; those that are missing are not judged.
        rows: What the dataset's rows hold.
        instruction: Whether the project has a system text for all rows.
        target: Where the model will run: llama.cpp, ollama or vllm; empty where nobody said.
        exports: The GGUF types to make.
        product: Whether the project says that the model goes into a product.
        bf16: Whether the device calculates in bfloat16 itself; None where unknown.
    """

    name: str
    config: Mapping[str, Any]
    dimensions: Dimensions | None = None
    folder: Path | None = None
    chat: Chat | None = None
    commercial: Commercial | str = ""
    licence: str = ""
    trainer: Trainer = "sft"
    tuning: Tuning = "lora"
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    rows: RowFacts = field(default_factory=RowFacts)
    instruction: bool = True
    target: str = ""
    exports: tuple[str, ...] = ()
    product: bool = False
    bf16: bool | None = None

    @property
    def text(self) -> Mapping[str, Any]:
        """The decoder's part of the config, which vision and audio models keep apart."""
        inner = self.config.get("text_config")
        return inner if isinstance(inner, Mapping) else self.config

    @property
    def kind(self) -> str:
        """The model type by which the trainer chooses a class."""
        return str(self.config.get("model_type") or "")

    @property
    def loaded(self) -> str:
        """The class that the trainer loads and a merged model is saved as; empty if none."""
        return lists().causal.get(self.kind, "")

    @property
    def where(self) -> str:
        """The place to look at for what config.json says."""
        return str(self.folder / "config.json") if self.folder else self.name

    @property
    def quantised(self) -> bool:
        """Whether the base is loaded in NF4."""
        return self.tuning == "lora" and self.settings.get("quantization") == "nf4"

    @property
    def adapter(self) -> bool:
        """Whether an adapter is trained."""
        return self.tuning == "lora"

    @property
    def stacked(self) -> bool:
        """Whether it has routed experts, which Transformers keeps in stacked tensors."""
        if self.dimensions is not None and self.dimensions.exact:
            return self.dimensions.expert_parameters > 0
        counts = [self.text.get(key) for key in _EXPERTS]
        many = any(isinstance(count, int) and count > _SINGLE_EXPERT for count in counts)
        return many or self.kind in lists().stacked

    def file(self, name: str) -> dict[str, Any]:
        """Return a JSON file of the folder; empty where it is missing.

        Raises:
            TunesmithError: It is no JSON.
        """
        return model_files.read(self.folder / name) if self.folder else {}
