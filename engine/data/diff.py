"""Comparing two datasets: rows, splits, scenarios, answers, settings.

Rows are compared by their ids and read line by line; of a row that differs only hashes stay in
memory. So time and memory grow with the number of rows, never with their pairs or their length.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from engine.base.errors import TunesmithError
from engine.data.alike.normalise import canonical
from engine.data.dataset import SPLITS, Dataset, Split
from engine.data.difference import Change, Difference, Place
from engine.data.rows import Row, from_json

_LABELS = 200  # different answers up to which they count as labels
_FIELDS = 50  # keys of JSON answers whose values are counted
_PARTS = ("form", "system", "history", "prompt", "completion", "rejected", "label")
_QUESTION = ("system", "history", "prompt")


def diff(old: Dataset, new: Dataset, examples: int = 0) -> Difference:
    """Compare two datasets.

    Args:
        old: The one.
        new: The other.
        examples: How many changed rows to keep whole, for the text.

    Raises:
        TunesmithError: A file of one of them is gone or broken.
    """
    result = Difference(old.id, new.id)
    before, after = _Tally(), _Tally()
    seen = {row.id: (split, hash((row.group, row.scenario))) for split, row in before.of(old)}
    come: dict[str, _Mark] = {}
    elsewhere: dict[str, Place] = {}
    for split, row in after.of(new):
        there = seen.pop(row.id, None)
        if there is None:
            come[row.id] = _mark(split, row)
            continue
        result.retagged += there[1] != hash((row.group, row.scenario))
        if there[0] == split:
            result.kept[split] += 1
        else:
            elsewhere[row.id] = Place(split, row.source)
    gone: dict[str, _Mark] = {}
    for split, row in _stream(old):
        if row.id in seen:
            gone[row.id] = _mark(split, row)
        elif row.id in elsewhere:
            result.moved.append(Change(Place(split, row.source), elsewhere[row.id]))
    pairs = _pair(gone, come)
    result.changed = [_changed(gone.pop(one), come.pop(other)) for one, other in pairs]
    result.removed = [mark.place for mark in gone.values()]
    result.added = [mark.place for mark in come.values()]
    _compare(before, after, result)
    _manifests(old, new, result)
    result.examples = _whole(old, new, pairs[:examples])
    return result


class _Mark(NamedTuple):
    """A row that only one dataset has: its place, and hashes to compare it by."""

    place: Place
    question: int
    parts: tuple[int, ...]


def _mark(split: Split, row: Row) -> _Mark:
    question = hash(tuple(getattr(row, name) for name in _QUESTION)) if row.prompt else 0
    parts = tuple(hash(getattr(row, name)) for name in _PARTS)
    return _Mark(Place(split, row.source), question, parts)


class _Tally:
    """Counts what passes by: rows of splits and scenarios, labels of the training rows."""

    def __init__(self) -> None:
        self.cases: Counter[tuple[str, Split]] = Counter()
        self.labels: dict[str, Counter[str]] = defaultdict(Counter)

    def of(self, dataset: Dataset) -> Iterator[tuple[Split, Row]]:
        """Yield the rows of a dataset, counting them."""
        for split, row in _stream(dataset):
            self.cases[row.scenario, split] += 1
            if split == "train":
                for name, value in _answer(row.completion):
                    counter = self.labels[name]
                    if len(counter) <= _LABELS:  # one too many tells that they are no labels
                        counter[value] += 1
            yield split, row


def _answer(completion: str) -> Iterator[tuple[str, str]]:
    """Yield the value of each key of a JSON answer, or the whole of another; canonical forms."""
    whole = canonical(completion)
    try:
        content = json.loads(whole) if whole.startswith("{") else None
    except (ValueError, RecursionError):
        content = None
    if content is None:
        yield "", whole
        return
    for name, value in list(content.items())[:_FIELDS]:
        yield str(name), json.dumps(value, ensure_ascii=False)


def _stream(dataset: Dataset) -> Iterator[tuple[Split, Row]]:
    for split in SPLITS:
        path = dataset.folder / f"{split}.jsonl"
        try:
            with path.open(encoding="utf-8") as stream:
                for line in stream:
                    yield split, from_json(line)
        except (OSError, ValueError, TypeError) as error:
            raise _unreadable(dataset, path.name) from error


def _manifest(dataset: Dataset) -> dict[str, Any]:
    path = dataset.folder / "manifest.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(dataset, path.name) from error
    return content


def _unreadable(dataset: Dataset, name: str) -> TunesmithError:
    return TunesmithError(
        f"A file of dataset {dataset.id} is gone or broken.",
        "Build it again: `tunesmith data build`.",
        str(dataset.folder / name),
    )


def _pair(gone: Mapping[str, _Mark], come: Mapping[str, _Mark]) -> list[tuple[str, str]]:
    """Pair ids of rows that ask the same, then of rows from the same place, in new order."""
    pairs: dict[str, str] = {}
    taken: set[str] = set()
    for key in (_question, _source):
        waiting: dict[int | str, deque[str]] = defaultdict(deque)
        for one, mark in gone.items():
            if one not in taken and key(mark):
                waiting[key(mark)].append(one)
        for other, mark in come.items():
            if other not in pairs and waiting.get(key(mark)):
                pairs[other] = waiting[key(mark)].popleft()
                taken.add(pairs[other])
    return [(pairs[other], other) for other in come if other in pairs]


def _question(mark: _Mark) -> int | str:
    return mark.question


def _source(mark: _Mark) -> int | str:
    return mark.place.source


def _changed(before: _Mark, after: _Mark) -> Change:
    parts = (
        name
        for name, one, other in zip(_PARTS, before.parts, after.parts, strict=True)
        if one != other
    )
    return Change(before.place, after.place, tuple(parts))


def _compare(before: _Tally, after: _Tally, result: Difference) -> None:
    scenarios: dict[str, dict[Split, tuple[int, int]]] = defaultdict(dict)
    for scenario, split in sorted(before.cases.keys() | after.cases.keys()):
        case = (scenario, split)
        scenarios[scenario][split] = (before.cases[case], after.cases[case])
    result.scenarios = dict(scenarios)
    for split in SPLITS:
        pairs = [splits.get(split, (0, 0)) for splits in scenarios.values()]
        result.sizes[split] = (sum(old for old, _ in pairs), sum(new for _, new in pairs))
    for name in sorted(before.labels.keys() & after.labels.keys()):
        one, other = before.labels[name], after.labels[name]
        if max(len(one), len(other)) <= _LABELS:
            result.labels[name] = {key: (one[key], other[key]) for key in sorted({*one, *other})}


def _manifests(old: Dataset, new: Dataset, result: Difference) -> None:
    one, other = _manifest(old), _manifest(new)
    for name, differing in (("settings", result.settings), ("sources", result.sources)):
        before, after = one.get(name, {}), other.get(name, {})
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                differing[key] = (before.get(key), after.get(key))
    result.golden_file = one.get("golden_sha256") != other.get("golden_sha256")


def _whole(old: Dataset, new: Dataset, pairs: list[tuple[str, str]]) -> list[tuple[Row, Row]]:
    if not pairs:
        return []
    before, after = ({pair[side] for pair in pairs} for side in (0, 1))
    one = {row.id: row for _, row in _stream(old) if row.id in before}
    other = {row.id: row for _, row in _stream(new) if row.id in after}
    return [(one[left], other[right]) for left, right in pairs]
