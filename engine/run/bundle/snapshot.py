"""A copy of a `runs.db` that another process, or another machine, may be writing to.

The file is copied and not opened where it lies: SQLite's write-ahead log needs memory that all
who open it share, which two machines on one network folder do not have.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from engine.base.errors import TunesmithError
from engine.base.paths import STORE_NAME

_TRIES, _PAUSE = 10, 0.3
_HEADER = 32  # bytes; its salt changes whenever the log is begun anew


def snapshot(workspace: Path, target: Path) -> None:
    """Copy the store of a workspace into a folder.

    What was being written meanwhile is left out by SQLite itself: the log's last entries have no
    valid checksum then.

    Args:
        workspace: Where `runs.db` is.
        target: An existing folder.

    Raises:
        TunesmithError: There is no store, or it changed throughout.
    """
    source, log = workspace / STORE_NAME, workspace / f"{STORE_NAME}-wal"
    if any(path.is_symlink() for path in (source, log)) or not source.is_file():
        raise TunesmithError(
            "The folder has no record of its run.", "Copy it again, whole.", str(source)
        )
    for _ in range(_TRIES):
        before = _state(source, log)
        shutil.copyfile(source, target / source.name)
        (target / log.name).unlink(missing_ok=True)
        if log.is_file():
            shutil.copyfile(log, target / log.name)
        if _state(source, log) == before:
            return
        time.sleep(_PAUSE)
    raise TunesmithError(
        "The record changes while it is read.", "Try again in a minute.", str(source)
    )


def _state(source: Path, log: Path) -> tuple[int, int, bytes]:
    """What differs once pages have moved from the log into the file."""
    found = source.stat()
    try:
        with log.open("rb") as stream:
            header = stream.read(_HEADER)
    except FileNotFoundError:
        header = b""
    return found.st_mtime_ns, found.st_size, header
