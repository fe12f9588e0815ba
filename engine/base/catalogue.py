"""The lines of the catalogue of base models: `recipes/models/FAMILY.yaml`.

Here only names, Hugging Face ids and sizes are read, as text, which takes a millisecond where YAML
takes thirty; what an entry means is `engine.plan.models`' matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.base import paths

_ENTRY = re.compile(r"^([^\s#][^\n]*):\n((?:[ \t][^\n]*\n|\n)+)", re.MULTILINE)
_HUB = re.compile(r"^  hub: (\S+)", re.MULTILINE)
_PARAMETERS = re.compile(r"^  parameters: (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """One model of the catalogue.

    Attributes:
        name: Its name there.
        hub: Its Hugging Face id.
        parameters: Its parameters, as its maker counts them.
        file: The file it stands in.
        text: Its lines, without the name.
    """

    name: str
    hub: str
    parameters: int
    file: Path
    text: str

    def content(self) -> Mapping[str, Any]:
        """Parse its lines."""
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content = yaml.load(self.text, Loader=loader)  # noqa: S506 - a safe loader
        return content if isinstance(content, dict) else {}


def files() -> tuple[Path, ...]:
    """Return the catalogue's files, by family."""
    return tuple(sorted((paths.recipes() / "models").glob("*.yaml")))


@cache
def entries() -> tuple[Entry, ...]:
    """Return every model of the catalogue, smallest first."""
    found = []
    for path in files():
        for name, text in _ENTRY.findall(path.read_text(encoding="utf-8") + "\n"):
            hub, count = _HUB.search(text), _PARAMETERS.search(text)
            found.append(
                Entry(name, hub[1] if hub else "", int(count[1]) if count else 0, path, text)
            )
    return tuple(sorted(found, key=lambda entry: entry.parameters))


def find(name: str) -> Entry | None:
    """Return the model of this catalogue name or Hugging Face id, or None."""
    return next((entry for entry in entries() if name in (entry.name, entry.hub)), None)
