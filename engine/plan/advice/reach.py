"""How many answers can come neither from their prompt nor from what the other rows teach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from engine.base.project import Objective
from engine.data.rows import Row, from_json

_READ = {"train": 5_000, "validation": 500}  # rows; enough, and read in a tenth of a second
_TAUGHT = 2  # training answers that must have a word before it counts as taught
_SHARE = 0.5  # of an answer's words, from which it cannot be reached


@dataclass(frozen=True)
class Reach:
    """What the validation answers ask for.

    Attributes:
        beyond: The share of them at least half of whose words stand neither in their prompt nor in
            two training answers: facts that a model must know by itself.
        words: The words of a typical (median) answer.
        rows: The rows looked at.
    """

    beyond: float
    words: int
    rows: int


def measure(folder: Path, objective: Objective) -> Reach | None:
    """Look at a dataset's validation answers; None where its files are gone or hold none."""
    taught: Counter[str] = Counter()
    for row in _rows(folder, "train"):
        taught.update(_words(row.completion))
    known = {word for word, answers in taught.items() if answers >= _TAUGHT}
    known |= _words(objective.prompt)
    beyond, sizes = [], []
    for row in _rows(folder, "validation"):
        answer = _words(row.completion)
        if not answer:
            continue
        said = (row.system, row.prompt, *(turn.content for turn in row.history))
        missing = answer - known - _words(*said)
        beyond.append(len(missing) >= _SHARE * len(answer))
        sizes.append(len(answer))
    if not beyond:
        return None
    return Reach(sum(beyond) / len(beyond), sorted(sizes)[len(sizes) // 2], len(beyond))


def _rows(folder: Path, split: str) -> Iterator[Row]:
    path = folder / f"{split}.jsonl"
    if path.is_file():
        with path.open(encoding="utf-8") as stream:
            yield from map(from_json, _some(stream, _READ[split]))


def _some(lines: Iterable[str], most: int) -> Iterator[str]:
    return islice(lines, most)


def _words(*texts: str) -> set[str]:
    from engine.data.alike.normalise import normalise, words

    return {word for text in texts for word in words(normalise(text))}
