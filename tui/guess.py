"""Which kind of task rows are most like, by plain signs; a person decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from statistics import median

from engine.data.rows import Row

_CALL = {"name", "arguments"}
_CODE = re.compile(
    r"```|^\s{0,8}(?:def |class |import |from \w{1,40} import |function |#include|SELECT |CREATE )",
    re.MULTILINE,
)
_QUESTION = ("?", "？")
_LONG = 600  # characters from which a message is a text to sum up
_SHORT = 160  # characters up to which an answer is a fact
_TIMES = 3  # a summary is so many times shorter than its text


def guess_task(rows: Sequence[Row], keys: Sequence[str], *, of_labels: bool) -> str:
    """Return the name of an objective template.

    Args:
        rows: Some rows.
        keys: The keys of JSON answers; empty where the answers are text.
        of_labels: Whether the answers are few distinct texts.
    """
    if keys:
        return "tools" if set(keys) >= _CALL else "extraction"
    if of_labels:
        return "classification"
    return _of_texts(rows) if rows else "free"


def _of_texts(rows: Sequence[Row]) -> str:
    if _share(rows, lambda row: bool(row.history)) >= 0.2:
        return "chat"
    if _share(rows, lambda row: bool(_CODE.search(row.completion[:2000]))) >= 0.3:
        return "code"
    asked = median(len(row.prompt) for row in rows)
    told = median(len(row.completion) for row in rows)
    if asked >= _LONG and asked >= _TIMES * told > _TIMES * _SHORT:
        return "summarising"
    questions = _share(rows, lambda row: row.prompt.rstrip().endswith(_QUESTION))
    return "qa" if questions >= 0.5 and told <= _SHORT else "free"


def _share(rows: Sequence[Row], holds: Callable[[Row], bool]) -> float:
    return sum(map(holds, rows)) / len(rows)
