"""Hashes of parts of many texts at once, in numpy.

One running sum over the code points of a batch gives the hash of any stretch of any of its texts
in a few operations, so shingles, runs of words and whole prompts all cost the same. The hashes
are the same in every process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.data.alike.normalise import UNSPACED_RANGES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Places = NDArray[np.int64]
    Flags = NDArray[np.bool_]

_CHARACTERS = 1 << 20  # of a batch; it bounds the memory
_BASE = 0x9E37_79B9_7F4A_7C15  # odd, so that it has an inverse modulo 2**64
_TOP = 0x40000  # no script without blanks lies above
_SPREAD = (0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB)
_BLANK = 32


class Codes:
    """A batch of texts as code points.

    Attributes:
        first: The number of the batch's first text among all texts.
        codes: The code points of all texts, one after the other.
        starts: Where each text starts, and at last where the last ends.
    """

    def __init__(self, texts: list[str], first: int = 0) -> None:
        import numpy as np

        self.first = first
        joined = "".join(texts).encode("utf-32-le", "surrogatepass")
        self.codes: NDArray[np.uint32] = np.frombuffer(joined, dtype="<u4")
        self.starts: Places = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum([len(text) for text in texts], out=self.starts[1:])
        self._powers, self._inverse = _powers(len(self.codes) + 1)
        self._sums: Hashes = np.zeros(len(self.codes) + 1, dtype=np.uint64)
        # a code point 0 would add nothing, so that its number in a row would not count
        terms = (self.codes.astype(np.uint64) + np.uint64(1)) * self._powers[:-1]
        np.cumsum(terms, out=self._sums[1:])

    def stretch(self, begin: Places, end: Places) -> Hashes:
        """Return the plain hash of each stretch; `joined` takes two of them."""
        return (self._sums[end] - self._sums[begin]) * self._inverse[begin]

    def joined(self, one: Hashes, length: Places, other: Hashes) -> Hashes:
        """Return the plain hash of one stretch of a known length with another behind it."""
        return one + self._powers[length] * other

    def lengths(self) -> Places:
        """Return the number of characters of each text."""
        return self.starts[1:] - self.starts[:-1]

    def rows(self) -> Places:
        """Return for each character the number of its text in the batch."""
        import numpy as np

        return np.repeat(np.arange(len(self.starts) - 1), self.lengths())

    def unspaced(self) -> Flags:
        """Return for each character whether it belongs to a script without blanks."""
        import numpy as np

        return _unspaced_table()[np.minimum(self.codes, _TOP - 1)]

    def word_starts(self) -> Flags:
        """Return for each character whether a word starts there."""
        import numpy as np

        lone = self.unspaced()
        result: Flags = lone.copy()
        result[1:] |= (self.codes[:-1] == _BLANK) | lone[:-1]
        result &= self.codes != _BLANK
        heads = self.starts[:-1]
        result[heads[heads < len(self.codes)]] = True
        return np.asarray(result)

    def word_ends(self, ends: Places, limits: Places) -> Flags:
        """Return whether a word ends before each place; `limits` are the ends of the texts."""
        import numpy as np

        lone = np.append(self.unspaced(), False)
        codes = np.append(self.codes, _BLANK)
        ended: Flags = (ends == limits) | (codes[ends] == _BLANK) | lone[ends] | lone[ends - 1]
        return ended


class Known:
    """A sorted set of hashes to look others up in.

    Args:
        hashes: The hashes, all different, in order.
    """

    _FLAGS = 1 << 22

    def __init__(self, hashes: Hashes) -> None:
        import numpy as np

        self.hashes = hashes
        self._flags = np.zeros(self._FLAGS, dtype=np.bool_)
        self._flags[self._places(hashes)] = True

    def find(self, hashes: Hashes) -> tuple[Places, Places]:
        """Return which hashes are known, and the place of each; flags spare most searches."""
        import numpy as np

        if not len(self.hashes):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        which = np.flatnonzero(self._flags[self._places(hashes)])
        place = np.searchsorted(self.hashes, hashes[which])
        place[place == len(self.hashes)] = 0
        true = self.hashes[place] == hashes[which]
        return which[true], place[true]

    def _places(self, hashes: Hashes) -> Places:
        import numpy as np

        return (hashes & np.uint64(self._FLAGS - 1)).astype(np.int64)


def batches(texts: list[str]) -> Iterator[Codes]:
    """Yield the texts as code points, about a million at a time."""
    start = size = 0
    for number, text in enumerate(texts):
        size += len(text)
        if size >= _CHARACTERS:
            yield Codes(texts[start : number + 1], start)
            start, size = number + 1, 0
    if start < len(texts):
        yield Codes(texts[start:], start)


def mix(hashes: Hashes) -> Hashes:
    """Return the hashes with every bit spread over all."""
    import numpy as np

    for shift, factor in ((30, _SPREAD[0]), (27, _SPREAD[1])):
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * np.uint64(factor)
    return hashes ^ (hashes >> np.uint64(31))


def spread(starts: Places, counts: Places) -> Places:
    """Return `counts` consecutive places from each start on, all in one row."""
    import numpy as np

    offsets = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(np.repeat(starts, counts) + offsets)


def run_starts(ordered: NDArray[np.generic]) -> Places:
    """Return where each run of equal values of an array starts."""
    import numpy as np

    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))[: len(ordered)]


_tables: dict[str, NDArray[np.bool_]] = {}
_grown: dict[str, tuple[Hashes, Hashes]] = {}


def _unspaced_table() -> Flags:
    import numpy as np

    if "unspaced" not in _tables:
        table = np.zeros(_TOP, dtype=np.bool_)
        for low, high in UNSPACED_RANGES:
            table[low : high + 1] = True
        _tables["unspaced"] = table
    return _tables["unspaced"]


def _powers(size: int) -> tuple[Hashes, Hashes]:
    """Return the powers of the base and of its inverse, kept from call to call."""
    import numpy as np

    known = _grown.get("powers")
    if known is None or len(known[0]) < size:
        length = max(size, _CHARACTERS + (_CHARACTERS >> 2))
        both = []
        for base in (_BASE, pow(_BASE, -1, 1 << 64)):
            factors = np.full(length, base, dtype=np.uint64)
            factors[0] = 1
            both.append(np.cumprod(factors, dtype=np.uint64))
        known = _grown["powers"] = (both[0], both[1])
    return known[0][:size], known[1][:size]
