"""What Transformers, PEFT and bitsandbytes make of a config.json, without any weights."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.plan.dimensions import Dimensions

RANK = 8


class Counts(NamedTuple):
    """Parameters, those that NF4 quantises, and those of a LoRA adapter on "all-linear"."""

    parameters: int
    quantised: int
    adapter: int


def counted(dimensions: Dimensions) -> Counts:
    """Return Tunesmith's own counts."""
    return Counts(
        dimensions.parameters,
        dimensions.linear_parameters,
        dimensions.adapter_parameters(RANK),
    )


def build(config: dict[str, Any]) -> Any:
    """Build the model that the trainer would load, on the meta device."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    vocabulary = config.get("text_config", config)["vocab_size"]
    ids = {} if "text_config" in config else dict.fromkeys(_IDS, vocabulary - 1)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(**{**ids, **config}))


def parameters(config: dict[str, Any]) -> int:
    """Count the parameters of the real model."""
    return sum(weight.numel() for weight in build(config).parameters())


def real(config: dict[str, Any]) -> Counts:
    """Count with the real model, the real NF4 replacement and the real LoRA."""
    import torch
    from bitsandbytes.nn import Linear4bit
    from peft import LoraConfig, get_peft_model
    from transformers import BitsAndBytesConfig
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear
    from transformers.quantizers.base import get_keys_to_not_convert

    model = build(config)
    total = sum(weight.numel() for weight in model.parameters())
    with torch.device("meta"):
        adapted = get_peft_model(
            build(config), LoraConfig(r=RANK, target_modules="all-linear", task_type="CAUSAL_LM")
        )
        small = replace_with_bnb_linear(
            model,
            modules_to_not_convert=get_keys_to_not_convert(model),
            quantization_config=BitsAndBytesConfig(load_in_4bit=True),
        )
    four_bit = [module for module in small.modules() if isinstance(module, Linear4bit)]
    return Counts(
        total,
        sum(module.in_features * module.out_features for module in four_bit),
        adapted.get_nb_trainable_parameters()[0],
    )


_IDS = ("pad_token_id", "bos_token_id", "eos_token_id")
