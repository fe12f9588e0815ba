"""The parameters of one decoder layer, part by part: its mixer, its feed-forward block, its norms.

A layer's mixer is attention, or what stands in its place: Qwen's gated delta net, LFM2's short
convolution, a Mamba 2 block. All counts are parameters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.plan.architectures import ADAPTS_EXPERTS, ON_BY_DEFAULT, Flag, Style
from engine.plan.dimensions import Block, Linears

_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_ACTIVE = ("num_experts_per_tok", "moe_k", "moe_topk")
_ATTENTION = frozenset({"attention", "full_attention", "sliding_attention", "chunked_attention"})


@dataclass(frozen=True)
class Shape:
    """What the layers of one config.json have in common.

    Attributes:
        config: The decoder's part of config.json.
        kind: Its `model_type`.
        style: The architecture.
        hidden: Width of the residual stream.
        ffn: Width inside a dense feed-forward block.
        layers: Decoder layers.
        heads: Attention heads.
        kv_heads: Heads that keys and values have.
        head_width: Width of one head.
    """

    config: Mapping[str, Any]
    kind: str
    style: Style
    hidden: int
    ffn: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int

    def number(self, *keys: str, default: int = 0) -> int:
        """Return the first of the config's numbers that is there."""
        found = (self.config[key] for key in keys if self.config.get(key) is not None)
        return int(next(found, default))

    def has(self, flag: Flag) -> bool:
        """Say whether something is there: always, never, or as the config says."""
        if isinstance(flag, bool):
            return flag
        return bool(self.config.get(flag, flag in ON_BY_DEFAULT.get(self.kind, frozenset())))

    @property
    def experts(self) -> int:
        """Routed experts of a layer that has any."""
        return self.number(*_EXPERTS)

    @property
    def states_experts(self) -> bool:
        """Whether the config says how many routed experts there are, be it none."""
        return any(self.config.get(key) is not None for key in _EXPERTS)

    @property
    def expert_width(self) -> int:
        """Width inside one routed expert."""
        return self.number("moe_intermediate_size", default=self.ffn)

    @property
    def active(self) -> int:
        """Routed experts that one token passes through."""
        return self.number(*_ACTIVE, default=1) if self.experts else 0

    @property
    def shared_width(self) -> int:
        """Width inside the expert that every token passes through; 0 without one."""
        stated = self.number("shared_expert_intermediate_size", "shared_intermediate_size")
        return stated or self.number("n_shared_experts") * self.expert_width


def blocks(shape: Shape) -> tuple[Block, ...]:
    """Return the decoder's layers, those that are alike together, the most frequent first."""
    counted = Counter((_mixer(shape, i), _is_sparse(shape, i)) for i in range(shape.layers))
    found = []
    for (mixer, sparse), count in counted.most_common():
        linears, other = _MIXERS[mixer](shape)
        feed = _sparse(shape) if sparse else _dense(shape)
        norms = shape.style.norms * shape.style.norm_numbers * shape.hidden
        if shape.config.get("use_parallel_residual") and shape.kind == "stablelm":
            norms //= 2
        found.append(
            Block(
                layers=count,
                linears=linears + feed.linears,
                other=other + feed.other + norms + shape.style.extra,
                expert=feed.expert,
                experts=feed.experts,
                active=feed.active,
                adapted=_adapted(shape, linears, sparse=sparse),
            )
        )
    return tuple(found)


def _adapted(shape: Shape, mixer: Linears, *, sparse: bool) -> int | None:
    """Parameters of LoRA for each rank in one layer, where PEFT adapts experts; else None.

    The stacked gate and way up get twice the rank, as two maps in one; a stack's rank counts once
    for each expert.
    """
    if shape.kind not in ADAPTS_EXPERTS:
        return None
    pairs = sum(a + b for a, b in mixer)
    if not sparse:
        return pairs
    hidden, width, experts = shape.hidden, shape.expert_width, shape.experts
    gate = hidden + 1 if shape.style.shared_gate and shape.shared_width else 0
    stacks = experts * (2 * (hidden + 2 * width) + width + hidden)
    return pairs + gate + hidden + experts + stacks


def _mixer(shape: Shape, index: int) -> str:
    """What mixes the tokens in a layer."""
    mixer = shape.style.mixer
    if not mixer:
        return "attention"
    if mixer == "latent":
        return mixer
    kinds: Sequence[Any] = (
        shape.config.get("layer_types") or shape.config.get("layers_block_type") or ()
    )
    if len(kinds) == shape.layers:
        return "attention" if kinds[index] in _ATTENTION else mixer
    if mixer == "conv":
        full = shape.config.get("full_attn_idxs")
        return "attention" if full is None or index in full else mixer
    interval = shape.number("full_attention_interval", default=4)
    return "attention" if mixer != "mamba" and (index + 1) % interval == 0 else mixer


def _is_sparse(shape: Shape, index: int) -> bool:
    """Whether a layer's feed-forward block has routed experts, or Granite's shared one alone."""
    if not shape.experts:
        return shape.style.fused_shared
    if index < shape.number("first_k_dense_replace", "num_dense_layers"):
        return False
    if index in (shape.config.get("mlp_only_layers") or ()):
        return False
    return (index + 1) % shape.number("decoder_sparse_step", default=1) == 0


def _attention(shape: Shape) -> tuple[Linears, int]:
    style, hidden = shape.style, shape.hidden
    queries, keys = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    asked = queries * (2 if style.query_gate else 1)
    into: Linears = ((hidden, asked), (hidden, keys), (hidden, keys))
    if style.fused_qkv:
        into = ((hidden, asked + 2 * keys),)
    other = (asked + 2 * keys) * shape.has(style.qkv_bias) + hidden * shape.has(style.out_bias)
    if shape.kind == "gpt_oss":
        other += shape.heads  # the sinks: one number a head
    return (*into, (queries, hidden)), other + _query_norms(shape, queries, keys)


def _query_norms(shape: Shape, queries: int, keys: int) -> int:
    norms = shape.style.query_norms
    if isinstance(norms, tuple):
        norms = norms[1] if shape.config.get(norms[0]) else ""
    if norms in {"all", "each"}:
        return queries + keys
    # Phi's are full norms of one head's width, with a bias.
    numbers = shape.style.norm_numbers
    return 2 * shape.head_width * numbers if norms == "head" else 0


def _latent(shape: Shape) -> tuple[Linears, int]:
    """DeepSeek's latent attention: queries, keys and values pass through narrow maps."""
    hidden, heads = shape.hidden, shape.heads
    plain, rotary = shape.number("qk_nope_head_dim"), shape.number("qk_rope_head_dim")
    value, narrow = shape.number("v_head_dim"), shape.number("kv_lora_rank")
    query_rank = shape.number("q_lora_rank")
    asked = heads * (plain + rotary)
    queries: Linears = ((hidden, query_rank), (query_rank, asked))
    linears = (
        *(queries if query_rank else ((hidden, asked),)),
        (hidden, narrow + rotary),
        (narrow, heads * (plain + value)),
        (heads * value, hidden),
    )
    biases = (query_rank + narrow + rotary + hidden) * shape.has("attention_bias")
    return linears, query_rank + narrow + biases


def _delta(shape: Shape, *, fused: bool = False) -> tuple[Linears, int]:
    """Qwen's gated delta net."""
    hidden, width = shape.hidden, shape.number("linear_value_head_dim", default=128)
    values = shape.number("linear_num_value_heads", default=32)
    keys = shape.number("linear_num_key_heads", default=16) * shape.number(
        "linear_key_head_dim", default=128
    )
    mixed, out = 2 * keys + values * width, values * width
    into: Linears = ((hidden, mixed), (hidden, out), (hidden, values), (hidden, values))
    if fused:
        into = ((hidden, mixed + out), (hidden, 2 * values))
    convolution = mixed * shape.number("linear_conv_kernel_dim", default=4)
    return (*into, (out, hidden)), convolution + 2 * values + width


def _delta_fused(shape: Shape) -> tuple[Linears, int]:
    return _delta(shape, fused=True)


def _conv(shape: Shape) -> tuple[Linears, int]:
    """LFM2's gated short convolution, one filter a channel."""
    hidden, biased = shape.hidden, bool(shape.config.get("conv_bias"))
    other = hidden * shape.number("conv_L_cache", default=3) + 5 * hidden * biased
    return ((hidden, 3 * hidden), (hidden, hidden)), other


def _mamba(shape: Shape) -> tuple[Linears, int]:
    """A Mamba 2 block."""
    hidden, heads = shape.hidden, shape.number("mamba_n_heads", default=128)
    inner = shape.number("mamba_expand", default=2) * hidden
    state = shape.number("mamba_n_groups", default=1) * shape.number("mamba_d_state", default=256)
    mixed = inner + 2 * state
    into = inner + mixed + heads
    other = mixed * shape.number("mamba_d_conv", default=4) + 3 * heads + inner
    other += mixed * bool(shape.config.get("mamba_conv_bias", True))
    other += (into + hidden) * bool(shape.config.get("mamba_proj_bias", False))
    return ((hidden, into), (inner, hidden)), other


_MIXERS = {
    "attention": _attention,
    "latent": _latent,
    "delta": _delta,
    "delta_fused": _delta_fused,
    "conv": _conv,
    "mamba": _mamba,
}


def _dense(shape: Shape) -> Block:
    """A feed-forward block without experts, as a block of one layer."""
    style, hidden, width = shape.style, shape.hidden, shape.ffn
    if shape.kind == "lfm2":
        width = short_ffn(shape.config, width)
    biases = (width * (2 if style.gated else 1) + hidden) * shape.has(style.mlp_bias)
    return Block(1, _ways(hidden, width, gated=style.gated, fused=style.fused_ffn), biases)


def _sparse(shape: Shape) -> Block:
    """A feed-forward block with routed experts, a shared one, or both."""
    style, hidden, width = shape.style, shape.hidden, shape.expert_width
    shared: Linears = ()
    if shape.shared_width:
        shared = _ways(hidden, shape.shared_width, gated=True, fused=style.fused_shared)
        shared += ((hidden, 1),) if style.shared_gate else ()
    biased = style.expert_bias
    return Block(
        layers=1,
        linears=shared,
        other=shape.experts * (hidden + biased),  # the router
        expert=3 * hidden * width + (2 * width + hidden) * biased,
        experts=shape.experts,
        active=shape.active,
    )


def _ways(hidden: int, width: int, *, gated: bool, fused: bool) -> Linears:
    """The maps into a feed-forward block and out of it."""
    into = 2 if gated else 1
    up: Linears = ((hidden, into * width),) if fused else ((hidden, width),) * into
    return (*up, (width, hidden))


def short_ffn(config: Mapping[str, Any], stated: int) -> int:
    """Return the real width of LFM2's feed-forward block; its config states it before scaling."""
    if not config.get("block_auto_adjust_ff_dim", True):
        return stated
    width = int(2 * stated / 3)
    multiplier = config.get("block_ffn_dim_multiplier", 1.0)
    if multiplier is None:
        return width
    step = int(config.get("block_multiple_of", 256))
    return step * -(-int(multiplier * width) // step)
