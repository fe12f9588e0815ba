from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from engine.base.errors import TunesmithError
from engine.plan.architectures import STYLES
from engine.plan.shapes import dimensions

_SPEC = importlib.util.spec_from_file_location(
    "transformers_counts", Path(__file__).with_name("transformers_counts.py")
)
counts = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(counts)

SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 5,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 520,
    "max_position_embeddings": 1024,
}
HYBRID = [
    "linear_attention",
    "full_attention",
    "linear_attention",
    "linear_attention",
    "full_attention",
]
CONV = ["conv", "conv", "full_attention", "conv", "full_attention"]
DELTA = {
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
    "linear_value_head_dim": 12, "linear_conv_kernel_dim": 3,
}  # fmt: skip
MOE = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40}
LOCAL = {"num_local_experts": 6, "num_experts_per_tok": 2}
ROUTED = {"n_routed_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40, "n_group": 1,
          "topk_group": 1, "n_shared_experts": 2}  # fmt: skip
SHARED = {"shared_expert_intermediate_size": 48}
LATENT = {
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 8,
    "v_head_dim": 10,
}
MAMBA = {
    "mamba_n_heads": 8,
    "mamba_d_state": 16,
    "mamba_n_groups": 1,
    "mamba_d_conv": 4,
    "mamba_expand": 2,
}
ALL_BIAS = {"attention_bias": True, "mlp_bias": True}
VISION = {"model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2,
          "num_hidden_layers": 3, "image_size": 28, "patch_size": 7, "vision_use_head": False}  # fmt: skip

# Every architecture as its bare keys say, then with what its config.json may add.
WRAPPED = {"qwen3_5"}  # its config.json always has a text_config
STATED = {"hunyuan_v1_dense": {"head_dim": 16}, "ministral": {"head_dim": 16}}  # never left out
CASES = [
    *(
        (kind, STATED.get(kind, {}))
        for kind, style in STYLES.items()
        if not style.sparse and not style.tower and kind not in WRAPPED
    ),
    ("llama", {**ALL_BIAS, "head_dim": 24}),
    ("llama", {"tie_word_embeddings": True}),
    ("llama", {"num_key_value_heads": None}),
    ("qwen3", {"head_dim": 16, "attention_bias": True}),
    ("mistral", {"head_dim": 24, "sliding_window": 128}),
    ("gemma2", {"head_dim": 24, "attention_bias": True}),
    ("gemma3_text", {"head_dim": 24, "tie_word_embeddings": False}),
    ("granite", {**ALL_BIAS, "residual_multiplier": 0.2}),
    ("olmo2", {"attention_bias": True}),
    ("cohere", {"use_qk_norm": True}),
    ("phi", {"qk_layernorm": True, "num_key_value_heads": 4}),
    ("glm4", {"attention_bias": False, "head_dim": 16}),
    ("seed_oss", {"attention_bias": False, "attention_out_bias": True, "mlp_bias": True}),
    ("stablelm", {"use_qkv_bias": True, "qk_layernorm": True}),
    ("stablelm", {"use_parallel_residual": True}),
    ("starcoder2", {"use_bias": False}),
    ("ernie4_5", {"use_bias": True}),
    ("nemotron", {**ALL_BIAS, "head_dim": 16}),
    ("gpt_oss", {**LOCAL, "attention_bias": False, "head_dim": 16}),
    ("mixtral", LOCAL),
    ("granitemoe", LOCAL),
    ("granitemoeshared", {**LOCAL, "shared_intermediate_size": 48}),
    ("granitemoehybrid", {**LOCAL, **MAMBA, "shared_intermediate_size": 48, "layer_types": HYBRID}),
    ("granitemoehybrid", {**MAMBA, "num_local_experts": 0, "num_experts_per_tok": 0,
                          "shared_intermediate_size": 48, "layer_types": ["full_attention"] * 5}),
    ("qwen2_moe", {**MOE, **SHARED, "decoder_sparse_step": 2}),
    ("qwen2_moe", {**MOE, **SHARED, "mlp_only_layers": [0, 3], "qkv_bias": False}),
    ("qwen3_moe", {**MOE, "mlp_only_layers": [1], "head_dim": 16}),
    ("olmoe", {"num_experts": 6, "num_experts_per_tok": 2}),
    ("qwen3_next", {**MOE, **SHARED, **DELTA, "layer_types": HYBRID, "head_dim": 16}),
    ("qwen3_5_text", {**DELTA, "layer_types": HYBRID, "head_dim": 16}),
    ("qwen3_5_text", {**DELTA, "full_attention_interval": 2}),
    ("qwen3_5_moe_text", {**MOE, **SHARED, **DELTA, "layer_types": HYBRID, "head_dim": 16}),
    ("glm4_moe", {**ROUTED, "first_k_dense_replace": 2, "use_qk_norm": True, "head_dim": 16}),
    ("deepseek_v3", {**ROUTED, **LATENT, "first_k_dense_replace": 1, "num_key_value_heads": 4}),
    ("deepseek_v3", {**ROUTED, **LATENT, "q_lora_rank": None, "first_k_dense_replace": 0, "num_key_value_heads": 4}),
    ("lfm2", {"layer_types": CONV, "block_auto_adjust_ff_dim": False, "conv_bias": True}),
    ("lfm2", {"layer_types": CONV, "block_multiple_of": 32, "conv_L_cache": 4}),
    ("lfm2_moe", {**MOE, "layer_types": CONV, "num_dense_layers": 2}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "extra"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_architecture_counts_as_transformers_peft_and_bitsandbytes_do(kind, extra):
    pytest.importorskip("torch")
    config = {"model_type": kind, **SMALL, **extra}
    real = counts.real(config)
    dims = dimensions(config, kind)
    assert dims.exact
    assert counts.counted(dims) == real


@pytest.mark.parametrize("kind", ["gemma3", "qwen3_5", "qwen3_5_moe"])
def test_a_vision_model_counts_what_the_trainer_would_load(kind):
    pytest.importorskip("torch")
    text = {**SMALL, "head_dim": 16}
    if kind == "gemma3":
        config = {
            "model_type": kind,
            "text_config": {"model_type": "gemma3_text", **text},
            "vision_config": VISION,
        }
    else:
        moe = {**MOE, **SHARED} if "moe" in kind else {}
        text = {"model_type": f"{kind}_text", **text, **DELTA, **moe, "layer_types": HYBRID}
        config = {"model_type": kind, "text_config": text}
    dims = dimensions(config, kind)
    assert dims.exact
    assert counts.counted(dims) == counts.real(config)


def test_what_a_saved_config_holds_counts_the_same():
    pytest.importorskip("torch")
    from transformers import AutoConfig

    for kind, extra in (
        ("gemma2", {}),
        ("qwen3_moe", MOE),
        (
            "granitemoehybrid",
            {**LOCAL, **MAMBA, "shared_intermediate_size": 48, "layer_types": HYBRID},
        ),
    ):
        config = {"model_type": kind, **SMALL, **extra}
        saved = AutoConfig.for_model(**config).to_dict()
        assert counts.counted(dimensions(saved, kind)) == counts.counted(dimensions(config, kind))


def test_experts_count_but_are_neither_quantised_nor_adapted():
    config = {"model_type": "mixtral", **SMALL, **LOCAL}
    dims = dimensions(config, "")
    assert dims.expert_parameters == 5 * 6 * 3 * 64 * 96
    assert dims.active_parameters == dims.parameters - 5 * 4 * 3 * 64 * 96
    assert dims.linear_parameters == 5 * (64 * 64 * 2 + 64 * 32 * 2)
    assert dims.ffn == 2 * 96


def test_a_dense_model_uses_all_its_parameters():
    dims = dimensions({"model_type": "llama", **SMALL}, "")
    assert dims.active_parameters == dims.parameters
    assert dims.embedding_parameters == 2 * 520 * 64


def test_an_unknown_architecture_is_counted_and_says_so():
    dims = dimensions({"model_type": "new_thing", **SMALL, **MOE}, "")
    assert not dims.exact
    assert dims.expert_parameters > 0
    assert dims.parameters > dims.active_parameters > dims.embedding_parameters


def test_an_unknown_vision_model_is_its_decoder_and_says_so():
    config = {"model_type": "new_vision", "text_config": {"model_type": "llama", **SMALL}}
    dims = dimensions(config, "")
    assert not dims.exact
    assert dims.parameters == dimensions({"model_type": "llama", **SMALL}, "").parameters


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": "wide"}, {"hidden_size": 0}, {"num_attention_heads": 0}, {"num_hidden_layers": -1},
        {"vocab_size": None}, {"intermediate_size": None}, {"intermediate_size": [1, 2]}, {"text_config": 7},
        {"num_hidden_layers": None}, {"head_dim": "x"}, {"text_config": []}, {"vocab_size": -3},
        {"hidden_size": 1e400}, {"num_hidden_layers": 10**12}, {"layer_types": 3, "model_type": "lfm2"},
        {"mlp_only_layers": 5, "model_type": "qwen3_moe", "num_experts": 4}, {"decoder_sparse_step": 0, "num_experts": 4},
        {"model_type": "gemma3"}, {"model_type": ["llama"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_broken_config_is_a_message_or_a_count_never_a_traceback(change):
    said, parameters = "", 0
    try:
        parameters = dimensions({"model_type": "llama", **SMALL, **change}, "here").parameters
    except TunesmithError as error:
        said = str(error)
    assert parameters > 0 or "config.json" in said
