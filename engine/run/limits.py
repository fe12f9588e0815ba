"""What stops a process that takes too much memory, and how such an end is recognised.

Each limit counts in its own way (man 2 getrlimit). `ulimit -v` counts address space, of which torch
maps far more than it uses; `ulimit -d` counts what heap and private mappings may hold; a control
group, and the box itself, count resident pages. So a process is held to the first two by lowering
them, and to the last by measuring its resident peak.
"""

from __future__ import annotations

import resource
import signal
import sys
from dataclasses import dataclass

from engine.base.death import tells_of_memory
from engine.base.hardware import machine
from engine.run import memory

RESIDENT_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes

# What passed has this much room: shapes that change make the heap grow (about 10 % were seen).
MARGIN = 1.15

_COUNTED = {
    "address space that `ulimit -v` allows": resource.RLIMIT_AS,
    "memory that `ulimit -d` allows": resource.RLIMIT_DATA,
}
_UNDER_A_LIMIT = ("could not create a primitive",)  # oneDNN, which has other reasons for it too
_CRASHES = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS}


@dataclass(frozen=True)
class Limit:
    """The tightest limit on a process's memory.

    Attributes:
        bytes: How much there is.
        name: What limits it, in words.
    """

    bytes: int
    name: str


def present(device: str) -> Limit:
    """Return the tightest limit on a training that starts now.

    Args:
        device: `cpu`, or `gpu0` and so on.
    """
    box = machine.read()
    if device != "cpu":
        free = next((gpu.free for gpu in box.gpus if gpu.device == device), 0)
        return Limit(free, f"free memory of {device}")
    held_by = box.ram.limited_by if box.ram else ""
    found = [Limit(box.memory_free, held_by or "free memory")]
    for name, kind in _COUNTED.items():
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            found.append(Limit(soft, f"{name}, with what libraries reserve and never fill"))
    return min(found, key=lambda limit: limit.bytes)


def peak(device: str, available: int) -> int:
    """Return the highest use of this process in bytes, as the limit counts it.

    On a GPU that is what the allocator reserved at most, and what CUDA holds besides: the part of
    the board that is in use now, was free before, and is not the allocator's.

    Args:
        device: `cpu`, or `gpu0` and so on.
        available: Free bytes of the device before this process began.
    """
    if device == "cpu":
        return memory.peak(device)
    import torch

    free, _ = torch.cuda.mem_get_info()
    context = max(0, available - free - torch.cuda.memory_reserved())
    return int(torch.cuda.max_memory_reserved() + context)


def tighten(share: float) -> None:
    """Lower this process's own limits to a share, so that what passes has room left.

    Args:
        share: Of the present limits, 0 to 1.
    """
    for kind in _COUNTED.values():
        soft, hard = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            resource.setrlimit(kind, (int(soft * share), hard))


def is_memory(error: BaseException | None) -> bool:
    """Say whether an error, or what caused it, is a lack of memory."""
    limited = _limited()
    while error is not None:
        text = str(error)
        if isinstance(error, MemoryError) or tells_of_memory(text):
            return True
        if limited and any(words in text for words in _UNDER_A_LIMIT):
            return True
        error = error.__cause__ or error.__context__
    return False


def killed_for_memory(code: int, last_words: str) -> bool:
    """Say whether a process that ended by itself ended for want of memory.

    The kernel kills with SIGKILL. Under a limit, libraries crash where an allocation fails.

    Args:
        code: Its exit code, negative for a signal.
        last_words: The end of what it wrote to standard error.
    """
    if code == -signal.SIGKILL or tells_of_memory(last_words):
        return True
    return _limited() and -code in _CRASHES


def _limited() -> bool:
    return any(resource.getrlimit(kind)[0] != resource.RLIM_INFINITY for kind in _COUNTED.values())
