"""Where things are: the workspace with its `runs.db`, the caches, the recipes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

from engine.base.errors import TunesmithError

STORE_NAME = "runs.db"
PROJECT_NAME = "project.yaml"


def workspace(explicit: Path | None = None) -> Path:
    """Return the folder that holds `runs.db`.

    In this order: the argument (`--workspace`), `$TUNESMITH_WORKSPACE`, the nearest folder upwards
    that has a `runs.db`, the user's data folder.
    """
    named = explicit or os.environ.get("TUNESMITH_WORKSPACE")
    if named:
        return Path(named).expanduser().resolve()
    return nearest(STORE_NAME) or Path(platformdirs.user_data_dir("tunesmith"))


def nearest(name: str) -> Path | None:
    """Return the nearest folder, from here upwards, that contains a file called `name`."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / name).is_file()), None)


def recipes() -> Path:
    """Return the folder of the shipped recipes; read by path, never imported."""
    return Path(__file__).resolve().parents[2] / "recipes"


def cache() -> Path:
    """Return the folder of what can be made again: base models, the GGUF converter."""
    named = os.environ.get("TUNESMITH_CACHE")
    folder = Path(named) if named else Path(platformdirs.user_cache_dir("tunesmith"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def locks() -> Path:
    """Return the folder of the device locks: one per user and box, whatever the workspace."""
    folder = Path(tempfile.gettempdir()) / f"tunesmith-{os.getuid()}"
    folder.mkdir(exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.getuid():
        raise TunesmithError(
            "The folder of the device locks is not yours.", "Remove it.", str(folder)
        )
    return folder
