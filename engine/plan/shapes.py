"""A model's dimensions from its config.json, each architecture by its own rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.base.errors import TunesmithError
from engine.plan import layers
from engine.plan.architectures import STYLES, Style
from engine.plan.dimensions import Block, Dimensions

_MOST_LAYERS = 10_000  # far above any model; each is looked at
_UNKNOWN = Style(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias")


def dimensions(config: Mapping[str, Any], where: str) -> Dimensions:
    """Return the dimensions that a config.json states.

    A vision model's decoder is its `text_config`; its tower counts where the trainer loads it too.
    An architecture without a rule of its own is counted as if it were Llama's, with `exact` false.

    Args:
        config: The content of config.json.
        where: The model's name or file, for the message.

    Raises:
        TunesmithError: A needed key is missing or no number; no decoder of the usual kind.
    """
    try:
        return _dimensions(config)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise TunesmithError(
            f"The model's config.json lacks what a decoder needs ({error}).",
            "Choose a text model of the Llama, Mistral, Qwen or SmolLM family.",
            where,
        ) from error


def _dimensions(config: Mapping[str, Any]) -> Dimensions:
    outer = str(config.get("model_type", ""))
    text = config.get("text_config") or config
    kind = str(text.get("model_type") or outer)
    style = STYLES.get(outer) or STYLES.get(kind)
    shape = _shape(text, kind, style or _UNKNOWN)
    decoder = layers.blocks(shape)
    tower, beside = _tower(config, shape.hidden) if shape.style.tower else ((), 0)
    tied = text.get("tie_word_embeddings", config.get("tie_word_embeddings"))
    vocab = int(text["vocab_size"])
    return Dimensions(
        layers=shape.layers,
        hidden=shape.hidden,
        ffn=_ffn(shape, decoder),
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_width=shape.head_width,
        vocab=vocab,
        context=int(text.get("max_position_embeddings") or 2048),
        tied=shape.style.tied if tied is None else bool(tied),
        kind=kind,
        blocks=decoder,
        beside=tower,
        other=beside + shape.hidden * shape.style.norm_numbers + vocab * shape.style.head_bias,
        exact=_is_exact(config, shape, style),
    )


def _is_exact(config: Mapping[str, Any], shape: layers.Shape, style: Style | None) -> bool:
    """Whether there is a rule for all that the trainer would load, and the config fills it."""
    if style is None or (style.sparse and not shape.states_experts):
        return False
    return shape.config is config or config.get("model_type") in STYLES


def _shape(text: Mapping[str, Any], kind: str, style: Style) -> layers.Shape:
    hidden, heads = int(text["hidden_size"]), int(text["num_attention_heads"])
    width = text.get("head_dim", style.head_width or None) or hidden // heads
    shape = layers.Shape(
        config=text,
        kind=kind,
        style=style,
        hidden=hidden,
        ffn=int(_first(text, "intermediate_size", "moe_intermediate_size", "ffn_hidden_size")),
        layers=int(text["num_hidden_layers"]),
        heads=heads,
        kv_heads=int(text.get("num_key_value_heads") or heads),
        head_width=int(width),
    )
    if min(shape.hidden, shape.layers, shape.heads, shape.kv_heads, shape.head_width) < 1:
        raise ValueError("a size below 1")
    if shape.layers > _MOST_LAYERS:
        raise ValueError(f"{shape.layers} layers")
    return shape


def _ffn(shape: layers.Shape, decoder: tuple[Block, ...]) -> int:
    """Width inside the feed-forward block of the most frequent layer, for one token."""
    if decoder[0].experts or shape.style.fused_shared:
        return decoder[0].active * shape.expert_width + shape.shared_width
    return layers.short_ffn(shape.config, shape.ffn) if shape.kind == "lfm2" else shape.ffn


def _tower(config: Mapping[str, Any], hidden: int) -> tuple[tuple[Block, ...], int]:
    """Gemma 3's SigLIP vision tower and its way into the decoder: its layers, all else."""
    vision = config["vision_config"]
    width, inner = int(vision["hidden_size"]), int(vision["intermediate_size"])
    patch, image = int(vision["patch_size"]), int(vision["image_size"])
    linears = (*((width, width),) * 4, (width, inner), (inner, width))
    biases = 4 * width + inner + width
    layer = Block(int(vision["num_hidden_layers"]), linears, biases + 4 * width)
    channels = int(vision.get("num_channels", 3))
    tables = width * channels * patch**2 + width + width * (image // patch) ** 2
    return (layer,), tables + 2 * width + width * hidden + width


def _first(config: Mapping[str, Any], *keys: str) -> Any:
    for key in keys:
        if config.get(key) is not None:
            return config[key]
    raise KeyError(keys[0])
