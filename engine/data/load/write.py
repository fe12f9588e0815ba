"""Writing rows back as records, in the format that every trainer reads."""

from __future__ import annotations

import json
from collections.abc import Mapping as Map
from pathlib import Path
from typing import Any

from engine.base import files
from engine.base.project import Mapping
from engine.data.load.read import read
from engine.data.rows import Row


def mend(sources: Map[str, Path], mapping: Map[str, Mapping], target: Path) -> int:
    """Write all rows of some files to a JSONL file, those mended that need no question.

    The rows are written as read: nothing is masked, merged or left out but what cannot be mended.

    Args:
        sources: The files, by name.
        mapping: How each is read, by name.
        target: The file to write; never one of the sources.

    Returns:
        How many rows were written.
    """
    count = 0
    with files.atomic(target) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for name, path in sources.items():
            for item in read(path, name, mapping.get(name)):
                row = item if isinstance(item, Row) else item.repaired
                if row is not None:
                    stream.write(json.dumps(record(row), ensure_ascii=False) + "\n")
                    count += 1
    return count


def record(row: Row) -> dict[str, Any]:
    """Return a row in the field's standard format: text, messages, preference or KTO."""
    more = {} if row.group == row.id else {"group": row.group}
    if row.scenario:
        more["scenario"] = row.scenario
    if row.form == "text":
        return {"text": row.completion, **more}
    conversation = bool(row.history or row.system)
    before = [{"role": "system", "content": row.system}] if row.system else []
    before += [{"role": turn.role, "content": turn.content} for turn in row.history]
    if row.prompt:
        before.append({"role": "user", "content": row.prompt})
    if row.form == "answer":
        if conversation:
            return {"messages": [*before, _answer(row.completion)], **more}
        return {"prompt": row.prompt, "completion": row.completion, **more}
    prompt = before if conversation else row.prompt
    good = [_answer(row.completion)] if conversation else row.completion
    if row.form == "feedback":
        return {"prompt": prompt, "completion": good, "label": row.label, **more}
    bad = [_answer(row.rejected)] if conversation else row.rejected
    return {"prompt": prompt, "chosen": good, "rejected": bad, **more}


def _answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
