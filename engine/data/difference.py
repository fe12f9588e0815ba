"""The difference of two datasets, as data: what `diff` finds and others show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.data.dataset import SPLITS, Split
from engine.data.rows import Row

Counts = dict[str, tuple[int, int]]  # of something, before and after


class Place(NamedTuple):
    """Where a row stands: its split, and its source as `file:row`."""

    split: Split
    source: str


class Change(NamedTuple):
    """A row of the old dataset and the one that stands for it in the new.

    Attributes:
        before: Its place in the old dataset.
        after: Its place in the new one.
        parts: The parts of the row that differ, such as `prompt`; none for a row that only moved.
    """

    before: Place
    after: Place
    parts: tuple[str, ...] = ()


@dataclass
class Difference:
    """What differs between two datasets.

    Attributes:
        old: The id of the one.
        new: The id of the other.
        sizes: Rows of each split, before and after.
        scenarios: Rows of each scenario in each split, before and after.
        kept: For each split, the rows that stand in it in both datasets.
        added: Rows that only the new dataset has.
        removed: Rows that only the old one has.
        changed: Rows with other content: the same question, or else the same place in its file.
        moved: Unchanged rows in another split; there should be none.
        retagged: Unchanged rows with another group or scenario.
        settings: The settings that differ, before and after.
        sources: The source files that differ, SHA-256 before and after; None where absent.
        golden_file: Whether the golden file is another.
        labels: Training rows of each answer, or of each value of a JSON answer's key, before and
            after; only of keys with few different values, and of whole answers under "".
        examples: The first changed rows, before and after, as many as were asked for.
    """

    old: str
    new: str
    sizes: dict[Split, tuple[int, int]] = field(default_factory=dict)
    scenarios: dict[str, dict[Split, tuple[int, int]]] = field(default_factory=dict)
    kept: Counter[Split] = field(default_factory=Counter)
    added: list[Place] = field(default_factory=list)
    removed: list[Place] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    moved: list[Change] = field(default_factory=list)
    retagged: int = 0
    settings: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    sources: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    golden_file: bool = False
    labels: dict[str, Counts] = field(default_factory=dict)
    examples: list[tuple[Row, Row]] = field(default_factory=list)

    @property
    def crossed(self) -> list[Change]:
        """The questions that were held out before and are trained on now."""
        return [
            change
            for change in (*self.moved, *self.changed)
            if change.after.split == "train" != change.before.split
            and not {"system", "history", "prompt"}.intersection(change.parts)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the difference for machines: places and counts, no text of a row."""
        return {
            "old": self.old,
            "new": self.new,
            "sizes": self.sizes,
            "kept": {name: self.kept[name] for name in SPLITS},
            "added": [place._asdict() for place in self.added],
            "removed": [place._asdict() for place in self.removed],
            "changed": [_change(change) for change in self.changed],
            "moved": [_change(change) for change in self.moved],
            "held_out_to_train": len(self.crossed),
            "retagged": self.retagged,
            "scenarios": self.scenarios,
            "scenario_shift": shift(totals(self.scenarios)),
            "label_shift": {name: shift(counts) for name, counts in self.labels.items()},
            "settings": self.settings,
            "sources": self.sources,
            "golden_file_changed": self.golden_file,
        }


def shift(counts: Counts) -> float | None:
    """Return how far two distributions are apart, 0 (equal) to 1; None where one is empty.

    It is the total variation distance: the share of rows that would have to change sides.
    """
    old, new = (sum(pair[side] for pair in counts.values()) for side in (0, 1))
    if not old or not new:
        return None
    return sum(abs(one / old - other / new) for one, other in counts.values()) / 2


def totals(scenarios: Mapping[str, Mapping[Split, tuple[int, int]]]) -> Counts:
    """Return the rows of each scenario over all splits but the golden one, before and after."""
    return {
        name: (
            sum(old for split, (old, _) in splits.items() if split != "golden"),
            sum(new for split, (_, new) in splits.items() if split != "golden"),
        )
        for name, splits in scenarios.items()
    }


def _change(change: Change) -> dict[str, Any]:
    before, after = change.before._asdict(), change.after._asdict()
    return {"before": before, "after": after, "parts": list(change.parts)}
