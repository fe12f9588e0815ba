"""A mapping as people type it: `format=alpaca, prompt=question, role.bot=assistant`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from engine.base.errors import UsageError
from engine.base.project import Mapping
from engine.base.settings import parse

_ROLE = "role."
# what each format's own keys are; a mapping that says only that need not be written
_OWN = {
    "prompt": {"prompt", "instruction"},
    "completion": {"completion", "output", "chosen"},
    "rejected": {"rejected"},
    "label": {"label"},
    "messages": {"messages", "conversations"},
    "text": {"text"},
    "system": {"system"},
    "group": {"group"},
    "scenario": {"scenario"},
}


def to_mapping(parts: Iterable[str]) -> Mapping:
    """Return the mapping that `part=column` texts describe.

    Raises:
        UsageError: A part is unknown, or a text has no `=`.
    """
    content: dict[str, str] = {}
    roles: dict[str, str] = {}
    for item in parts:
        part, equals, column = (piece.strip() for piece in item.partition("="))
        if not equals:
            raise UsageError(f"{item} has no `=`.", "Write prompt=question.", "columns")
        if part.startswith(_ROLE):
            roles[part.removeprefix(_ROLE)] = column
        else:
            content[part] = column
    return parse({**content, "roles": roles}, Mapping, "columns")


def written(mapping: Mapping) -> str:
    """Return a mapping as a person would type it."""
    content = asdict(mapping)
    roles: dict[str, str] = content.pop("roles")
    parts = [f"{part}={column}" for part, column in content.items() if column]
    return ", ".join(parts + [f"{_ROLE}{name}={role}" for name, role in roles.items()])


def needed(mapping: Mapping) -> str:
    """Return a detected mapping as text; empty where the columns' names say it all."""
    content = asdict(mapping)
    plain = all(
        not column or column in _OWN.get(part, ())
        for part, column in content.items()
        if part not in ("format", "roles")
    )
    return "" if plain else written(mapping)
