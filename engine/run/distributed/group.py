"""The processes of one training talk: what to train, what was asked, whether another is gone.

Imported inside the training job only, because it needs `torch`. Messages go over gloo, tensors on
a GPU over NCCL.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from engine.base import ranks
from engine.base.errors import TunesmithError
from engine.data.dataset import Dataset
from engine.plan.plan import Plan

_LOST = ("connection closed by peer", "connection reset by peer", "gloo", "broken pipe")
_LOST_TYPES = {"DistBackendError", "DistNetworkError", "DistStoreError"}


@dataclass(frozen=True)
class Brief:
    """What process 0 tells the others, who do not open the store.

    Attributes:
        plan: Every setting.
        data: The dataset.
        instruction: The system prompt.
        folder: Where the run's checkpoints are.
        last: The checkpoint to go on from, or None.
    """

    plan: Plan
    data: Dataset
    instruction: str
    folder: Path
    last: Path | None


def join() -> None:
    """Meet the other processes; each then has its own GPU where there are any."""
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(ranks.local())
    if not distributed.is_initialized():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")


def tell(brief: Brief | None) -> None:
    """Tell the other processes what to train; None when there is nothing left to do.

    Raises:
        TunesmithError: There are more or fewer processes than the plan says.
    """
    wrong = brief is not None and brief.plan.processes != ranks.world()
    distributed.broadcast_object_list([None if wrong else brief])
    if brief is not None and wrong:
        raise TunesmithError(
            f"The plan trains over {brief.plan.processes} processes; {ranks.world()} were started.",
            "Start as many as the plan says (`torchrun --nnodes`, `--nproc-per-node`).",
            "processes",
        )


def hear() -> Brief | None:
    """Wait for what process 0 tells."""
    heard: list[Any] = [None]
    distributed.broadcast_object_list(heard)
    brief: Brief | None = heard[0]
    return brief


def added(numbers: list[int]) -> list[int]:
    """Return the sums of all processes' numbers."""
    total = torch.tensor(numbers, dtype=torch.int64)
    distributed.all_reduce(total)
    return [int(number) for number in total]


def wait() -> None:
    """Wait until all processes have come this far."""
    distributed.all_reduce(torch.zeros(1))


def collected(content: bytes) -> list[bytes]:
    """Return every process's content on process 0, in their order; an empty list on the others."""
    lists: list[Any] | None = [None] * ranks.world() if ranks.rank() == 0 else None
    distributed.gather_object(content, lists)
    return lists or []


def is_loss(error: BaseException) -> bool:
    """Say whether an error only tells that another process is gone."""
    if any(kind.__name__ in _LOST_TYPES for kind in type(error).__mro__):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _LOST)
