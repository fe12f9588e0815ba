"""An index of sets of pieces by their rarest, to find the few that another set may be like."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from engine.data.alike.codes import Codes, Known, mix, run_starts, spread

if TYPE_CHECKING:
    from engine.data.alike.codes import Flags, Hashes, Places


class Rarest:
    """Finds the sets that may have at least a share of their pieces in common with another.

    Only their rarest pieces are indexed, so that few sets are looked at: whoever lacks few of all
    pieces has some of these.

    Args:
        sets: The sets of pieces; one that holds the empty piece is always found.
        share: Of a set's pieces that the other must have, 0 to 1.
        more: Share of the pieces indexed beside those that may be lacking; whoever lacks no more
            has at least so many of the indexed ones.
    """

    def __init__(self, sets: list[frozenset[str]], share: float, more: float = 0.3) -> None:
        counts = Counter(chain.from_iterable(sets))
        self._sets: dict[str, list[int]] = defaultdict(list)
        self._always: list[int] = []
        self._least: list[int] = []
        for number, pieces in enumerate(sets):
            lacking = int((1 - share) * len(pieces) + 1e-9)
            indexed = min(len(pieces), lacking + max(1, int(more * len(pieces))))
            self._least.append(max(1, indexed - lacking))
            for piece in sorted(pieces, key=lambda piece: (counts[piece], piece))[:indexed]:
                self._sets[piece].append(number)
            if "" in pieces:
                self._always.append(number)

    def candidates(self, pieces: frozenset[str]) -> list[int]:
        """Return the numbers of the sets that may have enough of these pieces, in order."""
        known = self._sets.keys() & pieces
        if not known:
            return self._always
        found = Counter(chain.from_iterable(map(self._sets.__getitem__, known)))
        least = self._least
        return sorted({*self._always, *[n for n, count in found.items() if count >= least[n]]})

    def suspects(self, hashes: Hashes, rows: Places, size: int) -> Flags:
        """Return for each of some texts whether it has any candidate.

        Args:
            hashes: The hashes of the texts' pieces.
            rows: The number of the text of each.
            size: How many texts there are.
        """
        import numpy as np

        result = np.full(size, bool(self._always))
        known, starts, numbers, least = self._hashed
        which, place = known.find(hashes)
        counts = starts[place + 1] - starts[place]
        sets = numbers[spread(starts[place], counts)]
        codes = np.sort(np.repeat(rows[which], counts) * len(least) + sets)
        firsts = run_starts(codes)
        sizes = np.diff(np.append(firsts, len(codes)))
        enough = codes[firsts][sizes >= least[codes[firsts] % len(least)]]
        result[enough // max(len(least), 1)] = True
        return result

    @cached_property
    def _hashed(self) -> tuple[Known, Places, Places, Places]:
        """The index by hashes: of the pieces, where the sets of each begin, the sets."""
        import numpy as np

        batch = Codes(list(self._sets))
        hashes = mix(batch.stretch(batch.starts[:-1], batch.starts[1:]))
        order = np.argsort(hashes)
        lists = list(self._sets.values())
        numbers = np.array([n for place in order for n in lists[place]], dtype=np.int64)
        counts = np.array([len(lists[place]) for place in order], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Known(hashes[order]), starts, numbers, np.array(self._least, dtype=np.int64)
