"""What a submission asks of its bundle: `python -P -m engine.run.bundle.far FOLDER ACTION [PLACE]`.

It runs on the machine that trains, before, beside and after the worker.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.base.errors import TunesmithError, UsageError
from engine.base.model import locate
from engine.base.store import Store
from engine.run.bundle import keeping
from engine.run.bundle.layout import JOB_ID, RUN_ID, read_label

_KEEP_SECONDS = 60.0


def prepare(folder: Path) -> int:
    """Fetch the base model where it is not here yet."""
    store = Store(folder)
    locate(store.scalar("SELECT model FROM plans"))
    return 0


def again(folder: Path) -> int:
    """Make the job ready for a worker, whatever ended the one before."""
    Store(folder).execute(
        "UPDATE jobs SET state = 'queued', request = NULL, pid = NULL, ended = NULL "
        "WHERE id = ? AND state <> 'done'",
        (JOB_ID,),
    )
    return 0


def stop(folder: Path) -> int:
    """Ask the worker to save a checkpoint and to stop, which it does after its present step."""
    Store(folder).update("jobs", JOB_ID, {"request": "stop"})
    return 0


def ended(folder: Path) -> int:
    """Return 0 where the run has ended, else 1."""
    at = Store(folder).scalar("SELECT ended FROM runs WHERE id = ?", (RUN_ID,))
    return 0 if at else 1


def keep(folder: Path, place: Path) -> int:
    """Save to a place every minute, until this process is told to end."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    while not over.wait(_KEEP_SECONDS):
        try:
            keeping.save(folder, place)
        except (OSError, TunesmithError) as error:
            sys.stderr.write(f"Not saved this time: {error}\n")
    return 0


def save(folder: Path, place: Path) -> int:
    """Save to a place now."""
    keeping.save(folder, place)
    return 0


def restore(folder: Path, place: Path) -> int:
    """Take back what a place has kept."""
    keeping.restore(folder, place)
    return 0


_HERE: Mapping[str, Callable[[Path], int]] = {
    "prepare": prepare,
    "again": again,
    "stop": stop,
    "ended": ended,
}
_THERE: Mapping[str, Callable[[Path, Path], int]] = {
    "keep": keep,
    "save": save,
    "restore": restore,
}


def main(arguments: list[str]) -> int:
    """Run one action; a fault is one sentence."""
    try:
        match arguments:
            case [folder, action] if action in _HERE:
                read_label(Path(folder))
                return _HERE[action](Path(folder))
            case [folder, action, place] if action in _THERE:
                read_label(Path(folder))
                return _THERE[action](Path(folder), Path(place))
        raise UsageError("This is no action.", f"Known: {', '.join((*_HERE, *_THERE))}.")
    except TunesmithError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
