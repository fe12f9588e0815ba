"""Checkpoints that can be trusted: complete, checksummed, on the disk, and the newest found.

The library writes a checkpoint file by file. What makes it valid is `manifest.json`, written last,
with the SHA-256 of each file; a folder without it, or with other content, is what a kill or a
full disk left behind, and is removed.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.base import files
from engine.base.errors import TunesmithError
from engine.base.store import Store

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Totals:
    """What a run has used up to a step, over all its resumes.

    Attributes:
        tokens: Tokens trained on, without padding.
        seconds: Time in the training loop.
        peak_bytes: The highest memory use.
    """

    tokens: int = 0
    seconds: float = 0.0
    peak_bytes: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """A valid checkpoint: its step, its folder, and what the run had used by then."""

    step: int
    path: Path
    totals: Totals


def path(folder: Path, step: int) -> Path:
    """Return where the library writes the checkpoint of a step."""
    return folder / f"checkpoint-{step}"


def complete(store: Store, run_id: int, folder: Path, step: int, totals: Totals) -> None:
    """Make the checkpoint that was just written valid, and record it."""
    written = path(folder, step)
    sums = {name: files.sha256(written / name) for name in _names(written)}
    for name in sums:
        _sync(written / name)
    _sync(written)
    manifest = {"step": step, "files": sums, **asdict(totals)}
    files.write_text(written / MANIFEST, json.dumps(manifest, indent=1))
    _sync(written)
    _sync(folder)
    _record(store, run_id, Checkpoint(step, written, totals))


def newest(
    store: Store, run_id: int, folder: Path, say: Callable[[str], None] | None = None
) -> Checkpoint | None:
    """Return the newest valid checkpoint; remove newer ones that are not, and their records.

    Args:
        store: The workspace's store.
        run_id: The run.
        folder: The folder of its checkpoints.
        say: Takes a sentence for each that is removed, and one where none is left.
    """
    found, faults = None, []
    for candidate in folders(folder):
        judged = _judged(candidate)
        if isinstance(judged, Checkpoint):
            found = judged
            break
        faults.append(f"The checkpoint of step {_step(candidate)} {judged}; it was removed.")
        shutil.rmtree(candidate)
    if faults and found is None:
        faults.append("No checkpoint is left: the run starts over.")
    for fault in faults:
        if say:
            say(fault)
    step = found.step if found else -1
    store.execute("DELETE FROM checkpoints WHERE run_id = ? AND step > ?", (run_id, step))
    if found:
        _record(store, run_id, found)  # the kill may have come between the manifest and the row
    return found


def prune(store: Store, run_id: int, folder: Path, keep: int, best: int | None = None) -> None:
    """Remove all but the newest `keep` checkpoints, and that of the step `best`."""
    for old in folders(folder)[keep:]:
        if _step(old) == best:
            continue
        shutil.rmtree(old)
        store.execute("DELETE FROM checkpoints WHERE run_id = ? AND step = ?", (run_id, _step(old)))


class DiskFull(TunesmithError):  # noqa: N818 - it says what is wrong
    """A checkpoint could not be written for want of space; the ones before it are whole."""


@contextmanager
def saving(folder: Path, step: int) -> Iterator[None]:
    """Clear up when the disk is full: the block's half-written checkpoint goes, older ones stay.

    Raises:
        DiskFull: The disk is full.
    """
    try:
        yield
    except Exception as error:
        if not _disk_full(error):
            raise
        shutil.rmtree(path(folder, step), ignore_errors=True)
        older = [_step(other) for other in folders(folder)]
        kept = f"The checkpoint of step {older[0]} is kept" if older else "There is no older one"
        raise DiskFull(
            f"The disk is full: the checkpoint of step {step} could not be written. {kept}.",
            "Free some space, then resume the job.",
            str(folder),
        ) from error


def _disk_full(error: BaseException) -> bool:
    """Say whether a save failed for want of space; torch and safetensors each tell it their way."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    text = str(error)
    return any(words in text for words in ("No space left", "inline_container", "disk is full"))


def verified(folder: Path) -> Checkpoint | None:
    """Return the checkpoint in a folder; None where it is not whole."""
    judged = _judged(folder)
    return judged if isinstance(judged, Checkpoint) else None


def _judged(folder: Path) -> Checkpoint | str:
    """Return a checkpoint, or what is wrong with it as the end of a sentence."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name, digest in manifest["files"].items():
            if not (folder / name).is_file():
                return f"is damaged ({name} is gone)"
            if files.sha256(folder / name) != digest:
                return f"is damaged ({name} has changed)"
        if manifest["step"] != _step(folder):
            return "is damaged (it is of another step)"
        totals = Totals(manifest["tokens"], manifest["seconds"], manifest["peak_bytes"])
    except FileNotFoundError:
        return "is not complete"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"is damaged ({MANIFEST} cannot be read)"
    return Checkpoint(manifest["step"], folder, totals)


def _record(store: Store, run_id: int, checkpoint: Checkpoint) -> None:
    store.insert(
        "checkpoints",
        {
            "run_id": run_id,
            "step": checkpoint.step,
            "path": str(checkpoint.path.relative_to(store.workspace)),
            "sha256": files.sha256(checkpoint.path / MANIFEST),
            "bytes": files.size(checkpoint.path),
            "created": time.time(),
        },
        replace=True,
    )


def folders(folder: Path) -> list[Path]:
    """Return the checkpoints' folders, newest first."""
    found = [item for item in folder.glob("checkpoint-*") if item.name[11:].isdigit()]
    return sorted(found, key=_step, reverse=True)


def _step(folder: Path) -> int:
    return int(folder.name[11:])


def _names(folder: Path) -> list[str]:
    return sorted(
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and file != folder / MANIFEST
    )


def _sync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
