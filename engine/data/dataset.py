"""A dataset: an immutable folder of rows in splits, known by the hash of its content."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.base.errors import UsageError
from engine.base.store import Store
from engine.data.rows import Row, from_json

Split = Literal["train", "validation", "test", "golden"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test", "golden")


@dataclass(frozen=True)
class Dataset:
    """A built dataset.

    Attributes:
        id: 12 hex characters of its content's hash.
        folder: Where its files are.
    """

    id: str
    folder: Path

    def rows(self, split: Split) -> list[Row]:
        """Return the rows of a split, in the order of the source files."""
        with (self.folder / f"{split}.jsonl").open(encoding="utf-8") as stream:
            return [from_json(line) for line in stream]

    def few_shot(self, count: int) -> list[Row]:
        """Return worked examples for a prompt: training rows, short ones, one per scenario.

        The most frequent scenarios come first; when all have one, each gets a second, and so on.
        The same dataset always gives the same rows.
        """
        scenarios: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows("train"):
            scenarios[row.scenario].append(row)
        queues = [
            _typical(scenarios[name])
            for name in sorted(scenarios, key=lambda name: (-len(scenarios[name]), name))
        ]
        longest = max(map(len, queues), default=0)
        turns = [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]
        return turns[:count]


def load(store: Store, dataset_id: str) -> Dataset:
    """Return a dataset of this workspace.

    Raises:
        UsageError: The dataset is unknown, or its folder is gone.
    """
    path = store.scalar("SELECT path FROM datasets WHERE id = ?", (dataset_id,))
    if path is None:
        raise UsageError(f"There is no dataset {dataset_id}.", "Build one: `tunesmith data build`.")
    folder = store.workspace / path
    if not (folder / "manifest.json").is_file():
        raise UsageError(
            f"The files of dataset {dataset_id} are gone.",
            "Build it again: `tunesmith data build`.",
            str(folder),
        )
    return Dataset(dataset_id, folder)


_LEARNT = {
    "preference": ("pairs of a better and a worse answer", "completion: chosen"),
    "feedback": ("answers with a word on whether they are good", "format: prompt-completion"),
    "text": ("raw text without questions", "prompt and completion columns"),
}


def require_answers(store: Store, dataset_id: str) -> None:
    """Refuse a dataset whose rows are not questions with their right answer.

    Raises:
        UsageError: It holds preferences, feedback or raw text.
    """
    form = store.scalar("SELECT form FROM datasets WHERE id = ?", (dataset_id,))
    if form in _LEARNT:
        what, way = _LEARNT[form]
        raise UsageError(
            f"Dataset {dataset_id} holds {what}; supervised fine-tuning (SFT) learns from right "
            "answers.",
            f"Map its columns to answers (`data: mapping:` in project.yaml, {way}), and build it "
            "again.",
            "dataset",
        )


def latest(store: Store, project_id: int, but: str = "") -> str:
    """Return the id of the dataset that the project's newest successful build made.

    Args:
        store: The workspace's store.
        project_id: The project.
        but: A dataset to look behind, for the one before it.

    It is found by the gate it passed, because two projects with equal rows share one dataset.

    Raises:
        UsageError: The project has no dataset.
    """
    found = store.scalar(
        "SELECT g.subject FROM gates g JOIN datasets d ON d.id = g.subject "
        "WHERE g.project_id = ? AND g.gate = 'data' "
        "AND (g.result <> 'fail' OR g.accepted IS NOT NULL) AND d.id <> ? "
        "ORDER BY g.id DESC LIMIT 1",
        (project_id, but),
    )
    if found is None:
        raise UsageError("This project has no dataset yet.", "Build one: `tunesmith data build`.")
    return str(found)


def _typical(rows: list[Row]) -> list[Row]:
    """Return rows from short to long, the shortest quarter (often fragments) last."""
    ordered = sorted(rows, key=lambda row: (len(row.prompt) + len(row.completion), row.id))
    fragments = len(ordered) // 4
    return ordered[fragments:] + ordered[:fragments]
