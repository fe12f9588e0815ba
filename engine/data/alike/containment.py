"""Whole prompts that stand within others, found in linear time.

A prompt is looked for by its first characters (10, 20, 40, ..., as many as it has) and its
length, then by the hash of the whole; the texts themselves decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.data.alike.codes import Codes, Known, batches, mix, spread
from engine.data.alike.overlaps import limit

if TYPE_CHECKING:
    from engine.data.alike.codes import Hashes, Places

LEAST = 20  # letters; any row contains "hi" or "thank you"; a Chinese character counts as two
_FIRST = 10


class _Anchors:
    """The prompts that may stand in others: their beginnings, lengths and whole hashes."""

    def __init__(self, texts: list[str]) -> None:
        import numpy as np

        beginnings, wholes, levels, lengths, numbers = [], [], [], [], []
        for batch in batches(texts):
            size = batch.lengths()
            dense = np.bincount(batch.rows()[batch.unspaced()], minlength=len(size))
            chosen = np.flatnonzero((size + dense >= LEAST) & (size >= _FIRST))
            size = size[chosen]
            level = np.floor(np.log2(size / _FIRST)).astype(np.int64)
            begin = batch.starts[chosen]
            beginnings.append(mix(batch.stretch(begin, begin + (_FIRST << level))))
            wholes.append(mix(batch.stretch(begin, begin + size)))
            levels.append(level)
            lengths.append(size)
            numbers.append(chosen + batch.first)
        head, length = np.concatenate(beginnings), np.concatenate(lengths)
        self.levels = [int(each) for each in np.unique(np.concatenate(levels))]
        order = np.lexsort((length, head))
        head, length = head[order], length[order]
        fresh = np.append(True, (head[1:] != head[:-1]) | (length[1:] != length[:-1]))[: len(head)]
        head, self.lengths = head[fresh], length[fresh]
        heads, starts = np.unique(head, return_index=True)
        self.starts = np.append(starts, len(head))
        whole = np.concatenate(wholes)
        order = np.argsort(whole)
        self.numbers = np.concatenate(numbers)[order]
        self._heads, self._wholes = Known(heads), Known(whole[order])

    def groups(self, hashes: Hashes) -> tuple[Places, Places]:
        """Return which hashes are a prompt's beginning, and of which group of prompts."""
        return self._heads.find(hashes)

    def prompts(self, hashes: Hashes) -> tuple[Places, Places]:
        """Return which hashes are a whole prompt, and its number."""
        which, place = self._wholes.find(hashes)
        return which, self.numbers[place]


def contained(texts: list[str]) -> tuple[Places, Places]:
    """Return pairs of texts: one that stands whole, in whole words, in the other.

    A text that stands in very many others is boilerplate and left out.

    Args:
        texts: Normalised texts, all different.
    """
    import numpy as np

    none = np.empty(0, dtype=np.int64)
    if not texts:
        return none, none
    anchors = _Anchors(texts)
    inner, outer = [none], [none]
    for batch in batches(texts):
        starts = np.flatnonzero(batch.word_starts())
        rows = batch.rows()[starts]
        for level in anchors.levels:
            one, other = _within(batch, starts, rows, _FIRST << level, anchors)
            inner.append(one)
            outer.append(other)
    codes = np.unique((np.concatenate(inner) << 32) | np.concatenate(outer))
    inside, around = codes >> 32, codes & 0xFFFF_FFFF
    counts = np.bincount(inside, minlength=1)
    rare = counts[inside] <= limit(len(texts))
    inside, around = inside[rare], around[rare]
    true = np.array(
        [texts[one] in texts[other] for one, other in zip(inside, around, strict=True)], dtype=bool
    )
    return inside[true], around[true]


def _within(
    batch: Codes, starts: Places, rows: Places, size: int, anchors: _Anchors
) -> tuple[Places, Places]:
    """Find the prompts of one length of beginning in the texts of a batch."""
    import numpy as np

    limits = batch.starts[rows + 1]
    fits = starts + size <= limits
    begin, limits, rows = starts[fits], limits[fits], rows[fits]
    which, group = anchors.groups(mix(batch.stretch(begin, begin + size)))
    begin, limits, rows = begin[which], limits[which], rows[which]
    counts = anchors.starts[group + 1] - anchors.starts[group]
    lengths = anchors.lengths[spread(anchors.starts[group], counts)]
    ends = np.repeat(begin, counts) + lengths
    begin, limits, rows = (np.repeat(each, counts) for each in (begin, limits, rows))
    inside = (ends <= limits) & ((begin > batch.starts[rows]) | (ends < limits))
    begin, ends, limits, rows = begin[inside], ends[inside], limits[inside], rows[inside]
    whole = batch.word_ends(ends, limits)
    begin, ends, rows = begin[whole], ends[whole], rows[whole]
    which, numbers = anchors.prompts(mix(batch.stretch(begin, ends)))
    return numbers, rows[which] + batch.first
