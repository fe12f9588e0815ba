"""Carries out one attempt of the fit gate: starts its process, waits, and tells how it ended."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.base.errors import TunesmithError
from engine.base.work import Work
from engine.run import limits
from engine.run.fit.request import OUT_OF_MEMORY, Request
from engine.run.limits import Limit

_POLL_SECONDS = 0.2
_LAST_WORDS = 4000  # characters


@dataclass(frozen=True)
class Ended:
    """How an attempt ended.

    Attributes:
        fits: Whether it went through, with room left.
        peak_bytes: The highest use of memory, up to the end if memory ended.
        phase: What it did last.
        measured: Seconds and speeds, when it went through.
    """

    fits: bool
    peak_bytes: int
    phase: str
    measured: Mapping[str, float]


def attempt(work: Work, request: Request, limit: Limit) -> Ended:
    """Carry out a request.

    Raises:
        Stopped: The user asked for it.
        TunesmithError: The attempt failed, and not for want of memory.
    """
    shutil.rmtree(request.folder, ignore_errors=True)
    request.folder.mkdir(parents=True)
    request.write()
    try:
        return _ended(work, request, limit, *_run(work, request))
    finally:
        shutil.rmtree(request.folder, ignore_errors=True)


def _run(work: Work, request: Request) -> tuple[int, int]:
    """Return the exit code of the attempt's process, and its highest resident memory in bytes."""
    with request.errors.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.run.fit.stepping", str(request.file)],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        )
    phase = ""
    try:
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return process.returncode, used.ru_maxrss * limits.RESIDENT_UNIT
            if request.phase != phase:
                phase = request.phase
                work.log(f"  {phase}")
            work.check_stop()
            time.sleep(_POLL_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


def _ended(work: Work, request: Request, limit: Limit, code: int, resident: int) -> Ended:
    if code == 0 and request.result.is_file():
        measured: dict[str, Any] = json.loads(request.result.read_text(encoding="utf-8"))
        peak = int(measured["peak_bytes"])
        fits = peak * limits.MARGIN <= limit.bytes
        return Ended(fits, peak, request.phase, measured)
    words = request.errors.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS:]
    judged = "Traceback (most recent call last)" in words  # by the process itself: not memory
    if code == OUT_OF_MEMORY or (not judged and limits.killed_for_memory(code, words)):
        work.log(_last_line(words) or f"ended with code {code}")
        return Ended(fits=False, peak_bytes=resident, phase=request.phase, measured={})
    work.log(words, "trace")
    raise TunesmithError(
        f"The fit gate's attempt failed while {request.phase}, and not for want of memory: "
        f"{_last_line(words) or f'exit code {code}'}.",
        "Change the setting it names, or report it with the job's log.",
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else ""
