"""Cells of tables: which words stand for an empty one.

Always: blanks, `nan`, `NaN`, `<NA>`, `#N/A`. `None`, `NULL` and `null` too, unless the column is a
list of labels that this word belongs to: more than 1 % of the sampled cells hold it, and the others
hold fewer than 100 different values, which repeat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

EMPTY = frozenset({"", "nan", "NaN", "<NA>", "#N/A", "None", "NULL", "null"})
_MAYBE_LABELS = ("None", "NULL", "null")
MOST_LABELS = 100  # different values of a column of labels
_LONGEST_LABEL = 60  # characters
_REPEATED = 3  # times that a label occurs, on average


def labels(values: Iterable[Any]) -> Counter[str] | None:
    """Return how often each label occurs, or None where the values are no labels."""
    found: Counter[str] = Counter()
    for value in values:
        if not isinstance(value, str | int | bool) or isinstance(value, float):
            return None
        text = str(value)[: _LONGEST_LABEL + 1]
        if len(text) > _LONGEST_LABEL:
            return None
        found[text] += 1
        if len(found) >= MOST_LABELS:
            return None
    repeated = found.total() >= _REPEATED * len(found)
    return found if len(found) >= 2 and repeated else None


def blank(value: Any) -> bool:
    """Say whether a cell that is not needed is empty."""
    if isinstance(value, float):
        return value != value  # noqa: PLR0124 - true of NaN alone
    return value is None or (isinstance(value, str) and value.strip() in EMPTY)


class Cells:
    """What the tables of one file write for an empty cell.

    Args:
        sample: Some of its records.
    """

    def __init__(self, sample: Iterable[dict[str, Any]] = ()) -> None:
        columns: dict[str, list[str]] = {}
        for content in sample:
            for name, value in content.items():
                if isinstance(value, str):
                    columns.setdefault(name, []).append(value.strip())
        self._labels = {name: self._words(values) for name, values in columns.items()}

    def empty(self, column: str, value: Any) -> bool:
        """Say whether a cell that is needed is empty."""
        return blank(value) and str(value).strip() not in self._labels.get(column, ())

    @staticmethod
    def _words(values: list[str]) -> tuple[str, ...]:
        if not any(word in values for word in _MAYBE_LABELS):
            return ()
        found = labels(value for value in values if value)
        if found is None or len(found) < 3:
            return ()
        least = 0.01 * found.total()
        return tuple(word for word in _MAYBE_LABELS if found[word] > least)
