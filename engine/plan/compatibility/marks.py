"""A tokenizer that only knows its marks: enough to see what a chat template does, and cheap."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from engine.plan.compatibility.tokens import Tokens

_LETTERS = 1 << 40  # ids of letters lie above all real ones


class Marked(NamedTuple):
    """Ids of a text, and where in it each stands."""

    ids: list[int]
    offsets: list[tuple[int, int]]


class Marks:
    """Reads added tokens as what they are, and every other letter as a token of its own.

    It stands in for `tokenizers.Tokenizer` in a `ChatTemplate` whose texts are only looked at,
    never learnt: loading a real one takes 80 to 500 ms.

    Args:
        tokens: The tokenizer's facts.
        more: Other tokens that are marks too, such as the stops.
    """

    def __init__(self, tokens: Tokens, more: Mapping[str, int]) -> None:
        self._vocabulary = tokens.vocabulary
        self._marks = {**tokens.added, **more}
        self._texts = {number: text for text, number in self._marks.items()}
        ordered = sorted(filter(None, self._marks), key=len, reverse=True)
        self._split = re.compile("|".join(map(re.escape, ordered)) or r"(?!)")

    def encode(self, text: str, add_special_tokens: bool = False) -> Marked:  # noqa: ARG002 - a tokenizer's signature
        """Return the ids of a text; nothing is added to it."""
        ids, offsets, place = [], [], 0
        while place < len(text):
            match = self._split.match(text, place)
            end = match.end() if match else place + 1
            ids.append(self._marks[match[0]] if match else _LETTERS + ord(text[place]))
            offsets.append((place, end))
            place = end
        return Marked(ids, offsets)

    def token_to_id(self, text: str) -> int | None:
        """Return a token's id, None where there is none."""
        return self._vocabulary.get(text)

    def id_to_token(self, number: int) -> str | None:
        """Return a mark's text, None where the id is no mark's."""
        return self._texts.get(number)

    def first(self, text: str) -> str:
        """Return the first mark in a text; empty where it has none."""
        match = self._split.search(text)
        return match[0] if match else ""
