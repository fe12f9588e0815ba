"""Views of a text and of a row: what makes it the same as another, and the pieces to compare."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from contextlib import suppress
from itertools import chain

from engine.data.rows import Row

SHINGLE = 5  # characters; word shingles miss nearly every one-word edit of a short row

# Chinese, Japanese, Thai, Lao, Burmese and Khmer put no blanks between words: there each
# character is a word, and two of them say as much as five letters.
UNSPACED_RANGES = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x30FF),
    (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip
_UNSPACED = "".join(f"{chr(low)}-{chr(high)}" for low, high in UNSPACED_RANGES)
# vowel signs and accents are parts of words, though Python's \w leaves most of them out
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b4-\u17d3\u3099\u309a"
)
_RUN = re.compile(rf"(?:[^\W_]|[{_MARKS}])+")
_ASCII_RUN = re.compile(r"[a-z0-9]+")
_APOSTROPHES = re.compile("['’‘ʼ＇]")
_GAP = re.compile(rf" (?=[{_UNSPACED}])|(?<=[{_UNSPACED}]) ")
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_ANY_UNSPACED = re.compile(f"[{_UNSPACED}]")
_PIECE = re.compile(rf"(?=([{_UNSPACED}].|[^{_UNSPACED}].{{0,{SHINGLE - 1}}}))", re.DOTALL)
_PHRASE = re.compile(
    rf"(?=([{_UNSPACED}].{{3}}|(?<![^ {_UNSPACED}])[^ {_UNSPACED}].{{7}}))", re.DOTALL
)
_SIGN = re.compile(r"[*/%#&+<>=^|~$]|-(?=\d)|[^\w\s\x00-\x7f]")


def normalise(text: str) -> str:
    """Return the text without case, punctuation, apostrophes, width variants and needless blanks.

    Texts with the same result say the same. Scripts without blanks between words keep none. A
    text without any letter or digit (an emoji, a formula) stays as it is, so that such texts are
    not all alike.
    """
    if text.isascii():
        return " ".join(_ASCII_RUN.findall(text.lower().replace("'", ""))) or text.strip()
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = unicodedata.normalize("NFKC", _APOSTROPHES.sub("", folded))
    return _GAP.sub("", " ".join(_RUN.findall(folded))) or text.strip()


def words(normalised: str) -> list[str]:
    """Split a normalised text into words; in scripts without blanks, into characters."""
    return normalised.split() if normalised.isascii() else _WORD.findall(normalised)


def word_places(normalised: str) -> list[tuple[int, int]]:
    """Return where each word of a normalised text begins and ends."""
    return [match.span() for match in _WORD.finditer(normalised)]


def unspaced(text: str) -> int:
    """Return how many characters belong to scripts that put no blanks between words."""
    return 0 if text.isascii() else len(_ANY_UNSPACED.findall(text))


def weight(normalised: str) -> int:
    """Return how much a text can say, in letters; a Chinese character counts as two."""
    return len(normalised) + unspaced(normalised)


def fives(normalised: str) -> frozenset[str]:
    """Return all runs of five characters of a normalised text; a shorter text is its own."""
    last = len(normalised) - SHINGLE
    if last <= 0:
        return frozenset((normalised,))
    return frozenset([normalised[i : i + SHINGLE] for i in range(last + 1)])


def shingles(normalised: str) -> frozenset[str]:
    """Return the pieces to compare a text by: five characters, in scripts without blanks two.

    With five characters, one changed word of a Chinese sentence of ten leaves nothing in common.
    """
    if normalised.isascii() or not _ANY_UNSPACED.search(normalised):
        return fives(normalised)
    return frozenset(_PIECE.findall(normalised)) or frozenset((normalised,))


def phrases(normalised: str) -> frozenset[str]:
    """Return the eight characters that begin with each word; in scripts without blanks four.

    A text too short for one has the empty phrase only.
    """
    return frozenset(_PHRASE.findall(normalised)) or frozenset(("",))


def stands_in(part: str, text: str) -> bool:
    """Return whether a normalised text holds another one in whole words."""
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        if _between_words(text, start) and _between_words(text, end):
            return True
        start = text.find(part, start + 1)
    return False


def _between_words(text: str, place: int) -> bool:
    around = text[max(place - 1, 0) : place + 1]
    return place in (0, len(text)) or " " in around or bool(_ANY_UNSPACED.search(around))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of pieces that two texts have in common, 0 to 1."""
    common = len(one & other)
    union = len(one) + len(other) - common
    return common / union if union else 1.0


def canonical(completion: str) -> str:
    """Return an answer's canonical form: JSON with sorted keys, else text; case and blanks folded.

    Unlike `normalise` it keeps punctuation: `a+b` and `a-b` are different answers.
    """
    if completion.lstrip()[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            completion = json.dumps(json.loads(completion), sort_keys=True, ensure_ascii=False)
    if not completion.isascii():
        completion = unicodedata.normalize("NFKC", completion)
    return " ".join(completion.casefold().split())


def signs(text: str) -> str:
    """Return the signs that carry meaning, in order: operators, currencies, emoji.

    `normalise` drops them, so `3+4` and `3*4` look alike; with other signs another answer is right.
    """
    found = _SIGN.findall(text)
    return "".join(s for s in found if s.isascii() or unicodedata.category(s)[0] == "S")


def question(row: Row) -> str:
    """Return what a row is compared by: its turns and its prompt, of a raw text the text itself.

    The system prompt is no part of it: many rows share it, and it would make all of them alike.
    """
    if row.form == "text":
        return normalise(row.completion)
    if row.history:
        return normalise("\n".join([*(turn.content for turn in row.history), row.prompt]))
    return normalise(row.prompt)


def target(row: Row) -> str:
    """Return what a row teaches, in canonical form; of a raw text nothing beside its question."""
    if row.form == "text":
        return ""
    answer = canonical(row.completion)
    if row.form == "preference":
        return f"{answer}\0{canonical(row.rejected)}"
    if row.form == "feedback":
        return f"{answer}\0{'good' if row.label else 'bad'}"
    return answer


class Boilerplate:
    """The starts and ends that many prompts share (an instruction put before every message).

    They say nothing about a row, and left in place they would make all its rows near-duplicates.
    A start counts as shared when a quarter of the prompts have it and it has 20 letters, or when
    1 % have it and it has 60 (a Chinese character counts as two); at least 20 rows in any case.

    Args:
        texts: All normalised prompts; of more than 50,000 an even sample is looked at.
    """

    _SAMPLE = 50_000
    _SAMPLE_OF_PHRASES = 20_000

    def __init__(self, texts: list[str]) -> None:
        sample = sorted(set(texts[:: len(texts) // self._SAMPLE + 1]))
        self._starts = _Heads(sample)
        rest = [self._starts.cut(text) for text in sample]
        self._ends = _Heads([text[::-1] for text in rest])
        self._own = [self._ends.cut(text[::-1])[::-1].strip() for text in rest]

    def parts(self, text: str) -> tuple[str, str, str]:
        """Return a normalised prompt's shared start, what is its own, and its shared end."""
        if not (self._starts or self._ends):
            return "", text, ""
        rest = self._starts.cut(text)
        own = self._ends.cut(rest[::-1])[::-1]
        if not own.strip():
            return "", text, ""
        start, end = text[: len(text) - len(rest)], rest[len(own) :]
        return start, own.strip(), end

    def remove(self, text: str) -> str:
        """Return a normalised prompt without the shared start and end."""
        return self.parts(text)[1]

    def common_phrases(self) -> frozenset[str]:
        """Return the `phrases` that more than 0.2 % of the prompts have, and more than 5.

        Of more than 20,000 different prompts an even sample is looked at.
        """
        texts = self._own[:: len(self._own) // self._SAMPLE_OF_PHRASES + 1]
        counts = Counter(chain.from_iterable(map(phrases, texts)))
        most = max(5, 0.002 * len(texts))
        return frozenset(phrase for phrase, count in counts.items() if count > most)


class _Heads:
    """The beginnings that many texts share; rounds, as behind one another may stand."""

    _TIERS = ((60, 0.01), (20, 0.25))  # letters; the least share of the texts
    _LEAST_ROWS = 20
    _ROUNDS = 3
    _ODD = 0.05  # of a group, so many at either end of the alphabet may go on otherwise

    def __init__(self, texts: list[str]) -> None:
        self._rounds: list[dict[str, str]] = []
        for _ in range(self._ROUNDS):
            shared = self._shared(texts)
            if not shared:
                break
            self._rounds.append(shared)
            texts = [_cut(text, shared) for text in texts]

    def __bool__(self) -> bool:
        return bool(self._rounds)

    def cut(self, text: str) -> str:
        """Return the text without its shared beginning."""
        for shared in self._rounds:
            text = _cut(text, shared)
        return text

    def _shared(self, texts: list[str]) -> dict[str, str]:
        result: dict[str, str] = {}
        for letters, share in self._TIERS:
            least = max(self._LEAST_ROWS, share * len(texts))
            heads = Counter(head for text in texts if (head := _head(text, letters)))
            common = {head for head, count in heads.items() if count >= least}
            groups: dict[str, list[str]] = {head: [] for head in common}
            for text in texts:
                if (head := _head(text, letters)) in common:
                    groups[head].append(text)
            for head, group in groups.items():
                start = self._longest(sorted(group))
                if len(start) >= len(head):
                    result.setdefault(head, start)
        return result

    def _longest(self, group: list[str]) -> str:
        """Return the longest beginning, in whole words, that nearly all of a sorted group have."""
        margin = int(self._ODD * len(group))
        low, high = group[margin], group[-1 - margin]
        pairs = enumerate(zip(low, high, strict=False))
        length = next((i for i, (a, b) in pairs if a != b), min(len(low), len(high)))
        start = low[:length]
        if _ANY_UNSPACED.search(start[-1:] + low[length : length + 1] + high[length : length + 1]):
            return start
        whole = all(text[length : length + 1] in ("", " ") for text in (low, high))
        return start if whole else start[: start.rfind(" ") + 1]


def _head(text: str, letters: int) -> str:
    """Return the first so many letters of a longer text; half as many Chinese characters."""
    size = letters
    if not text.isascii() and 2 * unspaced(text[: letters // 2]) > letters // 2:
        size = letters // 2
    return text[:size] if len(text) > size else ""


def _cut(text: str, shared: dict[str, str]) -> str:
    for letters in (60, 20):
        start = shared.get(_head(text, letters))
        if start and text.startswith(start):
            return text[len(start) :]
    return text
