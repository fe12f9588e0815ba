"""The names and shapes of a model's weights, from the headers of its safetensors files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.plan.compatibility.clash import Clash
from engine.plan.compatibility.subject import Subject

_LARGEST_HEADER = 100_000_000  # as the format limits it
_TABLES = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight")

Shapes = Mapping[str, tuple[int, ...]]


def shapes(folder: Path) -> Shapes:
    """Return the shape of every weight by name; empty where no header can be read."""
    found: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= _header(file)
    return found


def rows(found: Shapes) -> int:
    """Return the rows of the table of input embeddings, 0 where it is not found."""
    sizes = [shape[0] for name, shape in found.items() if name.endswith(_TABLES) and shape]
    return sizes[0] if len(set(sizes)) == 1 else 0


def clashes(subject: Subject, found: Shapes) -> Iterator[Clash]:
    """Yield where weights, config.json and the adapter's targets disagree."""
    stated, held = subject.text.get("vocab_size"), rows(found)
    plain = not subject.config.get("quantization_config")
    if held and plain and isinstance(stated, int) and held != stated:
        yield Clash(
            f"config.json says {stated:,} tokens, and the table of embeddings has {held:,} rows; "
            "the weights cannot be loaded.",
            f"Set `vocab_size` to {held}, or fetch the model again.",
            fatal=True,
            where=subject.where,
        )
    targets = str(subject.settings.get("lora_targets") or "all-linear")
    if found and subject.adapter and targets != "all-linear":
        names = sorted({name.split(".")[-2] for name in found if name.count(".") >= 1})
        wanted = [name.strip() for name in targets.split(",")]
        if not any(part in names for target in wanted for part in (target.rpartition(".")[2],)):
            linear = sorted(
                {name.split(".")[-2] for name, shape in found.items() if _linear(name, shape)}
            )
            yield Clash(
                f"The model has no weights called {targets}, so the adapter would be empty.",
                f"Use `--set lora_targets=all-linear`, or some of {', '.join(linear)}.",
                fatal=True,
                where="lora_targets",
            )


def _linear(name: str, shape: tuple[int, ...]) -> bool:
    flat = name.endswith(".weight") and len(shape) == 2
    return flat and not name.endswith((*_TABLES, "lm_head.weight", "wpe.weight"))


def _header(file: Path) -> dict[str, tuple[int, ...]]:
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        if not 0 < size <= _LARGEST_HEADER:
            return {}
        try:
            content: Any = json.loads(stream.read(size))
        except ValueError:
            return {}
    if not isinstance(content, dict):
        return {}
    return {
        name: tuple(item["shape"])
        for name, item in content.items()
        if isinstance(item, dict) and isinstance(item.get("shape"), list)
    }
