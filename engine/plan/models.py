"""Base models: the catalogue, and a model's dimensions and exact size from its config.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.base import paths
from engine.base.errors import TunesmithError
from engine.base.settings import nearest_name, parse, read_yaml

# Decoders built like Llama, whose size is known exactly. Others are counted as if they were one.
_EXACT = frozenset({"llama", "mistral", "qwen2", "qwen3", "smollm3"})


@dataclass(frozen=True)
class Dimensions:
    """The shape of a decoder, and the sizes that follow from it.

    Attributes:
        layers: Decoder layers.
        hidden: Width of the residual stream.
        ffn: Width inside a feed-forward block.
        heads: Attention heads.
        kv_heads: Heads that keys and values have.
        head_width: Width of one head.
        vocab: Tokens of the vocabulary.
        context: The longest input in tokens.
        tied: Whether the output head is the embedding itself.
        extra: Biases and norms of one layer beyond Llama's two norms, in parameters.
        exact: Whether the architecture is one whose size is known exactly.
    """

    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    head_width: int
    vocab: int
    context: int
    tied: bool
    extra: int
    exact: bool

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of one layer's linear maps: q, k, v, o, gate, up, down."""
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        return (
            (self.hidden, queries),
            (self.hidden, keys),
            (self.hidden, keys),
            (queries, self.hidden),
            (self.hidden, self.ffn),
            (self.hidden, self.ffn),
            (self.ffn, self.hidden),
        )

    @property
    def parameters(self) -> int:
        """All parameters of the model; a tied head counts once."""
        layer = sum(a * b for a, b in self.linears) + 2 * self.hidden + self.extra
        tables = self.vocab * self.hidden * (1 if self.tied else 2)
        return self.layers * layer + tables + self.hidden

    def adapter_parameters(self, rank: int) -> int:
        """Return the parameters of a LoRA adapter on all linear maps but the head."""
        return self.layers * rank * sum(a + b for a, b in self.linears)


@dataclass(frozen=True)
class Model:
    """A base model.

    Attributes:
        name: The name it was asked for by.
        dimensions: Its shape.
        about: What it is good for, in a sentence; empty when it is not in the catalogue.
        licence: The licence's name.
        licence_means: What the licence asks, in plain words.
    """

    name: str
    dimensions: Dimensions
    about: str
    licence: str
    licence_means: str


@dataclass(frozen=True)
class _Entry:
    hub: str
    about: str
    licence: str
    licence_means: str
    parameters: int
    config: dict[str, Any]


@cache
def catalogue() -> Mapping[str, Model]:
    """Return the models of `recipes/models.yaml` by name, smallest first."""
    found = [_model(name, entry) for name, entry in _entries().items()]
    return {model.name: model for model in sorted(found, key=lambda m: m.dimensions.parameters)}


def find(name: str) -> Model:
    """Return a base model by catalogue name, folder, `config.json` or Hugging Face id.

    A Hugging Face id outside the catalogue costs one small download, of its config.json.

    Raises:
        TunesmithError: There is no such model, or its config.json cannot be used.
    """
    for key, entry in _entries().items():
        if name in (key, entry.hub):
            return _model(name, entry)
    return Model(
        name,
        dimensions(_config(name), name),
        "",
        "not known to Tunesmith",
        "Read the model's licence before you use or ship anything made from it.",
    )


def dimensions(config: Mapping[str, Any], where: str) -> Dimensions:
    """Return the dimensions that a config.json states.

    Raises:
        TunesmithError: A needed key is missing; no decoder of the usual kind.
    """
    config = config.get("text_config", config)
    try:
        hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        kind = str(config.get("model_type", ""))
        kv_heads = int(config.get("num_key_value_heads") or heads)
        width = int(config.get("head_dim") or hidden // heads)
        return Dimensions(
            layers=int(config["num_hidden_layers"]),
            hidden=hidden,
            ffn=int(config["intermediate_size"]),
            heads=heads,
            kv_heads=kv_heads,
            head_width=width,
            vocab=int(config["vocab_size"]),
            context=int(config.get("max_position_embeddings", 2048)),
            tied=bool(config.get("tie_word_embeddings", kind.startswith("gemma"))),
            extra=_extra(config, kind, heads * width, kv_heads * width),
            exact=kind in _EXACT,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TunesmithError(
            f"The model's config.json lacks what a decoder needs ({error}).",
            "Choose a text model of the Llama, Mistral, Qwen or SmolLM family.",
            where,
        ) from error


def _extra(config: Mapping[str, Any], kind: str, queries: int, keys: int) -> int:
    """Biases and norms of one layer that Llama's default lacks."""
    extra = 0
    if kind == "qwen2" or config.get("attention_bias"):
        extra += queries + 2 * keys
    if config.get("attention_bias") and kind != "qwen2":
        extra += int(config["hidden_size"])
    if config.get("mlp_bias"):
        extra += 2 * int(config["intermediate_size"]) + int(config["hidden_size"])
    if kind == "qwen3":
        extra += 2 * int(config["head_dim"])
    return extra


@cache
def _entries() -> Mapping[str, _Entry]:
    path = paths.recipes() / "models.yaml"
    return {
        name: parse(content, _Entry, f"{path}: {name}") for name, content in read_yaml(path).items()
    }


def _model(name: str, entry: _Entry) -> Model:
    shape = dimensions(entry.config, name)
    return Model(name, shape, entry.about, entry.licence, entry.licence_means)


def _config(name: str) -> dict[str, Any]:
    path = Path(name).expanduser()
    if path.is_dir():
        path = path / "config.json"
    if path.suffix != ".json":
        if "/" not in name:  # on the hub every name is owner/name: no need to ask it
            raise _missing(name)
        path = _from_hub(name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TunesmithError(
            f"The model's config.json cannot be read ({error}).", "Check the folder.", str(path)
        ) from error
    return content if isinstance(content, dict) else {}


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(name, "config.json"))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise _missing(name) from error


def _missing(name: str) -> TunesmithError:
    return TunesmithError(
        f"There is no base model {name}{nearest_name(name, list(_entries()))}: neither in the "
        "catalogue, nor a folder here, nor to be had from the hub.",
        f"Check the name and the network, or use one of: {', '.join(catalogue())}.",
        "base_model",
    )
