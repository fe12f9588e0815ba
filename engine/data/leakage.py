"""Leakage: rows that give away the golden set.

A model that was trained on a golden prompt, or on nearly that, is not tested by it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import chain

from engine.data.normalise import Boilerplate, normalise, shingles, words
from engine.data.rows import Row

NEAR = 0.7  # Jaccard of five-character shingles
_GRAM = 13  # words; the length that GPT-3 and lm-evaluation-harness use
_LEAST_GRAM = 8  # a golden prompt with fewer words is compared as a whole only
_LEAST_CONTAINED = 20  # characters; any row contains "hi" or "thank you"


class Golden:
    """The golden prompts, indexed so that one row is checked in the time of reading it.

    Args:
        rows: The golden rows.
        boilerplate: The start and end that most training prompts share; it is left out.
    """

    def __init__(self, rows: list[Row], boilerplate: Boilerplate) -> None:
        self._boilerplate = boilerplate
        self._rows = rows
        self._texts = [boilerplate.remove(normalise(row.prompt)) for row in rows]
        self._sizes: list[int] = []
        self._pieces: dict[str, list[int]] = defaultdict(list)
        self._grams: dict[tuple[str, ...], int] = {}
        shared: Counter[tuple[str, ...]] = Counter()
        for number, text in enumerate(self._texts):
            pieces = shingles(text)
            self._sizes.append(len(pieces))
            for piece in pieces:
                self._pieces[piece].append(number)
            grams = _grams(words(text))
            shared.update(grams)
            self._grams.update(dict.fromkeys(grams, number))
        # what several golden prompts have in common is their form, not their content
        self._grams = {gram: n for gram, n in self._grams.items() if shared[gram] == 1}
        self._lengths = {len(gram) for gram in self._grams}

    def leak(self, row: Row) -> tuple[Row, str] | None:
        """Return the golden row that a row gives away, and how it was found; else None."""
        text = self._boilerplate.remove(normalise(row.prompt))
        pieces = shingles(text)
        known = pieces & self._pieces.keys()
        common = Counter(chain.from_iterable(map(self._pieces.__getitem__, known)))
        for number, count in common.most_common():
            golden = self._texts[number]
            if text == golden:
                return self._rows[number], "the same prompt"
            if count / (len(pieces) + self._sizes[number] - count) >= NEAR:
                return self._rows[number], "nearly the same prompt"
            if len(golden) >= _LEAST_CONTAINED and f" {golden} " in f" {text} ":
                return self._rows[number], "contains the prompt"
        return self._by_grams(text)

    def _by_grams(self, text: str) -> tuple[Row, str] | None:
        tokens = words(text)
        for length in self._lengths:
            for gram in _runs(tokens, length):
                if gram in self._grams:
                    return self._rows[self._grams[gram]], f"{length} words in a row are the same"
        return None


def _grams(tokens: list[str]) -> set[tuple[str, ...]]:
    """Return all runs of 13 words; a text of 8 to 12 words is one run."""
    length = min(_GRAM, len(tokens))
    return set(_runs(tokens, length)) if length >= _LEAST_GRAM else set()


def _runs(tokens: list[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + length]) for i in range(len(tokens) - length + 1)]
