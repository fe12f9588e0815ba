"""Reading the start that prompts share once, and letting every row look at it.

A few-shot prompt is some nine hundred tokens of instruction and examples, and then forty of the
row's own. The start is read once and kept as the *trunk*; a batch of rows are its *branches*. Each
branch attends to the trunk, which is stored once and not copied per row, and to itself. This makes
scoring on a CPU several times as fast as a padded batch, with equal results.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol

_NAME = "tunesmith_shared"
_PROBE = 8  # tokens; enough to tell a model that attends in another way


class Reader(Protocol):
    """A batch of prompts being read and continued."""

    def start(self) -> Any:
        """Read the prompts' own tokens; return the next tokens' logits, [rows, vocabulary]."""

    def go_on(self, tokens: Any) -> Any:
        """Append one token to each row; return the logits of the next."""

    def keep(self, places: list[int]) -> None:
        """Go on with these rows only."""


class Branches:
    """Many rows at once, each continuing the trunk; padded on the left.

    Args:
        model: A causal language model whose attention `set_attention` made the shared one.
        trunk: The cache left by reading the shared start.
        rows: Each row's own token ids, at least one.
    """

    def __init__(self, model: Any, trunk: Any, rows: Sequence[Sequence[int]]) -> None:
        import torch
        from transformers import DynamicCache

        width = max(map(len, rows))
        self._model = model
        self._trunk = [(layer.keys, layer.values) for layer in trunk.layers]
        self._cache = DynamicCache()
        device = model.device
        self._tokens = torch.tensor([[0] * (width - len(row)) + [*row] for row in rows]).to(device)
        real = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])
        positions = (real.cumsum(-1) - 1).clamp(min=0) + trunk.get_seq_length()
        seen = real[:, None, None, :] & torch.ones(width, width, dtype=torch.bool).tril()
        seen |= torch.eye(width, dtype=torch.bool)  # padding sees itself: seeing nothing gives NaN
        self._positions = positions.to(device)
        mask = torch.zeros(seen.shape, dtype=model.dtype)
        self._mask = mask.masked_fill(~seen, float("-inf")).to(device)

    def start(self) -> Any:
        """Read the rows' own tokens."""
        return self._forward(self._tokens)

    def go_on(self, tokens: Any) -> Any:
        """Append one token to each row."""
        import torch

        self._positions = self._positions[:, -1:] + 1
        self._mask = torch.nn.functional.pad(self._mask[:, :, -1:], (0, 1))
        return self._forward(tokens[:, None])

    def keep(self, places: list[int]) -> None:
        """Go on with these rows only."""
        import torch

        chosen = torch.tensor(places, device=self._mask.device)
        self._cache.batch_select_indices(chosen)
        self._mask, self._positions = self._mask[chosen], self._positions[chosen]

    def _forward(self, tokens: Any) -> Any:
        import torch

        output = self._model(
            input_ids=tokens,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            # a slice (1) would not be contiguous: the head would be copied for every row
            logits_to_keep=torch.tensor([-1], device=tokens.device),
            trunk=self._trunk,
        )
        return output.logits[:, -1]


class Alone:
    """One row, read as the model itself does it, on a copy of the trunk's cache."""

    def __init__(self, model: Any, trunk: Any, row: Sequence[int]) -> None:
        import torch

        self._model = model
        self._cache = copy.deepcopy(trunk)
        self._tokens = torch.tensor([[*row]]).to(model.device)

    def start(self) -> Any:
        """Read the row's own tokens."""
        return self.go_on(self._tokens[0])

    def go_on(self, tokens: Any) -> Any:
        """Append tokens to the row."""
        output = self._model(
            input_ids=tokens[None], past_key_values=self._cache, use_cache=True, logits_to_keep=1
        )
        self._cache = output.past_key_values
        return output.logits[:, -1]

    def keep(self, places: list[int]) -> None:
        """Do nothing: there is no row to drop but the only one."""


def read(model: Any, tokens: Sequence[int]) -> Any:
    """Read tokens with the model's own attention; return its cache."""
    import torch

    return model(
        input_ids=torch.tensor([[*tokens]]).to(model.device), use_cache=True, logits_to_keep=1
    ).past_key_values


def set_attention(model: Any, name: str | None) -> None:
    """Give the model its own attention (a name) or the shared one (None)."""
    model.set_attn_implementation(name or _NAME)


def shareable(model: Any, trunk: Any, prompt: Sequence[int]) -> bool:
    """Say whether branches give this model the answers that it gives alone.

    Models with a sliding window or a state instead of keys and values keep no whole trunk; others
    (soft caps, attention sinks) attend in ways of their own. So it is tried, on a few tokens.
    """
    import torch
    from transformers import AttentionInterface, DynamicCache
    from transformers.cache_utils import DynamicLayer

    if type(trunk) is not DynamicCache or any(
        type(item) is not DynamicLayer for item in trunk.layers
    ):
        return False
    AttentionInterface.register(_NAME, _attend)
    own = model.config._attn_implementation  # noqa: SLF001 - transformers has no public name
    start, row = prompt[:_PROBE], prompt[_PROBE : 2 * _PROBE] or prompt[-1:]
    cache = read(model, start)
    alone = Alone(model, cache, row).start()
    set_attention(model, None)
    try:
        together = Branches(model, cache, [row, row[:1]]).start()[:1]
    except (TypeError, RuntimeError):  # an attention that takes no trunk, or of another shape
        return False
    finally:
        set_attention(model, own)
    return bool(torch.allclose(alone.softmax(-1), together.softmax(-1), atol=0.05))


def _attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, *, trunk: Any, **others: Any
) -> tuple[Any, None]:
    """Attend to the trunk and to the row's own tokens, and blend the two into one softmax.

    Shapes: query [rows, heads, tokens, size]; key and value [rows, groups, own, size]; of the
    trunk [1, groups, shared, size]. The heads of a group share keys, so they are laid side by side
    as further queries; towards the trunk, the rows are too.
    """
    rows, heads, tokens, size = query.shape
    groups = key.shape[1]
    scale = others.get("scaling") or size**-0.5
    asked = query.reshape(rows, groups, heads // groups * tokens, size)
    mask = attention_mask.repeat(1, 1, heads // groups, 1)
    own, own_mass = _fused(asked, key, value, mask, scale)
    flat = asked.transpose(0, 1).reshape(1, groups, -1, size)
    trunk_key, trunk_value = trunk[module.layer_idx]
    shared, shared_mass = _fused(flat, trunk_key, trunk_value, None, scale)
    shared = shared.view(groups, rows, -1, size).transpose(0, 1)
    shared_mass = shared_mass.view(groups, rows, -1).transpose(0, 1)
    weight = (shared_mass - own_mass).sigmoid()[..., None]
    found = own.float().lerp(shared.float(), weight).to(query.dtype)
    return found.reshape(rows, heads, tokens, size).transpose(1, 2), None


def _fused(query: Any, key: Any, value: Any, mask: Any, scale: float) -> tuple[Any, Any]:
    """Return attention, and the logarithm of its softmax's divisor: its weight in a blend."""
    import torch

    if query.device.type == "cpu":
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # noqa: SLF001
        found: tuple[Any, Any] = fused(query, key, value, attn_mask=mask, scale=scale)
        return found
    scores = (query @ key.mT).float() * scale
    scores = scores if mask is None else scores + mask
    return scores.softmax(-1).to(value.dtype) @ value, scores.logsumexp(-1)
