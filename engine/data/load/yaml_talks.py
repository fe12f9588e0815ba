"""YAML files: lists of dialogues, as chat corpora have them, or of records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.base.errors import TunesmithError
from engine.data.load.json_stream import Fits, held
from engine.data.load.records import LONGEST, Record, Records

_DEEPEST = 50
_FIX = "Mend it, or write the rows as JSONL."


def records(pieces: Iterator[str], file: str, fits: Fits) -> Records:
    """Yield the records of a YAML file, numbered from 1; every value is text.

    Raises:
        TunesmithError: It is no YAML, repeats parts by aliases, or is too long or deep.
    """
    text = ""
    for piece in pieces:
        text += piece
        if len(text) > LONGEST:
            what = f"The YAML file has more than {LONGEST >> 20} million characters."
            raise TunesmithError(what, "Write the rows as JSONL.", file)
    content = _load(text, file)
    items = content if isinstance(content, list) and not fits(content) else held(content, fits)
    for number, item in enumerate(items, start=1):
        yield Record(file, number, item)


def _load(text: str, file: str) -> Any:
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # no tag makes anything but text
    depth = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.AliasEvent):
                raise TunesmithError(
                    "The YAML file repeats parts by aliases, which can grow without end.",
                    "Write the parts out.",
                    file,
                )
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise TunesmithError("The YAML file is too deep.", _FIX, file)
        return yaml.load(text, Loader=loader)  # noqa: S506 - it makes texts, lists and dicts only
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else file
        raise TunesmithError("This is not YAML that can be read.", _FIX, where) from error
