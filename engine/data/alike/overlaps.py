"""Relations that a Jaccard does not see: whole prompts within others, shared passages, one word.

Each finds pairs of texts that must not stand on two sides of a split, in linear time. What many
texts share is boilerplate and relates none of them, so no form gathers everything in one cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.data.alike.codes import Codes, Known, batches, mix, run_starts, spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.data.alike.codes import Flags, Hashes, Places

    Found = tuple[Hashes, NDArray[np.int32]]

RUN = 13  # words in a row, or twice as many characters of a script without blanks
MANY = 0.002  # what more than this share of the texts have in common is boilerplate
_MANY_LEAST = 10  # but never what so few share
_WORDS = (6, 17)  # a text so long is short enough for one changed word to hide it
_CHARACTERS = (7, 20)  # the same in scripts without blanks, where a word has one to three
_PART = 1 << 22  # hashes sorted at once


def limit(texts: int) -> int:
    """Return in how many of so many texts a passage may stand without being boilerplate."""
    return max(_MANY_LEAST, int(MANY * texts))


def passages(texts: list[str]) -> tuple[Places, Places]:
    """Return pairs of texts that have 13 words in a row in common, none of them in boilerplate."""
    found = [runs(batch, 2 * RUN) for batch in batches(texts)]
    pairs, boilerplate = _sharing(found, limit(len(texts)))
    if len(boilerplate):
        known = Known(boilerplate)
        found = [_apart(batch, known) for batch in batches(texts)]
        pairs, _ = _sharing(found, limit(len(texts)))
    return _split(pairs)


def one_word(texts: list[str]) -> tuple[Places, Places]:
    """Return pairs of short texts that differ in one word, whatever its length."""
    found = [_without_a_word(batch) for batch in batches(texts)]
    return _split(_sharing(found, limit(len(texts)))[0])


def _split(codes: Hashes) -> tuple[Places, Places]:
    import numpy as np

    low = codes & np.uint64(0xFFFF_FFFF)
    return (codes >> np.uint64(32)).astype(np.int64), low.astype(np.int64)


def _sharing(found: list[Found], most: int) -> tuple[Hashes, Hashes]:
    """Return pairs of texts with an equal hash, and the hashes that more texts have.

    Each text is paired with the first of its kind and with the one before it.
    """
    import numpy as np

    total = sum(len(hashes) for hashes, _ in found)
    share = np.uint64(total // _PART + 1)
    pairs, shared = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.uint64)]
    for part in range(int(share) if found else 0):
        chosen = [hashes % share == np.uint64(part) for hashes, _ in found]
        hashes = np.concatenate([each[mask] for (each, _), mask in zip(found, chosen, strict=True)])
        rows = np.concatenate([each[mask] for (_, each), mask in zip(found, chosen, strict=True)])
        few, many = _paired(hashes, rows, most)
        pairs.append(few)
        shared.append(many)
    return np.unique(np.concatenate(pairs)), np.unique(np.concatenate(shared))


def _apart(batch: Codes, boilerplate: Known) -> Found:
    """Return the runs of 13 words that overlap no run which is boilerplate."""
    import numpy as np

    hashes, rows = runs(batch, 2 * RUN)
    marks = np.zeros(len(hashes) + 1, dtype=np.int64)
    marks[boilerplate.find(hashes)[0] + 1] = 1
    before = np.cumsum(marks)
    starts = run_starts(rows)
    sizes = np.diff(np.append(starts, len(rows)))
    first, last = np.repeat(starts, sizes), np.repeat(starts + sizes, sizes)
    lone = np.bincount(batch.rows()[batch.unspaced()], minlength=len(batch.starts) - 1)
    dense = 2 * lone > batch.lengths()
    reach = np.where(dense[rows - batch.first], 2 * RUN - 1, RUN - 1)
    place = np.arange(len(rows))
    near = before[np.minimum(place + reach + 1, last)] - before[np.maximum(place - reach, first)]
    return hashes[near == 0], rows[near == 0]


def _paired(hashes: Hashes, rows: NDArray[np.int32], most: int) -> tuple[Hashes, Hashes]:
    import numpy as np

    order = np.argsort(hashes, kind="stable")  # so the rows of one hash stay in their order
    hashes, rows = hashes[order], rows[order]
    fresh = np.ones(len(hashes), dtype=np.bool_)
    fresh[1:] = (hashes[1:] != hashes[:-1]) | (rows[1:] != rows[:-1])
    hashes, rows = hashes[fresh], rows[fresh].astype(np.uint64)
    starts = run_starts(hashes)
    sizes = np.diff(np.append(starts, len(hashes)))
    good = np.repeat((sizes > 1) & (sizes <= most), sizes)
    firsts = np.repeat(rows[starts], sizes)
    later = good & (rows != firsts)
    place = np.flatnonzero(later)
    with_first = (firsts[place] << np.uint64(32)) | rows[place]
    with_previous = (rows[place - 1] << np.uint64(32)) | rows[place]
    return np.unique(np.concatenate([with_first, with_previous])), hashes[starts][sizes > most]


def runs(batch: Codes, length: int) -> Found:
    """Return the hashes of all runs of words of some weight, with the text of each.

    A word weighs two, a character of a script without blanks one.
    """
    import numpy as np

    begin = np.flatnonzero(batch.word_starts())
    rows = batch.rows()[begin]
    sums = np.concatenate([[0], np.cumsum(2 - batch.unspaced()[begin].astype(np.int64))])
    last = np.searchsorted(sums, sums[:-1] + length) - 1  # the run's last word
    inside = last < len(begin)
    inside[inside] = rows[last[inside]] == rows[inside]
    begin_kept, last = begin[inside], last[inside]
    ends = _word_ends(batch, begin, rows)[last]
    hashes = mix(batch.stretch(begin_kept, ends))
    return hashes, (rows[inside] + batch.first).astype(np.int32)


def phrase_hashes(batch: Codes) -> tuple[Hashes, Places]:
    """Return the hashes of all phrases (see `normalise.phrases`), with each one's text."""
    import numpy as np

    begin = np.flatnonzero(batch.word_starts())
    rows = batch.rows()[begin]
    end = begin + np.where(batch.unspaced()[begin], 4, 8)
    whole = end <= batch.starts[rows + 1]
    return mix(batch.stretch(begin[whole], end[whole])), rows[whole]


def _word_ends(batch: Codes, begin: Places, rows: Places) -> Places:
    """Return where each word ends, the blank behind it left out."""
    import numpy as np

    following = np.append(begin[1:], len(batch.codes))
    ends = np.minimum(following, batch.starts[1:][rows])
    blank = batch.codes[ends - 1] == ord(" ")
    return np.asarray(ends - (blank & (ends - 1 > begin)))


def _without_a_word(batch: Codes) -> Found:
    """Return the hashes of the short texts as they are and with each of their words left out."""
    import numpy as np

    size = len(batch.starts) - 1
    rows, lone = batch.rows(), batch.unspaced()
    characters = np.bincount(rows[lone], minlength=size)
    begin = np.flatnonzero(batch.word_starts())
    counts = np.bincount(rows[begin], minlength=size)
    lengths = batch.lengths()
    dense = 2 * characters > lengths
    spaced = ~dense & (counts >= _WORDS[0]) & (counts <= _WORDS[1])
    dense &= (lengths >= _CHARACTERS[0]) & (lengths <= _CHARACTERS[1])
    whole = np.flatnonzero(spaced | dense)
    parts = [(mix(batch.stretch(batch.starts[whole], batch.starts[whole + 1])), whole)]
    if spaced.any():
        parts.append(_less_a_word(batch, begin, spaced & (counts > _WORDS[0])))
    for length in (1, 2, 3):
        parts += _less_characters(batch, np.flatnonzero(dense & (lengths > length + 6)), length)
    hashes = np.concatenate([found for found, _ in parts])
    numbers = np.concatenate([found for _, found in parts])
    return hashes, (numbers + batch.first).astype(np.int32)


def _less_a_word(batch: Codes, begin: Places, chosen: Flags) -> tuple[Hashes, Places]:
    import numpy as np

    begin = begin[chosen[batch.rows()[begin]]]
    rows = batch.rows()[begin]
    tops, ends = batch.starts[rows], batch.starts[rows + 1]
    following = np.append(begin[1:], 0)
    last = np.append(rows[1:] != rows[:-1], True)[: len(rows)]
    # without its last word a text ends before the blank; else the next word follows at once
    blank = batch.codes[begin - 1] == ord(" ")
    cut = np.where(last & blank, np.maximum(begin - 1, tops), begin)
    resume = np.where(last, ends, following)
    hashes = batch.joined(batch.stretch(tops, cut), cut - tops, batch.stretch(resume, ends))
    return mix(hashes), rows


def _less_characters(batch: Codes, chosen: Places, length: int) -> Iterator[tuple[Hashes, Places]]:
    import numpy as np

    if not len(chosen):
        return
    places = batch.lengths()[chosen] - length + 1
    rows = np.repeat(chosen, places)
    offsets = spread(np.zeros(len(places), dtype=np.int64), places)
    tops, ends = batch.starts[rows], batch.starts[rows + 1]
    hashes = batch.joined(
        batch.stretch(tops, tops + offsets), offsets, batch.stretch(tops + offsets + length, ends)
    )
    yield mix(hashes), rows
