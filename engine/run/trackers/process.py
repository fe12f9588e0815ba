"""The process of one tracker: `python -P -m engine.run.trackers.process NAME`, fed by a pipe.

It reads lines of JSON from standard input: the run, then points, then how the run ended. The end of
the input without that is a training that was killed. Whatever goes wrong ends this process alone;
what it was stands in its memory, from where the training tells it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO, cast

from engine.data.private import secrets
from engine.run.trackers.described import Described, Memory, Outcome
from engine.run.trackers.tracker import Tracker

_FLUSH_SECONDS = 1.0
_END_SECONDS = 180  # that handing over the rest may take
_WORDS = 200  # characters of a fault
_LEAST = 6  # characters of a value that is hidden where its name says it is secret
_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL")
# Nothing leaves this box, and no tool reports on its use, unless the user has set it otherwise.
# Trackio asks the hub for the user's name when it may.
_USUAL = {
    "HF_HUB_OFFLINE": "1",
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
}


def main() -> int:
    """Follow one run to its end; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training says when it is over
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(5)
    lines = _input()
    name, described = sys.argv[1], Described.read(next(lines))
    memory = Memory.of(Path(described.folder), name)
    memory.failed = ""
    _settle(Path(described.workspace))
    try:
        _follow(_open(name)(described, memory.id), memory, lines)
    except Exception as error:  # noqa: BLE001 - the boundary: a tracker's fault is told and no more
        memory.failed = safe(error)
        memory.keep()
        os._exit(1)  # what the libraries would still do at the end could hang as well
    return 0


def safe(error: BaseException) -> str:
    """Return a fault as one short line without keys and passwords.

    Args:
        error: What happened.
    """
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")
    for name, value in os.environ.items():
        if len(value) >= _LEAST and any(word in name.upper() for word in _SECRET):
            text = text.replace(value, "***")
    for span in reversed(secrets.find(text)):
        text = f"{text[: span.start]}***{text[span.end :]}"
    return text[:_WORDS]


def _input() -> Iterator[str]:
    """Take standard input away from the libraries, which could ask there for a key."""
    stream: TextIO = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return iter(stream.readline, "")


def _settle(workspace: Path) -> None:
    for name, value in _USUAL.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("TRACKIO_DIR", str(workspace / "trackio"))
    os.environ.pop("TRACKIO_SPACE_ID", None)  # Trackio would make a Space, and a public one


def _open(name: str) -> Callable[[Described, str], Tracker]:
    module = importlib.import_module(f"engine.run.trackers.{name}")
    return cast("Callable[[Described, str], Tracker]", module.Tracker)


def _follow(tracker: Tracker, memory: Memory, lines: Iterator[str]) -> None:
    memory.id = tracker.id
    memory.keep()
    outcome: Outcome = "failed"
    flushed = time.monotonic()
    for line in lines:
        if not line.endswith("\n"):
            break  # the training was killed amid a line
        told = json.loads(line)
        if isinstance(told, str):
            outcome = cast("Outcome", told)
            break
        if values := memory.new(*told):
            tracker.add(told[0], values)
        if time.monotonic() - flushed >= _FLUSH_SECONDS:
            tracker.flush()
            memory.keep()
            flushed = time.monotonic()
    signal.alarm(_END_SECONDS)
    tracker.flush()
    memory.keep()
    tracker.close(outcome)


if __name__ == "__main__":
    sys.exit(main())
