"""Leakage: rows that give away the golden set.

A model that was trained on a golden prompt, or on nearly that, is not tested by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from engine.data.alike.codes import Codes, Known, batches, mix
from engine.data.alike.minhash import pieces
from engine.data.alike.normalise import (
    Boilerplate,
    jaccard,
    normalise,
    phrases,
    question,
    shingles,
    stands_in,
    unspaced,
    weight,
    word_places,
)
from engine.data.alike.overlaps import phrase_hashes, runs
from engine.data.alike.rarest import Rarest
from engine.data.rows import Row

if TYPE_CHECKING:
    from engine.data.alike.codes import Flags

NEAR = 0.7  # Jaccard of shingles
COVERED = 0.5  # of a golden prompt's phrases: the eight characters that begin with each word
_LEAST_COVERED = 4  # phrases that no other golden prompt has: some 20 letters
_LEAST_SPLIT = 30  # letters of a golden prompt that is looked for in pieces
_GRAM = 13  # words; the length that GPT-3 and lm-evaluation-harness use; 26 Chinese characters
_LEAST_GRAM = 8  # words; a shorter golden prompt is compared as a whole only
_LEAST_CONTAINED = 20  # letters; any row contains "hi" or "thank you"
_LEAST_ASKED = 10  # letters of a golden prompt that is looked for together with its answer


_BATCH = 8192  # rows


class Golden:
    """The golden rows, indexed so that one row is checked in the time of reading it.

    Certain to be found, whatever the row's form: a prompt that is the same but for case, width,
    punctuation and blanks; one whose pieces have a Jaccard of 0.7 or more with a golden one
    (`normalise.shingles`: five characters, in scripts without blanks two); a row that holds a
    whole golden prompt of 20 letters, a Chinese character counting as two, between others; or
    that has 13 words in a row with one in common (26 Chinese characters; all words where a
    golden prompt has 8 to 12), unless two golden prompts have them in common; a row with a whole
    golden prompt and its answer anywhere in its texts, 20 letters together.
    Often found: a shorter golden prompt of which half stands in a longer row, in pieces.
    Not found: a golden prompt in other words (of rephrasings by a language model, fewer than one
    in ten), in another language, or a short one within a longer row without its answer.

    Args:
        rows: The golden rows.
        boilerplate: What many training prompts share: starts, ends and phrases; it is left out.
    """

    def __init__(self, rows: list[Row], boilerplate: Boilerplate) -> None:
        self._boilerplate = boilerplate
        self._rows = rows
        self._texts = [boilerplate.remove(question(row)) for row in rows]
        self._same = {text: number for number, text in reversed(list(enumerate(self._texts)))}
        self._pieces = [shingles(text) for text in self._texts]
        self._by_piece = Rarest(self._pieces, NEAR, more=0.2)
        told = [phrases(text) for text in self._texts]
        self._by_phrase = Rarest(told, 1.0, more=0.5)
        counts = Counter(chain.from_iterable(told))
        # what several golden prompts have in common is their form, not their content
        form = {phrase for phrase, count in counts.items() if count > 1}
        form |= boilerplate.common_phrases()
        self._own_phrases = [each - form for each in told]
        for number, own in enumerate(self._own_phrases):
            if weight(self._texts[number]) < _LEAST_SPLIT or len(own) < _LEAST_COVERED:
                self._own_phrases[number] = frozenset()
        self._by_own_phrase = Rarest(self._own_phrases, COVERED)
        self._all_phrases: frozenset[str] = frozenset().union(*told)
        self._asked = [normalise(row.prompt) for row in rows]
        self._answers = [normalise(row.completion) for row in rows]
        self._by_asked = Rarest([phrases(text) for text in self._asked], 1.0, more=0.5)
        self._grams = _single_grams(self._texts)
        self._lengths: dict[int, int] = {}  # of the runs, with the fewest phrases that one has
        for gram in self._grams:
            length, count = _weight(gram), len(phrases(gram))
            self._lengths[length] = min(count, self._lengths.get(length, count))
        self._known_grams = {
            length: _hashed(gram for gram in self._grams if _weight(gram) == length)
            for length in self._lengths
        }
        # who has fewer golden phrases than any golden prompt cannot hold one
        lengths = [len(p) for p, t in zip(told, self._texts, strict=True) if _long(t)]
        self._fewest = min(lengths, default=0)
        self._shortest = min(map(len, self._asked), default=0)

    def leaks(self, rows: list[Row]) -> list[tuple[Row, str] | None]:
        """Return for each row what `leak` returns; most rows are cleared many at a time."""
        result: list[tuple[Row, str] | None] = []
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            texts = [self._boilerplate.remove(question(row)) for row in part]
            told = [_told(row) for row in part]
            suspects = self._suspects(texts, told).tolist()
            for text, said, suspect in zip(texts, told, suspects, strict=True):
                found = suspect or text in self._same
                result.append(self._leak(text, said) if found else None)
        return result

    def _suspects(self, texts: list[str], told: list[str]) -> Flags:
        import numpy as np

        result = np.zeros(len(texts), dtype=np.bool_)
        for batch in batches(texts):
            size = len(batch.starts) - 1
            hashes, offsets = pieces(batch)
            rows = np.repeat(np.arange(size), np.diff(offsets))
            found = self._by_piece.suspects(hashes, rows, size)
            hashes, rows = phrase_hashes(batch)
            found |= self._by_phrase.suspects(hashes, rows, size)
            found |= self._by_own_phrase.suspects(hashes, rows, size)
            for length, known in self._known_grams.items():
                hashes, numbers = runs(batch, length)
                found[numbers[known.find(hashes)[0]] - batch.first] = True
            result[batch.first : batch.first + size] = found
        for batch in batches(told):
            size = len(batch.starts) - 1
            result[batch.first : batch.first + size] |= self._by_asked.suspects(
                *phrase_hashes(batch), size
            )
        return result

    def leak(self, row: Row) -> tuple[Row, str] | None:
        """Return the golden row that a row gives away, and how it was found; else None."""
        return self._leak(self._boilerplate.remove(question(row)), _told(row))

    def _leak(self, text: str, told: str) -> tuple[Row, str] | None:
        number = self._same.get(text)
        if number is not None:
            return self._rows[number], "the same prompt"
        own = shingles(text)
        for number in self._by_piece.candidates(own):
            if jaccard(own, self._pieces[number]) >= NEAR:
                return self._rows[number], "nearly the same prompt"
        found = None
        known = phrases(text) & self._all_phrases
        if known:
            found = self._within(text, known) or self._by_grams(text, len(known))
        return found or self._with_answer(text, told)

    def _within(self, text: str, known: frozenset[str]) -> tuple[Row, str] | None:
        for number in self._by_phrase.candidates(known) if len(known) >= self._fewest else ():
            golden = self._texts[number]
            if _long(golden) and stands_in(golden, text):
                return self._rows[number], "contains the prompt"
        if len(known) < _LEAST_COVERED:
            return None
        for number in self._by_own_phrase.candidates(known):
            own = self._own_phrases[number]
            common = len(own & known)
            if common >= max(_LEAST_COVERED, COVERED * len(own)):
                return self._rows[number], "contains most of the prompt"
        return None

    def _by_grams(self, text: str, known: int) -> tuple[Row, str] | None:
        for length, least in self._lengths.items():
            for gram in _runs(text, length) if known >= least else ():
                if gram in self._grams:
                    unit = "characters" if unspaced(gram) > len(gram) // 2 else "words"
                    count = length if unit == "characters" else length // 2
                    return self._rows[self._grams[gram]], f"{count} {unit} in a row are the same"
        return None

    def _with_answer(self, text: str, told: str) -> tuple[Row, str] | None:
        """Look for a whole golden row, its question and its answer, in all that a row says."""
        if len(told) < max(self._shortest, _LEAST_ASKED // 2):
            return None
        everything = f"{text} {told}"
        for number in self._by_asked.candidates(phrases(told)):
            asked, answer = self._asked[number], self._answers[number]
            enough = weight(asked) >= _LEAST_ASKED
            enough &= weight(asked) + weight(answer) >= _LEAST_CONTAINED
            if enough and stands_in(asked, told) and stands_in(answer, everything):
                return self._rows[number], "contains the prompt and its answer"
        return None


def _told(row: Row) -> str:
    """Return all that a row says beside what it asks."""
    parts = [row.system, "" if row.form == "text" else row.completion, row.rejected]
    return normalise("\n".join(part for part in parts if part))


def _hashed(grams: Iterable[str]) -> Known:
    import numpy as np

    batch = Codes(list(grams))
    return Known(np.sort(mix(batch.stretch(batch.starts[:-1], batch.starts[1:]))))


def _long(text: str) -> bool:
    return weight(text) >= _LEAST_CONTAINED


def _single_grams(texts: list[str]) -> dict[str, int]:
    """Return the runs of 13 words (or all of 8 to 12) that only one of the texts has."""
    result: dict[str, int] = {}
    shared: Counter[str] = Counter()
    for number, text in enumerate(texts):
        length = min(2 * _GRAM, _weight(text))
        grams = set(_runs(text, length)) if length >= 2 * _LEAST_GRAM else set()
        shared.update(grams)
        result.update(dict.fromkeys(grams, number))
    return {gram: number for gram, number in result.items() if shared[gram] == 1}


def _weight(text: str) -> int:
    """Return two for each word of a text, one for each character of a script without blanks."""
    return 2 * len(word_places(text)) - unspaced(text)


def _runs(text: str, length: int) -> Iterator[str]:
    """Yield all runs of words of a text that weigh so much."""
    places = word_places(text)
    last, total = 0, 0
    weights = [2 - (end - start == 1 and unspaced(text[start:end])) for start, end in places]
    for first, (start, _) in enumerate(places):
        while total < length and last < len(places):
            total += weights[last]
            last += 1
        if total < length:
            return
        yield text[start : places[last - 1][1]]
        total -= weights[first]
