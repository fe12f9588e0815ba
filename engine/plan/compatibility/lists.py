"""Which architectures the libraries and programs take: `recipes/architectures.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from engine.base import paths
from engine.base.settings import read_yaml

FILE = "architectures.yaml"


@dataclass(frozen=True)
class Lists:
    """Architectures, by who takes them.

    Attributes:
        causal: The class that the trainer loads, by model type.
        known: Every model type that Transformers knows.
        encoders: Model types that read in both directions.
        encoder_decoders: Model types with an encoder and a decoder.
        stacked: Model types whose weights are mostly experts in stacked tensors.
        own_linear: Model types with linear maps that bitsandbytes does not replace.
        mamba_targets: Model types on whose `out_proj` PEFT refuses an adapter, with the linear
            maps that it takes.
        gguf: Classes that llama.cpp's converter takes.
        gguf_reads: Quantization methods that it reads back to plain numbers.
        vllm: Classes that vLLM's registry names.
        vllm_ranks: The limits that `--max-lora-rank` takes.
        vllm_default_rank: The highest rank that vLLM takes without being told.
        versions: The version of each program that the lists are from.
    """

    causal: Mapping[str, str]
    known: frozenset[str]
    encoders: frozenset[str]
    encoder_decoders: frozenset[str]
    stacked: frozenset[str]
    own_linear: frozenset[str]
    mamba_targets: Mapping[str, str]
    gguf: frozenset[str]
    gguf_reads: frozenset[str]
    vllm: frozenset[str]
    vllm_ranks: tuple[int, ...]
    vllm_default_rank: int
    versions: Mapping[str, str]


@cache
def lists() -> Lists:
    """Return the lists, read once."""
    content: dict[str, Any] = read_yaml(paths.recipes() / FILE)
    transformers, memory = content["transformers"], content["memory"]
    mamba = [word.partition(":")[::2] for word in content["peft"]["mamba"].split()]
    pairs = [word.partition(":")[::2] for word in transformers["causal"].split()]
    return Lists(
        causal=dict(pairs),
        known=_words(transformers["known"]),
        encoders=_words(transformers["encoders"]),
        encoder_decoders=_words(transformers["encoder_decoders"]),
        stacked=_words(memory["stacked"]),
        own_linear=_words(memory["own_linear"]),
        mamba_targets=dict(mamba),
        gguf=_words(content["llama_cpp"]["text"]),
        gguf_reads=_words(content["llama_cpp"]["reads"]),
        vllm=_words(content["vllm"]["takes"]),
        vllm_ranks=tuple(content["vllm"]["ranks"]),
        vllm_default_rank=int(content["vllm"]["default_rank"]),
        versions={
            name: str(content[name]["version"]) for name in ("transformers", "llama_cpp", "vllm")
        },
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())
