"""Which of several training processes this one is, as torchrun, a batch system or Ray says it.

`RANK` numbers the processes of one training from 0, `LOCAL_RANK` those of one box, `WORLD_SIZE` is
their number. Process 0 alone writes to the store.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLES = (
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "GROUP_WORLD_SIZE",
    "ROLE_RANK",
    "ROLE_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)
SUPERVISOR = "TUNESMITH_SUPERVISOR"
PEER_LOST = 75  # exit code of a process that ended because another one did

_PREFIXES = ("TORCHELASTIC_", "TUNESMITH_SUPERVISOR")


def launched() -> bool:
    """Say whether this process is one of several, or one that a launcher started alone."""
    return "RANK" in os.environ


def rank() -> int:
    """Return the number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def local() -> int:
    """Return the number of this process on its box, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def world() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1")) if launched() else 1


def supervisor() -> int | None:
    """Return the pid of the worker that started the processes of this box; None without one."""
    return int(os.environ[SUPERVISOR]) if launched() and SUPERVISOR in os.environ else None


def unranked(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a process that is none of these."""
    return {
        name: value
        for name, value in environment.items()
        if name not in VARIABLES and not name.startswith(_PREFIXES)
    }
