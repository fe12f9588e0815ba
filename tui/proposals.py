"""What a file of examples tells about the task: the answers that the wizard proposes.

A look at the first rows, for prefilling only; the data stage reads the files properly.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from engine.base.errors import TunesmithError
from engine.data.load.detect import Detected, detect
from engine.data.load.read import read
from engine.data.rows import Problem, Row
from tui.columns import needed, to_mapping
from tui.guess import guess_task

_Known = tuple[Path, int, int]  # a file, its time and its size
_ROWS = 2000
_DATA = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_DOCUMENTS = ("docs", "documents", "knowledge", "manuals")
_LABELS = 40  # more distinct values than this are no list of labels
_EXAMPLE = 40  # characters


@dataclass(frozen=True)
class Sample:
    """What the first rows of the example files show.

    Attributes:
        rows: Rows that could be read.
        keys: The keys of the JSON answers, in order; empty when the answers are plain text.
        values: For every key the values seen, most frequent first; for text answers under "".
        mendable: Rows that cannot be read but can be mended without asking.
        form: What most rows are: answer, preference, feedback or text.
        task: The kind of task that the rows are most like.
    """

    rows: int = 0
    keys: tuple[str, ...] = ()
    values: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    mendable: int = 0
    form: str = "answer"
    task: str = "free"


def sample(files: Sequence[Path], columns: str = "") -> Sample:
    """Look at the first rows of some files; unreadable files and rows count as absent.

    Args:
        files: Data files or folders.
        columns: Which column is what, as it was typed; empty to detect it.
    """
    return _sample(_known(files), columns)


def holds_examples(file: Path) -> bool:
    """Whether a file's name says that it holds examples, packed or not."""
    endings = [suffix.lower() for suffix in file.suffixes[-2:]]
    return any(ending in _DATA for ending in endings) and file.is_file()


def files(folder: Path, *, golden: bool) -> list[str]:
    """Return the data files of a folder; those with `golden` in their name, or the others."""
    names = sorted(file.name for file in folder.glob("*") if holds_examples(file))
    return [name for name in names if ("golden" in name.lower()) is golden]


def documents(folder: Path) -> list[str]:
    """Return the folders of a folder that are called as people call folders of documents."""
    names = sorted(item.name for item in folder.glob("*") if item.is_dir())
    return [name for name in names if name.lower() in _DOCUMENTS]


def detected(files: Sequence[Path]) -> str:
    """Return which column is what, as a person would type it, where their names do not say it.

    Files that need different mappings need one each, written in project.yaml: then it is empty.
    """
    found = {needed(item.mapping) for file in files if (item := described(file))}
    return found.pop() if len(found) == 1 else ""


def described(file: Path, columns: str = "") -> Detected | None:
    """Return how a file would be read; None where it cannot be."""
    known = _known([file])
    return _detected(known[0], columns) if known else None


@lru_cache(maxsize=32)
def _detected(known: _Known, columns: str) -> Detected | None:
    try:
        return detect(known[0], mapping=to_mapping(split(columns)))
    except TunesmithError:
        return None


def _known(files: Sequence[Path]) -> tuple[_Known, ...]:
    """Return the files that are there, with what changes when they do."""
    known = []
    for file in files:
        try:
            state = file.stat()
        except (OSError, ValueError):
            continue
        known.append((file, state.st_mtime_ns, state.st_size))
    return tuple(known)


def labels(found: Sample, key: str) -> tuple[str, ...]:
    """Return the labels of a field in order of the alphabet; empty when it holds free values.

    Of spellings that differ in case and blanks only, the most frequent one is the label.
    """
    values = [value for value in found.values.get(key, ()) if value not in (None, "")]
    texts = [value.strip() for value in values if isinstance(value, str)]
    spelled: dict[str, str] = {}
    for text in texts:
        spelled.setdefault(text.casefold(), text)
    few = 2 <= len(spelled) <= _LABELS and len(texts) * 5 <= found.rows
    plain = len(texts) == len(values) and not any("," in text for text in texts)
    return tuple(sorted(spelled.values())) if few and plain else ()


def instruction(found: Sample, fields: Sequence[str]) -> str:
    """Return a short system prompt, for the tuned model: it learns the rest from the rows."""
    if fields:
        return f"Read the message and answer in JSON with {_listed(fields)}."
    if labels(found, ""):
        return "Read the message and answer with its label."
    return "Answer the message."


def prompt(found: Sample, fields: Sequence[str]) -> str:
    """Return a full system prompt, for the untuned base: every field and label spelled out."""
    if fields:
        parts = "; ".join(f'"{name}" is {_described(found, name)}' for name in fields)
        return (
            "Read the message and answer with one JSON object and nothing else. "
            f"Its keys, in this order: {parts}."
        )
    if found_labels := labels(found, ""):
        return f"Answer with one of these labels and nothing else: {', '.join(found_labels)}."
    return "Answer the message in the style of the examples, without any introduction."


@lru_cache(maxsize=8)
def _sample(known: tuple[_Known, ...], columns: str) -> Sample:
    items = [item for file, _, _ in known for item in _rows(file, columns)]
    rows = [item for item in items if isinstance(item, Row)]
    answers = [row.completion for row in rows]
    mendable = sum(isinstance(item, Problem) and item.repaired is not None for item in items)
    form = Counter(row.form for row in rows).most_common(1)[0][0] if rows else "answer"
    parsed = [_object(text) for text in answers]
    objects = [item for item in parsed if item is not None]
    if len(objects) * 10 < len(answers) * 9 or not objects:
        found = Sample(len(answers), (), {"": _ranked(answers)}, mendable, form)
    else:
        keys = tuple(objects[0])
        values = {key: _ranked([item[key] for item in objects if key in item]) for key in keys}
        found = Sample(len(objects), keys, values, mendable, form)
    of_labels = bool(labels(found, ""))
    return replace(found, task=guess_task(rows, found.keys, of_labels=of_labels))


def _rows(file: Path, columns: str) -> list[Row | Problem]:
    try:
        return list(islice(read(file, mapping=to_mapping(split(columns))), _ROWS))
    except TunesmithError:
        return []


def split(text: str) -> list[str]:
    """Return the parts of a list written with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _ranked(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the distinct values, the most frequent first, ties in order of appearance."""
    counts: dict[str, list[Any]] = {}
    for value in values:
        entry = counts.setdefault(json.dumps(value, sort_keys=True), [0, value])
        entry[0] += 1
    return tuple(value for _, value in sorted(counts.values(), key=lambda entry: -entry[0]))


def _described(found: Sample, name: str) -> str:
    values = found.values.get(name, ())
    some = [value for value in values if value not in (None, "")]
    without = _without(values)
    if names := labels(found, name):
        return f"one of {', '.join(names)}{without}"
    if some and all(isinstance(value, bool) for value in some):
        return f"true or false{without}"
    if some and all(isinstance(value, int | float) for value in some):
        return f"a number{without}"
    example = next((v for v in some if isinstance(v, str) and len(v) <= _EXAMPLE), None)
    if example is None:
        return f"text{without}"
    return f"text such as {json.dumps(example, ensure_ascii=False)}{without}"


def _without(values: Sequence[Any]) -> str:
    if None in values:
        return ", or null when there is none"
    return ', or "" when there is none' if "" in values else ""


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"the key {names[0]}"
    return f"the keys {', '.join(names[:-1])} and {names[-1]}"
