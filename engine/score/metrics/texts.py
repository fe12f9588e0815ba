"""Texts: how much of the expected one an answer says, in any language.

Chinese, Japanese and other scripts that put no blanks between words are compared character by
character: split at blanks, such a sentence would be one word, and never half right.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from functools import cache
from typing import Any

# Thai to Lao, Burmese, Khmer, kana, Han and its extensions
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_UNSPACED += "\uf900-\ufaff\U00020000-\U0003ffff"
_EACH = re.compile(f"[{_UNSPACED}]")
_OTHER = re.compile(r"[\W_]")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PIECE = re.compile(
    rf"(?<![\w.,])[-\u2212]\d+(?:[.,:]\d+)*|\d+(?:[.,:]\d+)*|[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+"
)


def folded(text: str) -> str:
    """Return a text with width variants and runs of blanks made one; case stays."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def words(text: str) -> list[str]:
    """Return the words of a text in small letters; a character each in scripts without blanks."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _EACH.sub(r" \g<0> ", _OTHER.sub(_blank, plain)).split()


def token_f1(expected: str, answer: str) -> float:
    """Return the F1 of the words that both texts share, as SQuAD scores it (1606.05250).

    Small letters; punctuation and the English articles do not count. Two texts without words are
    equal.
    """
    wanted, said = _squad(expected), _squad(answer)
    if not wanted or not said:
        return float(wanted == said)
    return 2 * (Counter(wanted) & Counter(said)).total() / (len(wanted) + len(said))


def rouge_l(expected: str, answer: str) -> float:
    """Return ROUGE-L: the F1 of the longest run of words, gaps allowed, in both (Lin 2004)."""
    wanted, said = words(expected), words(answer)
    if not wanted or not said:
        return float(wanted == said)
    return 2 * _common(wanted, said) / (len(wanted) + len(said))


def chrf(expected: str, answer: str) -> float:
    """Return chrF2 (Popovic 2015) by sacrebleu: the F of runs of 1 to 6 characters, as a share."""
    if not expected.strip() or not answer.strip():
        return float(expected.strip() == answer.strip())
    score: float = _chrf().sentence_score(answer, [expected]).score
    return min(1.0, score / 100)


def contains(expected: str, answer: str) -> float:
    """Say whether the expected short answer stands in the answer, as whole words and numbers.

    Case and punctuation do not count, but `3` is neither in `3.5` nor in `-3`.
    """
    wanted, said = _pieces(expected), _pieces(answer)
    if not wanted:
        return float(not said)
    width = len(wanted)
    return float(any(said[at : at + width] == wanted for at in range(len(said) - width + 1)))


def length_ratio(expected: str, answer: str) -> float:
    """Return the shorter text's number of words by the longer one's: 1 for the same length."""
    wanted, said = len(words(expected)), len(words(answer))
    return min(wanted, said) / max(wanted, said) if wanted or said else 1.0


def _common(one: list[str], other: list[str]) -> int:
    """Return the length of the longest common subsequence, 64 and more rows of its table at once.

    The bits of one integer are a column of the table (Hyyro 2004, bit-parallel LCS).
    """
    places: dict[str, int] = {}
    for at, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << at
    full = (1 << len(one)) - 1
    column = full
    for word in other:
        matched = column & places.get(word, 0)
        column = (column + matched | column - matched) & full
    return len(one) - column.bit_count()


def _squad(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    bare = "".join(char for char in plain if not _mark(char))
    return _EACH.sub(r" \g<0> ", _ARTICLES.sub(" ", bare)).split()


def _pieces(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return [piece.replace("\u2212", "-") for piece in _PIECE.findall(plain)]


def _mark(char: str) -> bool:
    return char in string.punctuation or unicodedata.category(char).startswith("P")


def _blank(found: re.Match[str]) -> str:
    """Return what stands between words as a blank; vowel signs belong to their word."""
    return found[0] if unicodedata.category(found[0]).startswith("M") else " "


@cache
def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
