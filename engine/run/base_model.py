"""The base model for a training: its number format, its attention, and the adapter beside it.

Imported inside the training job only, because it needs `torch`, `peft` and `transformers`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from engine.base import ranks
from engine.plan.plan import Plan
from engine.run import arguments, attention


def load(plan: Plan, folder: Path, longest: int) -> Any:
    """Load the weights onto the plan's device.

    Args:
        plan: Its precision, quantization and device.
        folder: The base model.
        longest: Tokens of the longest row.
    """
    dtype = torch.bfloat16 if plan["precision"] == "bf16" else torch.float32
    options: dict[str, Any] = {
        "dtype": dtype,
        "attn_implementation": arguments.attention(plan, longest),
    }
    if options["attn_implementation"] == attention.NAME:
        attention.register()
    place = "cpu" if plan.device == "cpu" else f"cuda:{ranks.local()}"
    if plan.quantised:
        quantised = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            # FSDP2 shards what is stored as a float, and leaves bytes whole on every GPU
            bnb_4bit_quant_storage=dtype if plan.sharding == "fsdp2" else torch.uint8,
        )
        model = AutoModelForCausalLM.from_pretrained(
            folder, **options, quantization_config=quantised, device_map={"": place}
        )
        _keep_as_loaded(model)
        return model
    model = AutoModelForCausalLM.from_pretrained(folder, **options)
    return model if place == "cpu" else model.to(place)


def adapter(plan: Plan, model: Any) -> LoraConfig | None:
    """Return the adapter's description; None where all weights are trained."""
    if plan.tuning == "full":
        return None
    tied = bool(model.config.get_text_config().tie_word_embeddings)
    return LoraConfig(**arguments.adapter(plan, _tables(model), tied=tied))


def _keep_as_loaded(model: Any) -> None:
    """Forbid bitsandbytes to pack a CPU's 4-bit weights anew at the first validation.

    That rounds each block's scale to bfloat16: the base would be another from there on, and a run
    that was resumed after a validation would not reach the bytes of the undisturbed one.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _tables(model: Any) -> list[str]:
    """Return the names of the input table and of the output head."""
    wanted = (model.get_input_embeddings(), model.get_output_embeddings())
    named = {id(module): name for name, module in model.named_modules()}
    return [named[id(module)].rpartition(".")[2] for module in wanted]
