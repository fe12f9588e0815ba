"""Which texts are alike: MinHash proposes pairs, an exact Jaccard of the two texts decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from engine.data.alike import overlaps
from engine.data.alike.codes import run_starts
from engine.data.alike.containment import contained
from engine.data.alike.normalise import fives, jaccard, shingles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.data.alike.codes import Places

    Propose = Callable[[list[str]], tuple[Places, Places, NDArray[np.uint8]]]

SAME = 0.8  # from this Jaccard of five-character pieces on, two prompts ask the same
RELATED = 0.5  # from this Jaccard on, they must not stand on two sides of a split
CONTAINED, PASSAGE, ONE_WORD = 101, 102, 103  # kinds of link, beside a Jaccard in percent
_LIKELY = 126  # agreements of 192; a pair of Jaccard 0.8 has fewer once in a million times
_TRIED = 8  # likely pairs verified for a text
_EVEN = 96  # agreements of a pair of Jaccard 0.5
_IN_VAIN = 2  # pairs verified for a text that turned out unlike, the likeliest first
_MANY = 256  # texts remembered as the same as one before them
_KEPT_PIECES = 1_000_000  # of texts compared before, as many compare with the same few
_SPARE_LINKS = 3  # of a text, before links within one cluster are left out
_LARGE_LEAST, _LARGE = 50, 0.01  # rows, share: one changed word makes no larger cluster


class Likeness:
    """The alike among some texts.

    Args:
        texts: Normalised texts, all different.
        keys: For each text what its first row teaches; alike texts with equal keys are merged.
        single: For each text, whether it has one row only.
        prompts: The last message of texts that have more before it: it must be the same too.

    Attributes:
        same: For a text, those that ask the same.
        links: Pairs that belong together, with their Jaccard in percent or the kind of link.
    """

    def __init__(
        self, texts: list[str], keys: list[int], single: bytearray, prompts: dict[int, str]
    ) -> None:
        self.same: dict[int, list[int]] = defaultdict(list)
        self.links: list[tuple[int, int, int]] = []
        self._texts, self._keys, self._single, self._prompts = texts, keys, single, prompts
        self._merged: dict[int, int] = {}
        self._cluster = list(range(len(texts)))
        self._sizes = [1] * len(texts)
        self._pieces: dict[int, frozenset[str]] = {}
        self._kept_pieces = 0

    def find(self, progress: Callable[[str], None], propose: Propose) -> None:
        """Find all that is alike.

        Args:
            progress: Told the name of each step when it starts.
            propose: Finds the pairs of texts that may be alike.
        """
        progress("signatures")
        earlier, later, agreements = propose(self._texts)
        progress("comparing")
        self._compare(earlier, later, agreements)
        progress("contained prompts")
        self._join(*contained(self._texts), CONTAINED)
        progress("shared passages")
        self._join(*overlaps.passages(self._texts), PASSAGE)
        progress("single words")
        self._join(*overlaps.one_word(self._texts), ONE_WORD)
        self._pieces.clear()

    def cluster(self, text: int) -> int:
        """Return the number of a text's cluster: of all that is linked, directly or not."""
        cluster = self._cluster
        while cluster[text] != text:
            cluster[text] = text = cluster[cluster[text]]
        return text

    def _compare(self, earlier: Places, later: Places, agreements: NDArray[np.uint8]) -> None:
        starts = run_starts(later).tolist()
        for start, end in pairwise([*starts, len(later)] if starts else []):
            pairs = zip(earlier[start:end].tolist(), agreements[start:end].tolist(), strict=True)
            self._place(int(later[start]), list(pairs))

    def _place(self, text: int, pairs: list[tuple[int, int]]) -> None:
        """Compare a text with those before it, the likeliest first."""
        known: dict[int, float] = {}
        likely = [other for other, agreement in pairs if agreement >= _LIKELY]
        if self._single[text] and self._merges(text, likely, known):
            return
        failed = 0
        for place, (other, agreement) in enumerate(pairs):
            likely_same = agreement >= _LIKELY and place < _TRIED
            if not likely_same and self.cluster(other) == self.cluster(text):
                continue
            likeness = known.get(other) or self._jaccard(other, text)
            if likeness >= RELATED:
                self._link(other, text, round(100 * likeness))
                if likeness >= SAME and self._asks_the_same(other, text):
                    self.same[text].append(other)
                    if len(self.same[other]) < _MANY:  # else quadratic: the later one knows it
                        self.same[other].append(text)
            elif agreement < _EVEN or (failed := failed + 1) == _IN_VAIN:
                return  # those to come are less likely still

    def _merges(self, text: int, likely: list[int], known: dict[int, float]) -> bool:
        """Look for the earliest text that asks the same and teaches the same; rows end there."""
        own = self._keys[text]
        equals = {self._merged.get(other, other) for other in likely if self._keys[other] == own}
        for other in sorted(equals)[:_TRIED]:
            known[other] = self._jaccard(other, text)
            if known[other] >= SAME and self._asks_the_same(other, text):
                self._merged[text] = other
                self.same[text].append(other)
                self.same.setdefault(other, [])
                self._union(other, text)
                return True
        return False

    def _asks_the_same(self, one: int, other: int) -> bool:
        """Two Chinese texts must be the same by five characters, too, not by two only."""
        texts = [(self._texts[one], self._texts[other])]
        if texts[0][0].isascii() and texts[0][1].isascii():
            texts.clear()  # their pieces are runs of five characters already
        if one in self._prompts or other in self._prompts:
            texts.append((self._prompts.get(one, ""), self._prompts.get(other, "")))
        return all(jaccard(fives(a), fives(b)) >= SAME for a, b in texts)

    def _jaccard(self, one: int, other: int) -> float:
        return jaccard(self._of(one), self._of(other))

    def _of(self, text: int) -> frozenset[str]:
        pieces = self._pieces.get(text)
        if pieces is None:
            pieces = shingles(self._texts[text])
            self._kept_pieces += len(pieces)
            if self._kept_pieces > _KEPT_PIECES:
                self._pieces.clear()
                self._kept_pieces = len(pieces)
            self._pieces[text] = pieces
        return pieces

    def _link(self, one: int, other: int, kind: int) -> None:
        self.links.append((one, other, kind))
        self._union(one, other)

    def _union(self, one: int, other: int) -> None:
        one, other = self.cluster(one), self.cluster(other)
        if one != other:
            low, high = min(one, other), max(one, other)
            self._cluster[high] = low
            self._sizes[low] += self._sizes[high]

    def _join(self, ones: Places, others: Places, kind: int) -> None:
        """Link pairs found by other means, but for those that are linked already."""
        import numpy as np

        low, high = np.minimum(ones, others), np.maximum(ones, others)
        codes = (high << 32) | low
        linked = np.array([(other << 32) | one for one, other, _ in self.links], dtype=np.int64)
        new = ~np.isin(codes, linked)
        counts = np.bincount(linked >> 32, minlength=len(self._texts)).tolist()
        largest = max(_LARGE_LEAST, _LARGE * len(self._texts))
        for one, other in zip(low[new].tolist(), high[new].tolist(), strict=True):
            mine, theirs = self.cluster(one), self.cluster(other)
            if mine == theirs:
                if counts[other] >= _SPARE_LINKS or other in self._merged:
                    continue
            elif kind == ONE_WORD and self._sizes[mine] + self._sizes[theirs] > largest:
                continue
            counts[other] += 1
            self._link(one, other, kind)
