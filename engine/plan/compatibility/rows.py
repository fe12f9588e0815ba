"""What a dataset's rows ask of a chat template."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.data.rows import Form

_SHAPES = 24  # different orders of roles that are tried
# A file is read in blocks from all over it, for its sources may differ.
_BLOCK, _BLOCKS = 1 << 17, 64
_LINES = 16  # rows of a block whose order of roles is looked at
# A quote inside a text is written `\"`, so these stand only where a row has them as keys or roles.
_TOOL, _SYSTEM, _HISTORY = b'["tool", "', b'"system": "', b'"history": [['
_THINK = b"<think>"

Shape = tuple[str, ...]


@dataclass(frozen=True)
class RowFacts:
    """What rows hold that a template may refuse.

    Attributes:
        form: answer, preference, feedback or text.
        shapes: The different orders of roles, `user` to `assistant`, without the project's
            instruction; those of 1,024 rows from all over the file.
        system: Whether some row has a system text of its own.
        tools: Whether some row has a tool's result.
        turns: Whether some row has earlier turns.
        thinking: Whether some answer thinks aloud within `<think>`.
        longest: Tokens of the longest row; 0 when nobody counted.
    """

    form: Form = "answer"
    shapes: tuple[Shape, ...] = (("user", "assistant"),)
    system: bool = False
    tools: bool = False
    turns: bool = False
    thinking: bool = False
    longest: int = 0

    @classmethod
    def of_dataset(cls, dataset: Any, folder: Path | None) -> RowFacts:
        """Read the facts of a dataset.

        Args:
            dataset: Its row of the table `datasets`.
            folder: Its folder; without one, one question and its answer are assumed.
        """
        form, longest = dataset["form"], int(dataset["tokens_longest"])
        file = folder / "train.jsonl" if folder else None
        if file is None or not file.is_file():
            return cls(form, longest=longest)
        state = file.stat()
        return _read(file, (state.st_size, state.st_mtime_ns), form, longest)


@lru_cache(maxsize=8)
def _read(file: Path, state: tuple[int, int], form: Form, longest: int) -> RowFacts:
    blocks = _blocks(file, state[0])
    found = {mark for mark in (_TOOL, _SYSTEM, _HISTORY, _THINK) if any(mark in b for b in blocks)}
    return RowFacts(
        form,
        _shapes(blocks) or (("user", "assistant"),),
        system=_SYSTEM in found,
        tools=_TOOL in found,
        turns=_HISTORY in found,
        thinking=_THINK in found,
        longest=longest,
    )


def _blocks(file: Path, size: int) -> list[bytes]:
    """Return whole lines from all over a file: all of them up to 8 MiB."""
    if size <= _BLOCK * _BLOCKS:
        return [file.read_bytes()]
    found = []
    with file.open("rb") as stream:
        for place in range(_BLOCKS):
            start = place * (size - _BLOCK) // (_BLOCKS - 1)
            stream.seek(start)
            if start:
                stream.readline()
            found.append(stream.read(_BLOCK) + stream.readline())
    return found


def _shapes(blocks: list[bytes]) -> tuple[Shape, ...]:
    shapes: dict[Shape, None] = {}
    lines = _LINES * _BLOCKS // len(blocks)
    for block in blocks:
        for line in block.split(b"\n", lines)[:lines]:
            if line:
                shapes[_shape(json.loads(line))] = None
    return tuple(shapes)[:_SHAPES]


def _shape(row: dict[str, Any]) -> Shape:
    roles = [str(turn[0]) for turn in row.get("history", ())]
    replies = not row.get("prompt") and roles and roles[-1] != "assistant"
    return (*roles, *(() if replies else ("user",)), "assistant")
