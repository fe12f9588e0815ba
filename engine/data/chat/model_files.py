"""What the files of a model folder say about its chat template, old layouts and new."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.base.errors import TunesmithError

_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token")


def source(folder: Path, config: dict[str, Any]) -> str:
    """Return the template: a file of its own in newer models, a key of the tokenizer's in older.

    Empty where there is none, as in models that were not taught to chat.
    """
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    value = config.get("chat_template") or read(folder / "chat_template.json").get("chat_template")
    if isinstance(value, list):
        named = {
            str(item.get("name")): item.get("template") for item in value if isinstance(item, dict)
        }
        value = named.get("default") or next(iter(named.values()), None)
    return value if isinstance(value, str) else ""


def special_tokens(folder: Path, config: dict[str, Any]) -> dict[str, str]:
    """Return the special tokens by role, as `eos_token`, for the template to use."""
    known = {**read(folder / "special_tokens_map.json"), **config}
    tokens = {}
    for role in _SPECIAL:
        value = known.get(role)
        text = value.get("content") if isinstance(value, dict) else value
        if text:
            tokens[role] = str(text)
    return tokens


def stops(folder: Path, tokenizer: Any, special: dict[str, str]) -> list[int]:
    """Return the ids that may end an answer, the end-of-sequence token first.

    Some models stop at another token than that (Gemma, Llama 3); their generation settings say so.

    Raises:
        TunesmithError: There is none.
    """
    own = tokenizer.token_to_id(special.get("eos_token", ""))
    stated = read(folder / "generation_config.json").get("eos_token_id")
    named = [own, *(stated if isinstance(stated, list) else [stated])]
    found = [stop for stop in named if isinstance(stop, int)]
    if not found:
        raise TunesmithError(
            "The tokenizer names no end-of-sequence token.",
            "Set `eos_token` in tokenizer_config.json to the token that ends an answer.",
            str(folder / "tokenizer_config.json"),
        )
    return found


def context(folder: Path, config: dict[str, Any]) -> int:
    """Return how many tokens the model can read, 0 when nothing says so.

    It is the smaller of what model and tokenizer say; absurd values mean "no limit".
    """
    model = read(folder / "config.json")
    stated = (
        config.get("model_max_length"),
        model.get("max_position_embeddings"),
        (model.get("text_config") or {}).get("max_position_embeddings"),
    )
    limits = [int(value) for value in stated if isinstance(value, int | float) and value < 1e9]
    return min(limits, default=0)


def read(path: Path) -> dict[str, Any]:
    """Return a JSON file's object, empty when there is no such file; `TunesmithError` if broken."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise TunesmithError(
            "The file is not readable JSON.", "Fetch the model again.", str(path)
        ) from error
    return content if isinstance(content, dict) else {}
