"""The facts of a tokenizer that the checks need, read from tokenizer.json as plain JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.base.errors import TunesmithError

FILE = "tokenizer.json"


@dataclass(frozen=True)
class Tokens:
    """What a tokenizer can write.

    Attributes:
        vocabulary: Every token's id, added tokens included.
        added: The added tokens' ids, in the order of the file.
        largest: The largest id.
        conflicts: What contradicts itself in the file, as phrases.
    """

    vocabulary: Mapping[str, int]
    added: Mapping[str, int]
    largest: int
    conflicts: tuple[str, ...]

    def texts(self, ids: Iterable[int]) -> dict[int, str]:
        """Return the tokens that have some ids."""
        wanted = set(ids)
        return {number: text for text, number in self.vocabulary.items() if number in wanted}


def read(folder: Path) -> Tokens:
    """Read a tokenizer.

    Raises:
        TunesmithError: There is none that is fast, or the file is damaged.
    """
    file = folder / FILE
    if not file.is_file():
        raise TunesmithError(
            "The model has no fast tokenizer (tokenizer.json).",
            "Save one beside it: `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)`.",
            str(folder),
        )
    try:
        content = json.loads(file.read_bytes())
        base = _vocabulary(content["model"])
        listed = [(str(item["content"]), int(item["id"])) for item in content["added_tokens"] or ()]
        whole = {**base, **dict(listed)}
        largest = max(whole.values(), default=-1)
        found = _conflicts(base, listed)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TunesmithError(
            "The tokenizer cannot be read.",
            "Save it again with transformers' `save_pretrained`.",
            str(file),
        ) from error
    return Tokens(whole, dict(listed), largest, tuple(found))


def _vocabulary(model: Mapping[str, Any]) -> dict[str, int]:
    """Return the ids of the base vocabulary; a Unigram model lists its tokens in their order."""
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        return vocabulary
    return {str(item[0]): number for number, item in enumerate(vocabulary)}


def _conflicts(base: Mapping[str, int], listed: list[tuple[str, int]]) -> list[str]:
    pairs = list(dict.fromkeys(listed))
    texts, numbers = Counter(text for text, _ in pairs), Counter(number for _, number in pairs)
    taken = {number: "" for _, number in pairs}
    taken |= {number: text for text, number in base.items() if number in taken}
    found = [f"{text!r} has two ids" for text, count in texts.items() if count > 1]
    found += [f"the id {number} has two tokens" for number, count in numbers.items() if count > 1]
    for text, number in pairs:
        if base.get(text, number) != number:
            found.append(f"{text!r} is {number} among the added tokens and {base[text]} before")
        elif taken[number] not in ("", text):
            found.append(f"the id {number} is {text!r} and {taken[number]!r}")
    return found
