"""The files of a fetched run: what it has trained, and its checkpoints, each by its checksum."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from engine.base import files
from engine.base.store import Value
from engine.run import checkpoints, result
from engine.run.bundle import untrusted
from engine.run.bundle.layout import RUNS
from engine.run.bundle.reading import Reading
from engine.run.checkpoints import MANIFEST

_WEIGHTS = "adapter_model.safetensors"
_TRAINED = ("*.safetensors", "*.json", "*.model", "*.jinja", "*.txt")
_CHECKPOINT = re.compile(r"checkpoint-\d{1,12}")


class _Torn(Exception):  # noqa: N818 - not an error: it was being written or removed
    """A checkpoint was copied while it changed; the next fetch finds it whole."""


def bring(
    reading: Reading,
    run: dict[str, Value],
    folder: Path,
    target: Path,
    *,
    with_checkpoints: bool,
) -> list[dict[str, Value]] | None:
    """Copy a run's files home; return the rows of the checkpoints that are here then.

    Without checkpoints it returns None: what is here of them stays as it is.

    Args:
        reading: The bundle's record.
        run: The run's row there.
        folder: The bundle.
        target: The run's folder at home.
        with_checkpoints: Whether checkpoints are copied.

    Raises:
        TunesmithError: What was trained is missing or not what the run recorded.
    """
    if run["ended"]:
        _result(run, folder, target)
    if not with_checkpoints:
        return None
    rows = reading.rows("checkpoints", "run_id = ? ORDER BY step", (run["id"],))
    kept = [row for row in rows if _checkpoint(run, row, folder, target)]
    names = {f"checkpoint-{row['step']}" for row in kept}
    for old in checkpoints.folders(target / "checkpoints"):
        if old.name not in names:
            shutil.rmtree(old)
    return kept


def _result(run: dict[str, Value], folder: Path, target: Path) -> None:
    there = f"{RUNS}/{run['id']}"
    kind = next(
        (
            name
            for name in (result.ADAPTER, result.MODEL)
            if untrusted.within(folder, f"{there}/{name}").is_dir()
        ),
        None,
    )
    if kind is None:
        raise untrusted.damaged("what the run trained is missing", folder)
    if _digest(target / kind) == run["adapter_sha256"]:
        return
    with files.atomic(target / kind) as temporary:
        untrusted.copy(folder, f"{there}/{kind}", temporary, _TRAINED)
        if _digest(temporary) != run["adapter_sha256"]:
            raise untrusted.damaged("what the run trained has another checksum", folder)


def _digest(trained: Path) -> str:
    """Return the checksum that a run records of its adapter's weights, or of its whole model."""
    if not trained.is_dir():
        return ""
    weights = trained / _WEIGHTS
    return files.sha256(
        weights if trained.name == result.ADAPTER and weights.is_file() else trained
    )


def _checkpoint(run: dict[str, Value], row: dict[str, Value], folder: Path, target: Path) -> bool:
    """Copy a checkpoint that is whole; return whether it is here then."""
    name = f"checkpoint-{row['step']}"
    there = f"{RUNS}/{run['id']}/checkpoints/{name}"
    here = target / "checkpoints" / name
    if row["path"] != there or not _CHECKPOINT.fullmatch(name):
        raise untrusted.damaged("a checkpoint is not where it belongs", folder)
    if _is(here, row):
        return True
    if not untrusted.within(folder, there).is_dir():
        return False
    try:
        with files.atomic(here) as temporary:
            untrusted.copy(folder, there, temporary)
            if not _is(temporary, row):
                raise _Torn
    except _Torn:
        return False
    return True


def _is(checkpoint: Path, row: dict[str, Value]) -> bool:
    """Say whether a folder is the checkpoint of a row, file by file."""
    manifest = checkpoint / MANIFEST
    if not manifest.is_file() or files.sha256(manifest) != row["sha256"]:
        return False
    names = {str(file.relative_to(checkpoint)) for file in checkpoint.rglob("*") if file.is_file()}
    try:
        told = set(json.loads(manifest.read_text(encoding="utf-8"))["files"])
    except (ValueError, KeyError, TypeError):
        return False
    # a name that is no file of this folder is not followed to
    return told == names - {MANIFEST} and checkpoints.verified(checkpoint) is not None
