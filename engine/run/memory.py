"""How much memory this process uses, on the device it trains on, in bytes."""

from __future__ import annotations

import resource
import sys

import psutil

_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def used(device: str) -> int:
    """Return the present use: resident main memory on a CPU, tensors' highest so far on a GPU."""
    return psutil.Process().memory_info().rss if device == "cpu" else peak(device)


def peak(device: str) -> int:
    """Return the highest use since the process began."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    import torch

    return int(torch.cuda.max_memory_allocated())
