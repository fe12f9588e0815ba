"""Duplicates, near-duplicates, conflicts, and what must stay on one side of a split.

Short rows need characters, not words: with the usual five-word shingles one changed word hides a
duplicate (recall 0.05 to 0.16 on rows of 7 to 16 words), with five characters it does not (0.99).
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from engine.data.alike import minhash
from engine.data.alike.likeness import CONTAINED, ONE_WORD, PASSAGE, RELATED, SAME, Likeness
from engine.data.alike.normalise import (
    Boilerplate,
    canonical,
    fives,
    normalise,
    question,
    signs,
    stands_in,
    target,
)
from engine.data.alike.overlaps import RUN
from engine.data.rows import Row

if TYPE_CHECKING:
    from engine.data.alike.likeness import Propose

__all__ = ["RELATED", "SAME", "Sorted", "largest_star", "sort"]

_CHANGED = 30  # pieces; with more on either side, long prompts ask something else at Jaccard 0.8
_COMPARED = 8  # rows of a prompt that another one is held against
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|-?\d+(?:\.\d+)?|null')
_EQUAL, _THROUGH = 104, 105  # kinds of link beside those of Likeness
_HOW = {
    CONTAINED: "one prompt holds the other",
    PASSAGE: f"{RUN} words in a row are the same",
    ONE_WORD: "one word differs",
    _EQUAL: "the same prompt",
    _THROUGH: "both are like a row that was dropped",
}


@dataclass
class Sorted:
    """What became of the rows.

    Attributes:
        kept: The rows that stay, in order.
        exact: Dropped rows and the row that each repeats.
        near: Dropped rows and the row that each nearly repeats, with the same answer.
        conflicts: Rows that ask the same as another but answer differently; both are dropped.
        related: Pairs of kept rows that belong on one side of a split.
        alike: The same pairs as rows, the later row first, and how they are alike.
    """

    kept: list[Row] = field(default_factory=list)
    exact: list[tuple[Row, Row]] = field(default_factory=list)
    near: list[tuple[Row, Row]] = field(default_factory=list)
    conflicts: list[tuple[Row, Row]] = field(default_factory=list)
    related: list[tuple[str, str]] = field(default_factory=list)
    alike: list[tuple[Row, Row, str]] = field(default_factory=list)


def sort(
    rows: list[Row],
    progress: Callable[[str], None] = lambda _: None,
    propose: Propose = minhash.candidates,
) -> Sorted:
    """Tell repeats, near-repeats and conflicts from the rows to keep.

    The first of several equal rows stays. Related rows whose answers differ only in what each
    copies from its own prompt (an order number) are variants: both stay, on one side of the split.
    Rows of different forms, system prompts or numbers of turns are never more than related.

    Args:
        rows: The rows, in the order in which the first stays.
        progress: Told the name of each step when it starts.
        propose: Finds the pairs of texts that may be alike; `scale.candidates` with more processes.
    """
    result = Sorted()
    progress("exact repeats")
    entries = _Entries(rows, result)
    likeness = entries.likeness()
    likeness.find(progress, propose)
    progress("deciding")
    _Decisions(entries, likeness, result).decide()
    return result


def largest_star(found: Sorted) -> tuple[Row, int] | None:
    """Return the row that most near-duplicates were merged into, and how many; None without any.

    More than 50 and 1 % of the rows are a sign that a form was taken for repeats.
    """
    counts = Counter(row.id for _, row in found.near)
    if not counts:
        return None
    name, count = counts.most_common(1)[0]
    return next(row for _, row in found.near if row.id == name), count


class _Entries:
    """The rows without exact repeats, and their texts, each kept once.

    Attributes:
        rows: The rows.
        texts: The different texts, without boilerplate.
        text: For each row the number of its text.
        keys: For each row a hash of all it holds beside its text: equal for rows to merge.
        frames: For each row what boilerplate its prompt had.
    """

    def __init__(self, rows: list[Row], result: Sorted) -> None:
        self.rows: list[Row] = []
        self.keys: array[int] = array("Q")
        first: dict[bytes, int] = {}
        asked: list[str] = []
        for row in rows:
            asks = question(row)
            teaches = f"{_kind(row)}\0{target(row)}".encode()
            digest = blake2b(asks.encode(), digest_size=16, key=_short(teaches)).digest()
            number = first.setdefault(digest, len(self.rows))
            if number < len(self.rows):
                result.exact.append((row, self.rows[number]))
                continue
            self.rows.append(row)
            self.keys.append(int.from_bytes(_short(teaches)))
            asked.append(asks)
        del first
        self._strip(asked)

    def _strip(self, asked: list[str]) -> None:
        boilerplate = Boilerplate(asked)
        numbers: dict[str, int] = {}
        frames: dict[str, int] = {"\0": 0}
        self.text: array[int] = array("L")
        self.frames: array[int] = array("L")
        for place, asks in enumerate(asked):
            start, own, end = boilerplate.parts(asks)
            frame = frames.setdefault(f"{start}\0{end}", len(frames))
            self.frames.append(frame)
            if frame:
                mixed = f"{self.keys[place]} {start}\0{end}".encode()
                self.keys[place] = int.from_bytes(_short(mixed))
            self.text.append(numbers.setdefault(own, len(numbers)))
        self.texts = list(numbers)

    def likeness(self) -> Likeness:
        """Return the comparison of the texts, still to be made."""
        single = bytearray(len(self.texts))
        keys = [0] * len(self.texts)
        prompts: dict[int, str] = {}
        for place, text in enumerate(self.text):
            single[text] = min(single[text] + 1, 2)
            if single[text] == 1:
                keys[text] = self.keys[place]
                if self.rows[place].history:
                    prompts[text] = normalise(self.rows[place].prompt)
        alone = bytearray(count == 1 for count in single)
        return Likeness(self.texts, keys, alone, prompts)


class _Decisions:
    """What becomes of each row, in order, given which texts are alike."""

    def __init__(self, entries: _Entries, likeness: Likeness, result: Sorted) -> None:
        self._entries, self._likeness, self._result = entries, likeness, result
        self._first: dict[tuple[int, int], int] = {}
        self._standing: dict[tuple[int, bytes], list[int]] = defaultdict(list)
        self._clash: dict[int, int] = {}
        self._merged: dict[int, int] = {}

    def decide(self) -> None:
        """Fill in the result."""
        entries, result = self._entries, self._result
        counts, same = Counter(entries.text), self._likeness.same
        for place, text in enumerate(entries.text):
            if text in same or counts[text] > 1:
                self._place(place, text, same.get(text, []))
        home = array("q", [-1]) * len(entries.texts)
        for place, row in enumerate(entries.rows):
            if place in self._clash:
                result.conflicts.append((row, entries.rows[self._clash[place]]))
            elif place not in self._merged:
                result.kept.append(row)
                text = entries.text[place]
                if home[text] < 0:
                    home[text] = place
                else:
                    self._relate(home[text], place, _EQUAL)
        self._relations(home)

    def _place(self, place: int, text: int, others: list[int]) -> None:
        """Merge a row into an earlier one, or hold it against those that ask the same."""
        entries = self._entries
        key = entries.keys[place]
        alike = [text, *others]
        earlier = [self._first[each, key] for each in alike if (each, key) in self._first]
        if earlier:
            self._merged[place] = min(earlier)
            self._result.near.append((entries.rows[place], entries.rows[min(earlier)]))
            return
        self._first[text, key] = place
        stand = _stand(entries.rows[place], entries.frames[place])
        for each in alike:
            for other in self._standing.get((each, stand), ()):
                if self._contradict(other, place):
                    self._clash.setdefault(other, place)
                    self._clash.setdefault(place, other)
        standing = self._standing[text, stand]
        if len(standing) < _COMPARED:
            standing.append(place)

    def _contradict(self, one: int, other: int) -> bool:
        """Return whether two rows that ask the same answer differently."""
        entries = self._entries
        rows = entries.rows[one], entries.rows[other]
        if rows[0].form == "text" or entries.keys[one] == entries.keys[other]:
            return False
        # equal prompts cannot be variants: there is nothing in which they differ
        if entries.text[one] == entries.text[other]:
            return True
        texts = entries.texts[entries.text[one]], entries.texts[entries.text[other]]
        pieces = fives(texts[0]), fives(texts[1])
        if max(len(pieces[0] - pieces[1]), len(pieces[1] - pieces[0])) > _CHANGED:
            return False
        if rows[0].form != "answer":
            return True
        own, theirs = target(rows[0]), target(rows[1])
        return _skeleton(own, *texts) != _skeleton(theirs, texts[1], texts[0])

    def _relate(self, one: int, other: int, kind: int) -> None:
        low, high = self._entries.rows[min(one, other)], self._entries.rows[max(one, other)]
        if kind not in _HOW:
            _HOW[kind] = f"{kind} % of the pieces are the same"
        self._result.related.append((low.id, high.id))
        self._result.alike.append((high, low, _HOW[kind]))

    def _relations(self, home: array[int]) -> None:
        """Turn links between texts into relations between the rows that are left of them."""
        for place, earlier in self._merged.items():
            text = self._entries.text[place]
            if home[text] < 0 and earlier not in self._clash:
                home[text] = earlier
        torn = set()
        for one, other, kind in self._likeness.links:
            if home[one] < 0 or home[other] < 0:
                torn.add(self._likeness.cluster(one))
            elif home[one] != home[other]:
                self._relate(home[one], home[other], kind)
        if not torn:
            return
        # a row that was dropped may have been the only bridge between others
        first: dict[int, int] = {}
        for text, place in enumerate(home):
            cluster = self._likeness.cluster(text)
            if place >= 0 and cluster in torn and first.setdefault(cluster, place) != place:
                self._relate(first[cluster], place, _THROUGH)


def _kind(row: Row) -> str:
    """Return what rows must have in common to be merged or to contradict each other."""
    if row.form == "answer" and not (row.system or row.history):
        return ""
    roles = ",".join(turn.role for turn in row.history)
    return f"{row.form}\0{normalise(row.system)}\0{roles}"


def _stand(row: Row, frame: int) -> bytes:
    """Return a hash that rows share which would contradict each other by another target."""
    content = f"{frame}\0{_kind(row)}\0{signs(row.prompt)}"
    if row.form == "preference":  # the reversed pair; another pair is another lesson
        pair = sorted((canonical(row.completion), canonical(row.rejected)))
        content = "\0".join([content, *pair])
    elif row.form == "feedback":
        content = f"{content}\0{canonical(row.completion)}"
    return _short(content.encode())


def _short(content: bytes) -> bytes:
    return blake2b(content, digest_size=8).digest()


def _skeleton(answer: str, own: str, others: str) -> str:
    """Return the answer without the values that it copies from what only its own prompt says."""

    def leave_out(match: re.Match[str]) -> str:
        value = normalise(match[1] or match[0])
        absent = match[0] in ("null", '""')
        copied = stands_in(value, own) and not stands_in(value, others)
        return "<value>" if absent or copied else match[0]

    return _VALUE.sub(leave_out, answer)
