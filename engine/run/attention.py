"""Attention on a CPU: plain, in blocks of queries; and a prefix that rows share, only once.

The fused kernel's backward pass is slow on a CPU (benchmarks/attention.py). Plain attention is
quick; in blocks of queries it leaves out most of what causality forbids. Rows that begin alike, as
those under one system prompt do, are laid out as

    prefix, rest of row 1, rest of row 2, ...

with every rest padded to one width. The linear maps see the prefix once; each rest attends to it
and to itself, so every row's loss is the one it has alone. Needs nothing of Tunesmith: an exported
script holds a copy.
"""

import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "tunesmith"  # for `attn_implementation`
IGNORED = -100  # the label that torch's cross entropy leaves out

_BLOCK = 256  # queries
_PLAIN = 256  # tokens of a padded row up to which the library's plain attention is faster


def register() -> None:
    """Make this attention known to Transformers, under `NAME`."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def can_share(model: Any) -> bool:
    """Say whether a model uses this attention, and every layer of it sees all tokens before."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    return config._attn_implementation == NAME and kinds == {"full_attention"}  # noqa: SLF001 - no public name


def alike(ids: torch.Tensor, labels: torch.Tensor, lengths: Sequence[int], prefix: int) -> bool:
    """Say whether rows can be laid out: several that share an unlearnt prefix and go on behind it.

    Args:
        ids: Token ids, (rows, width), padded on the right.
        labels: Their labels, (rows, width).
        lengths: Tokens of each row.
        prefix: Tokens to share; 0 for none.
    """
    if not prefix or len(ids) == 1 or min(lengths) <= prefix:
        return False
    same = bool((ids[:, :prefix] == ids[0, :prefix]).all())
    return same and bool((labels[:, : prefix + 1] == IGNORED).all())


def lay(
    ids: torch.Tensor, labels: torch.Tensor, lengths: Sequence[int], prefix: int
) -> dict[str, Any]:
    """Return rows that are `alike` as one sequence, as a model takes it; their labels beside it.

    Args:
        ids: Token ids, (rows, width), padded on the right.
        labels: Their labels, (rows, width).
        lengths: Tokens of each row.
        prefix: Tokens that all rows begin with.
    """
    width = max(lengths)
    rest = slice(prefix, width)
    places = torch.arange(width)
    return {
        "input_ids": torch.cat([ids[0, :prefix], ids[:, rest].flatten()])[None],
        "labels": torch.nn.functional.pad(labels[:, rest].flatten(), (prefix, 0), value=IGNORED)[
            None
        ],
        "position_ids": torch.cat([places[:prefix], places[rest].repeat(len(ids))])[None],
        # four dimensions: Transformers hands it on as it is
        "attention_mask": torch.ones((1, 1, 1, 1), dtype=torch.bool),
        "prefix": prefix,
        "rows": len(ids),
    }


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    prefix: int = 0,
    rows: int = 1,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Return the attention of every query to the tokens before it, and no weights.

    Args:
        module: The model's layer.
        query: (batch, heads, queries, width of a head).
        key: (batch, heads of keys, keys, width of a head).
        value: As the keys.
        attention_mask: None for causal attention without padding.
        prefix: Tokens that `lay` put before the rows; 0 where it laid nothing out.
        rows: How many rows it laid behind that.
        options: What Transformers tells, `scaling` and `dropout` among it.
    """
    if not prefix:
        return _one(module, query, key, value, attention_mask, **options), None
    first, *behind = (_apart(states, prefix, rows) for states in (query, key, value))
    keys, values = (torch.cat([one.expand(rows, -1, -1, -1), rest], dim=2) for one, rest in behind)
    start = _one(module, first[0], behind[0][0], behind[1][0], None, **options)
    rest = _one(module, first[1], keys, values, None, **options)
    return torch.cat([start, rest.reshape(1, -1, *rest.shape[2:])], dim=1), None


def _apart(states: torch.Tensor, prefix: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the states of the prefix, and those of the rests as (rows, heads, rest, width)."""
    rest = states[0, :, prefix:]
    return states[:, :, :prefix], rest.unflatten(1, (rows, -1)).transpose(0, 1)


def _one(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    **options: Any,
) -> torch.Tensor:
    """Return (batch, queries, heads, width of a head), by what is quickest for it.

    Only the fused kernel's backward pass is slow; padded rows with a mask, and dropout, are the
    library's affair.
    """
    learns = torch.is_grad_enabled() and not options.get("dropout")
    if learns and mask is None:
        return _blocks(query, key, value, options.get("scaling"))
    if learns and key.shape[2] <= _PLAIN:
        return _library(module, query, key, value, mask, **options)
    if mask is None and 1 < query.shape[2] < key.shape[2]:
        mask = _allowed(query.shape[2], key.shape[2])
    return sdpa_attention_forward(module, query, key, value, mask, **options)[0]


def _blocks(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    """Return causal attention, block of queries after block, each with the keys it may see."""
    groups = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(groups, dim=1) for states in (key, value))
    before = key.shape[2] - query.shape[2]
    found = []
    for start in range(0, query.shape[2], _BLOCK):
        block = query[:, :, start : start + _BLOCK]
        seen = before + start + block.shape[2]
        found.append(_plain(block, key[:, :, :seen], value[:, :, :seen], scaling))
    return torch.cat(found, dim=2).transpose(1, 2)


def _plain(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    """Return causal attention of the last queries, all heads at once."""
    (rows, heads, queries, width), keys = query.shape, key.shape[2]
    scores = torch.baddbmm(
        _bias(queries, keys, query.dtype),
        query.reshape(-1, queries, width),
        key.reshape(-1, keys, width).transpose(1, 2),
        alpha=width**-0.5 if scaling is None else scaling,
    )
    weights = torch.nn.functional.softmax(scores, dim=-1)
    return (weights @ value.reshape(-1, keys, width)).view(rows, heads, queries, width)


@lru_cache(maxsize=64)
def _bias(queries: int, keys: int, dtype: torch.dtype) -> torch.Tensor:
    forbidden = ~_allowed(queries, keys)
    return torch.zeros((queries, keys), dtype=dtype).masked_fill(forbidden, float("-inf"))


def _allowed(queries: int, keys: int) -> torch.Tensor:
    """Return which keys each of the last queries may see, (queries, keys)."""
    return torch.ones((queries, keys), dtype=torch.bool).tril(keys - queries)


def _library(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    **options: Any,
) -> torch.Tensor:
    """Return the plain attention of the model's own file, under a mask of what is allowed."""
    own = sys.modules[type(module).__module__].eager_attention_forward
    least = torch.finfo(query.dtype).min
    added = torch.zeros(mask.shape, dtype=query.dtype).masked_fill(~mask, least)
    return own(module, query, key, value, added, **options)[0]
