"""A bundle's progress in a second place, such as a mounted bucket, and back on a new machine.

A bucket has no rename and no locks: every file is written once, from its beginning to its end. A
checkpoint's manifest goes last, and the store after all of them.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from engine.base import files
from engine.base.paths import STORE_NAME
from engine.base.store import Store
from engine.run import checkpoints, result
from engine.run.bundle.layout import LABEL, RUN_ID, RUNS
from engine.run.bundle.snapshot import snapshot
from engine.run.checkpoints import MANIFEST

_CHECKPOINTS = "checkpoints"


def save(folder: Path, place: Path) -> None:
    """Bring a place up to date with a bundle that is at work."""
    run, kept = folder / RUNS / str(RUN_ID), place / RUNS / str(RUN_ID)
    (kept / _CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    for checkpoint in checkpoints.folders(run / _CHECKPOINTS):
        if checkpoints.verified(checkpoint):
            _bring(checkpoint, kept / _CHECKPOINTS / checkpoint.name)
    trained = result.path(run)
    if trained and not (kept / trained.name).is_dir():
        shutil.copytree(trained, kept / trained.name)
    for file in sorted(run.iterdir()):
        if file.is_file() and not (kept / file.name).exists():
            shutil.copyfile(file, kept / file.name)
    _store(folder, place)
    if not (place / LABEL).exists():
        shutil.copyfile(folder / LABEL, place / LABEL)
    for old in checkpoints.folders(kept / _CHECKPOINTS):
        if not (run / _CHECKPOINTS / old.name).is_dir():
            shutil.rmtree(old)


def restore(folder: Path, place: Path) -> None:
    """Give a bundle that is at its beginning the progress that a place has kept, if it has any."""
    run = folder / RUNS / str(RUN_ID)
    if not (place / STORE_NAME).is_file() or checkpoints.folders(run / _CHECKPOINTS):
        return
    kept = place / RUNS / str(RUN_ID)
    for checkpoint in checkpoints.folders(kept / _CHECKPOINTS):
        if checkpoints.verified(checkpoint):
            _bring(checkpoint, run / _CHECKPOINTS / checkpoint.name)
    trained = result.path(kept)
    if trained and not (run / trained.name).is_dir():
        shutil.copytree(trained, run / trained.name)
    for left in (f"{STORE_NAME}-wal", f"{STORE_NAME}-shm"):
        (folder / left).unlink(missing_ok=True)
    with files.atomic(folder / STORE_NAME) as temporary:
        shutil.copyfile(place / STORE_NAME, temporary)


def _bring(checkpoint: Path, target: Path) -> None:
    """Copy a checkpoint that is not there yet, its manifest last."""
    if (target / MANIFEST).is_file():
        return
    target.mkdir(parents=True, exist_ok=True)
    names = [item for item in sorted(checkpoint.rglob("*")) if item.is_file()]
    for file in sorted(names, key=lambda file: file.name == MANIFEST):
        there = target / file.relative_to(checkpoint)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, there)


def _store(folder: Path, place: Path) -> None:
    """Copy the store as one file, its log written into it."""
    with tempfile.TemporaryDirectory() as temporary:
        snapshot(folder, Path(temporary))
        Store(Path(temporary)).close()
        shutil.copyfile(Path(temporary) / STORE_NAME, place / STORE_NAME)
