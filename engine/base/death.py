"""Why a worker is gone that could not say so: its last words, and the kernel's count of kills."""

from __future__ import annotations

from pathlib import Path

GONE = "The worker process is gone."
_VMSTAT = Path("/proc/vmstat")
_TAIL_BYTES = 4096
_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "bad_alloc",
    "memoryerror",
    "unable to mmap",
    "failed to map segment",
    "memory allocation of",  # Rust's last words
    "can't start new thread",
    "pthread_create failed",
    "thread creation failed",
    "could not create a memory",  # oneDNN
    "errno 12",
    "os error 12",
)


def kills_for_memory() -> int | None:
    """Return how many processes the kernel has killed for want of memory; None where it is silent.

    It counts the whole box, with every control group.
    """
    try:
        lines = _VMSTAT.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def tells_of_memory(text: str) -> bool:
    """Say whether a text, such as a process's last words, tells of a lack of memory."""
    lower = text.lower()
    return any(words in lower for words in _WORDS)


def of_memory(log: Path, begins: int, kills: int | None) -> str:
    """Return the sign that a worker died for want of memory, as a sentence; empty without one.

    Args:
        log: What the process printed.
        begins: Where in it this worker's words begin, in bytes.
        kills: What `kills_for_memory` returned when the worker began.
    """
    if tells_of_memory(_tail(log, begins)):
        return "The worker process died for want of memory."
    now = kills_for_memory()
    if kills is not None and now is not None and now > kills:
        return f"{GONE} Meanwhile the kernel killed a process for want of memory, maybe this one."
    return ""


def _tail(log: Path, begins: int) -> str:
    try:
        with log.open("rb") as stream:
            end = stream.seek(0, 2)
            stream.seek(max(begins, end - _TAIL_BYTES, 0))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
