"""Process 0 leads: the others wait for what it tells, and are sent home when there is nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.base import project, ranks
from engine.base.work import Work
from engine.data import dataset
from engine.plan.plan import Plan

_told: list[bool] = []


@contextmanager
def others() -> Iterator[None]:
    """Meet the other processes, if there are any; none waits when the block ends without a word."""
    if ranks.world() == 1:
        yield
        return
    from engine.run.distributed import group

    group.join()
    try:
        yield
    finally:
        if not _told:
            group.tell(None)


def tell(work: Work, plan: Plan, folder: Path, last: Path | None) -> None:
    """Tell the other processes, if there are any, what to train.

    Args:
        work: The job.
        plan: Every setting.
        folder: Where the run's checkpoints are.
        last: The checkpoint to go on from, or None.

    Raises:
        TunesmithError: There are more or fewer processes than the plan says.
    """
    if ranks.world() == 1:
        return
    from engine.run.distributed import group

    data = dataset.load(work.store, plan.dataset_id)
    instruction = project.load(folder.parent).objective.instruction
    _told.append(True)
    group.tell(group.Brief(plan, data, instruction, folder, last))
