"""Where a base model's files already are on this box; nothing is fetched or made."""

from __future__ import annotations

import os
from pathlib import Path

from engine.base import catalogue, embedded, paths


def folder(name: str) -> Path | None:
    """Return the folder of a base model that is here, or None.

    Args:
        name: A catalogue name, a folder or a Hugging Face id.
    """
    if name == embedded.NAME:
        made = sorted((paths.cache() / "models").glob(f"{name}-*"))
        return next((path for path in reversed(made) if (path / "config.json").is_file()), None)
    entry = catalogue.find(name)
    local = Path(name).expanduser()
    if entry is None and local.is_dir():
        return local
    return _cached(entry.hub if entry else name)


def _cached(hub: str) -> Path | None:
    """Return a model's newest snapshot in the hub's cache, where the hub's client puts it."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    kept = cache / f"models--{hub.replace('/', '--')}"
    main = kept / "refs" / "main"
    if not main.is_file():
        return None
    found = kept / "snapshots" / main.read_text(encoding="utf-8").strip()
    whole = (found / "tokenizer_config.json").is_file() and any(found.glob("*.safetensors"))
    return found if whole else None
