"""Duplicates, near-duplicates and conflicts.

Short rows need characters, not words: with the usual five-word shingles one changed word hides a
duplicate (recall 0.05 to 0.16 on rows of 7 to 16 words), with five characters it does not (0.99).
MinHash proposes pairs; only an exact Jaccard decides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain

from engine.data.normalise import Boilerplate, jaccard, normalise, shingles, target
from engine.data.rows import Row

SAME = 0.8  # from this Jaccard on, two prompts ask the same
RELATED = 0.5  # from this on, they must not stand on two sides of a split
_PERMUTATIONS = 128
_BAND = 4  # 32 bands of 4: a pair of Jaccard 0.5 is proposed with probability 0.87, of 0.8 with 1
_BUCKET = 64  # members kept of a bucket, so that a million rows of one form stay linear
_TRIED = 48  # pairs verified for a row, those with the most bands in common first
_SEED = 20_240_601
_BATCH = 4096
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|-?\d+(?:\.\d+)?|null')


@dataclass
class Sorted:
    """What became of the rows.

    Attributes:
        kept: The rows that stay, in order.
        exact: Dropped rows and the row that each repeats.
        near: Dropped rows and the row that each nearly repeats, with the same answer.
        conflicts: Rows that ask the same as another but answer differently; both are dropped.
        related: Pairs of kept rows that belong on one side of a split.
    """

    kept: list[Row] = field(default_factory=list)
    exact: list[tuple[Row, Row]] = field(default_factory=list)
    near: list[tuple[Row, Row]] = field(default_factory=list)
    conflicts: list[tuple[Row, Row]] = field(default_factory=list)
    related: list[tuple[str, str]] = field(default_factory=list)


def sort(rows: list[Row]) -> Sorted:
    """Tell repeats, near-repeats and conflicts from the rows to keep.

    The first of several equal rows stays. Related rows whose answers differ only in what each
    copies from its own prompt (an order number) are variants: both stay, on one side of the split.
    """
    result = Sorted()
    distinct = _without_repeats(rows, result)
    boilerplate = Boilerplate([entry.prompt for entry in distinct])
    index = _Index()
    clash: dict[int, Row] = {}
    for entry, bands in _with_bands(distinct, boilerplate):
        _place(entry, bands, index, clash, result)
    for entry in index.entries:
        other = clash.get(id(entry.row))
        if other is None:
            result.kept.append(entry.row)
        else:
            result.conflicts.append((entry.row, other))
    kept = {row.id for row in result.kept}
    result.related = [pair for pair in result.related if kept.issuperset(pair)]
    return result


class _Entry:
    """A row with what it is compared by; `pieces` are set when its turn comes."""

    pieces: frozenset[str]

    def __init__(self, row: Row) -> None:
        self.row = row
        self.prompt = normalise(row.prompt)
        self.target = target(row.completion)


def _without_repeats(rows: list[Row], result: Sorted) -> list[_Entry]:
    first: dict[bytes, _Entry] = {}
    for row in rows:
        entry = _Entry(row)
        content = f"{entry.prompt}\0{entry.target}".encode()
        earlier = first.setdefault(blake2b(content, digest_size=16).digest(), entry)
        if earlier is not entry:
            result.exact.append((row, earlier.row))
    return list(first.values())


class _Index:
    """The rows so far, to be found by any band of their MinHash or by their whole prompt."""

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self._buckets: dict[int, tuple[int, ...]] = {}
        self._first: dict[str, _Entry] = {}

    def like(self, entry: _Entry, bands: list[int]) -> Iterator[tuple[_Entry, float]]:
        """Yield the rows whose prompt is related to this one, with the Jaccard of the two."""
        buckets = [self._buckets[band] for band in bands if band in self._buckets]
        votes = Counter(chain.from_iterable(buckets))
        if entry.prompt in self._first:
            yield self._first[entry.prompt], 1.0
        for number, _ in votes.most_common(_TRIED):
            other = self.entries[number]
            likeness = jaccard(entry.pieces, other.pieces)
            if likeness >= RELATED and other.prompt != entry.prompt:
                yield other, likeness

    def add(self, entry: _Entry, bands: list[int]) -> None:
        number = len(self.entries)
        self.entries.append(entry)
        self._first.setdefault(entry.prompt, entry)
        for band in bands:
            bucket = self._buckets.get(band, ())
            if len(bucket) < _BUCKET:
                self._buckets[band] = (*bucket, number)  # tuples: the collector leaves them alone


def _place(
    entry: _Entry, bands: list[int], index: _Index, clash: dict[int, Row], result: Sorted
) -> None:
    """Decide one row against all before it."""
    like = list(index.like(entry, bands))
    same = [(other, likeness) for other, likeness in like if likeness >= SAME]
    for other, _ in same:
        if other.target == entry.target:
            result.near.append((entry.row, other.row))
            return
    for other, likeness in same:
        # equal prompts cannot be variants: there is nothing in which they differ
        equal = likeness == 1.0 and other.prompt == entry.prompt
        if equal or _skeleton(other, entry) != _skeleton(entry, other):
            clash.setdefault(id(other.row), entry.row)
            clash.setdefault(id(entry.row), other.row)
    result.related += [(other.row.id, entry.row.id) for other, _ in like]
    index.add(entry, bands)


def _skeleton(entry: _Entry, other: _Entry) -> str:
    """Return the answer without the values that it copies from what only its own prompt says."""

    def leave_out(match: re.Match[str]) -> str:
        value = f" {normalise(match[1] or match[0])} "
        absent = match[0] in ("null", '""')
        copied = value in f" {entry.prompt} " and value not in f" {other.prompt} "
        return "<value>" if absent or copied else match[0]

    return _VALUE.sub(leave_out, entry.target)


def _with_bands(
    entries: list[_Entry], boilerplate: Boilerplate
) -> Iterator[tuple[_Entry, list[int]]]:
    """Yield each row with a hash of each band of its MinHash, in batches to bound memory."""
    from rensa import RMinHash  # type: ignore[import-untyped]

    for start in range(0, len(entries), _BATCH):
        batch = entries[start : start + _BATCH]
        for entry in batch:
            entry.pieces = shingles(boilerplate.remove(entry.prompt))
        digests = RMinHash.digests_from_token_sets(
            [list(entry.pieces) for entry in batch], num_perm=_PERMUTATIONS, seed=_SEED
        )
        for entry, digest in zip(batch, digests, strict=True):
            yield (
                entry,
                [hash((i, *digest[i : i + _BAND])) for i in range(0, _PERMUTATIONS, _BAND)],
            )
