"""Two views of a text: what makes it the same as another, and the pieces to compare it by."""

from __future__ import annotations

import json
import re
import unicodedata
from contextlib import suppress

SHINGLE = 5  # characters; word shingles miss nearly every one-word edit of a short row

# Chinese, Japanese and Thai put no blanks between words, so there each character is a word.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_RUN = re.compile(r"\w+")
_ASCII_RUN = re.compile(r"[a-z0-9_]+")


def normalise(text: str) -> str:
    """Return the text without case, punctuation, width variants and runs of blanks.

    Texts with the same result say the same. A text without any letter or digit (an emoji, a
    formula) stays as it is, so that such texts are not all alike.
    """
    if text.isascii():
        return " ".join(_ASCII_RUN.findall(text.lower())) or text.strip()
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_RUN.findall(folded)) or text.strip()


def words(normalised: str) -> list[str]:
    """Split a normalised text into words; in scripts without blanks, into characters."""
    return normalised.split() if normalised.isascii() else _WORD.findall(normalised)


def shingles(normalised: str) -> frozenset[str]:
    """Return all runs of five characters of a normalised text; a shorter text is its own."""
    last = len(normalised) - SHINGLE
    if last <= 0:
        return frozenset((normalised,))
    return frozenset([normalised[i : i + SHINGLE] for i in range(last + 1)])


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of pieces that two texts have in common, 0 to 1."""
    common = len(one & other)
    union = len(one) + len(other) - common
    return common / union if union else 1.0


def target(completion: str) -> str:
    """Return an answer's canonical form: JSON with sorted keys, else text; case and blanks folded.

    Unlike `normalise` it keeps punctuation: `a+b` and `a-b` are different answers.
    """
    if completion.lstrip()[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            completion = json.dumps(json.loads(completion), sort_keys=True, ensure_ascii=False)
    if not completion.isascii():
        completion = unicodedata.normalize("NFKC", completion)
    return " ".join(completion.casefold().split())


class Boilerplate:
    """The start and end that most prompts share (an instruction put before every message).

    It says nothing about a row, and left in place it would make all rows near-duplicates.

    Args:
        texts: All normalised prompts.
    """

    _LEAST_ROWS = 20
    _LEAST_CHARACTERS = 20

    def __init__(self, texts: list[str]) -> None:
        self.start = self._shared(texts)
        self.end = self._shared([text[::-1] for text in texts])[::-1]

    def remove(self, text: str) -> str:
        """Return a normalised prompt without the shared start and end."""
        if not (self.start or self.end):
            return text
        return text.removeprefix(self.start).removesuffix(self.end).strip() or text

    def _shared(self, texts: list[str]) -> str:
        """The prefix common to the middle half of the sorted texts is common to most of them."""
        ordered = sorted(set(texts))
        if len(ordered) < self._LEAST_ROWS:
            return ""
        low, high = ordered[len(ordered) // 4], ordered[3 * len(ordered) // 4]
        length = next(
            (i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b),
            min(len(low), len(high)),
        )
        return low[:length] if length >= self._LEAST_CHARACTERS else ""
