"""How each architecture's decoder differs from Llama's, as Transformers 5.23 builds it.

Read in `transformers/models/*/modeling_*.py`, and held against those models by
tests/engine/plan/test_dimensions.py. What does not change a count, such as sliding windows,
rotary embeddings and Granite's multipliers, is not told here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Flag = bool | str
"""Whether something is there: always, never, or as this key of config.json says."""


@dataclass(frozen=True)
class Style:
    """One architecture, told by its differences from Llama.

    Attributes:
        qkv_bias: Whether queries, keys and values have biases.
        out_bias: Whether attention's output map has a bias.
        mlp_bias: Whether the feed-forward maps have biases.
        gated: Whether the feed-forward block has a gate beside its way up.
        fused_qkv: Whether queries, keys and values are one map. LoRA gives it one pair, not three.
        fused_ffn: Whether gate and way up are one map.
        query_gate: Whether the map of the queries also makes a gate as wide.
        norms: Norms of the residual stream's width in one layer.
        norm_numbers: Parameters of a norm for each number of its width: 2 with a bias.
        query_norms: Norms on queries and keys: shared by the heads, over all heads together, or
            one a head. A pair is (key, form): only if the config's key says so.
        tied: Whether the head is the embedding when config.json does not say.
        head_width: Width of a head when config.json does not say; 0 for hidden / heads.
        head_bias: Whether the output head has a bias.
        expert_bias: Whether experts and their router have biases.
        shared_gate: Whether the shared expert has a gate.
        fused_shared: Whether the shared expert's gate and way up are one map.
        extra: Parameters of one layer that no other field tells.
        mixer: What stands in place of attention in the layers that config.json marks so.
        sparse: Whether its layers have routed experts, whose number config.json must say.
        tower: Whether AutoModelForCausalLM loads the vision tower too.
    """

    qkv_bias: Flag = False
    out_bias: Flag = False
    mlp_bias: Flag = False
    gated: bool = True
    fused_qkv: bool = False
    fused_ffn: bool = False
    query_gate: bool = False
    norms: int = 2
    norm_numbers: int = 1
    query_norms: Literal["", "head", "all", "each"] | tuple[str, Literal["head", "each"]] = ""
    tied: bool = False
    head_width: int = 0
    head_bias: bool = False
    expert_bias: bool = False
    shared_gate: bool = False
    fused_shared: bool = False
    extra: int = 0
    mixer: Literal["", "delta", "delta_fused", "conv", "mamba", "latent"] = ""
    sparse: bool = False
    tower: bool = False


_PLAIN = Style()
_ASKED = Style(qkv_bias="attention_bias", out_bias="attention_bias")
_LLAMA = replace(_ASKED, mlp_bias="mlp_bias")
_QWEN3 = replace(_ASKED, query_norms="head")
_GEMMA = replace(_ASKED, tied=True, head_width=256)
_GEMMA3 = replace(_GEMMA, norms=4, query_norms="head")
_OLMO2 = replace(_ASKED, query_norms="all")
_GLM = Style(qkv_bias="attention_bias", fused_ffn=True, head_width=128)
_GLM_MOE = Style(qkv_bias="attention_bias", query_norms=("use_qk_norm", "head"), sparse=True)
_ALL_BIAS = Style(qkv_bias="use_bias", out_bias="use_bias", mlp_bias="use_bias")
_QWEN35 = replace(_QWEN3, head_width=256, query_gate=True, shared_gate=True, mixer="delta")
_LFM2 = Style(query_norms="head", tied=True, mixer="conv")
_QWEN35_MOE = replace(_QWEN35, sparse=True)
_GRANITE_MOE = replace(_ASKED, fused_shared=True, sparse=True)

STYLES: Mapping[str, Style] = {
    "apertus": replace(_QWEN3, gated=False, extra=2),
    "arcee": replace(_LLAMA, gated=False),
    "cohere": replace(_ASKED, norms=1, tied=True, query_norms=("use_qk_norm", "each")),
    "cohere2": replace(_ASKED, norms=1, tied=True),
    "deepseek_v3": replace(_ASKED, mixer="latent", sparse=True),
    "ernie4_5": replace(_ALL_BIAS, tied=True, head_width=128),
    "exaone4": Style(query_norms="head"),
    "gemma": _GEMMA,
    "gemma2": replace(_GEMMA, norms=4),
    "gemma3": replace(_GEMMA3, tower=True),
    "gemma3_text": _GEMMA3,
    "glm": _GLM,
    "glm4": replace(_GLM, norms=4),
    "glm4_moe": _GLM_MOE,
    "gpt_oss": replace(_ASKED, head_width=64, expert_bias=True, sparse=True),
    "granite": _LLAMA,
    "granitemoe": _GRANITE_MOE,
    "granitemoehybrid": replace(_GRANITE_MOE, mixer="mamba"),
    "granitemoeshared": _GRANITE_MOE,
    "hunyuan_v1_dense": replace(_ASKED, query_norms="head"),
    "internlm3": replace(_LLAMA, head_width=128),
    "lfm2": _LFM2,
    "lfm2_moe": replace(_LFM2, sparse=True),
    "llama": _LLAMA,
    "ministral": _PLAIN,
    "ministral3": replace(_PLAIN, head_width=128),
    "mistral": _PLAIN,
    "mixtral": replace(_PLAIN, sparse=True),
    "nemotron": replace(_LLAMA, gated=False, norm_numbers=2),
    "olmo": replace(_ASKED, norm_numbers=0),
    "olmo2": _OLMO2,
    "olmo3": _OLMO2,
    "olmoe": replace(_OLMO2, sparse=True),
    "phi": Style(
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        gated=False,
        norms=1,
        norm_numbers=2,
        query_norms=("qk_layernorm", "head"),
        head_bias=True,
    ),
    "phi3": Style(fused_qkv=True, fused_ffn=True),
    "qwen2": Style(qkv_bias=True),
    "qwen2_moe": Style(qkv_bias="qkv_bias", shared_gate=True, sparse=True),
    "qwen3": replace(_QWEN3, head_width=128),
    "qwen3_5": _QWEN35,
    "qwen3_5_moe": _QWEN35_MOE,
    "qwen3_5_moe_text": _QWEN35_MOE,
    "qwen3_5_text": _QWEN35,
    "qwen3_moe": replace(_QWEN3, sparse=True),
    "qwen3_next": replace(_QWEN35_MOE, mixer="delta_fused"),
    "seed_oss": replace(
        _LLAMA, qkv_bias="attention_bias", out_bias="attention_out_bias", head_width=128
    ),
    "smollm3": replace(_LLAMA, tied=True),
    "stablelm": Style(
        qkv_bias="use_qkv_bias", norm_numbers=2, query_norms=("qk_layernorm", "each")
    ),
    "starcoder2": replace(_ALL_BIAS, gated=False, norm_numbers=2, tied=True),
}

# Flags that are on where config.json does not name them.
ON_BY_DEFAULT: Mapping[str, frozenset[str]] = {
    "glm": frozenset({"attention_bias"}),
    "glm4": frozenset({"attention_bias"}),
    "gpt_oss": frozenset({"attention_bias"}),
    "qwen2_moe": frozenset({"qkv_bias"}),
    "seed_oss": frozenset({"attention_bias"}),
    "starcoder2": frozenset({"use_bias"}),
}

# Where LoRA on "all-linear" adapts router and experts, and none of the other feed-forward maps:
# PEFT 0.21 `utils/transformers_weight_conversion.py` with Transformers' `conversion_mapping.py`.
ADAPTS_EXPERTS = frozenset(
    {"deepseek_v3", "glm4_moe", "mixtral", "olmoe", "qwen3_moe", "qwen3_next"}
)


def carries_state(kind: str) -> bool:
    """Say whether something beside attention connects tokens, or may: rows then stay apart.

    Args:
        kind: `model_type` of a config.json.
    """
    style = STYLES.get(kind)
    return style is None or style.mixer not in ("", "latent")
