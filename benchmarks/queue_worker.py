"""A worker and a command line whose stages only wait; `queue_kills.py` and the tests run it.

    python -P benchmarks/queue_worker.py WORKSPACE JOB_ID     works on a job
    python -P benchmarks/queue_worker.py verb ARGUMENTS...    is `tunesmith ARGUMENTS...`

Everything but the stage is the product's own. The stage holds the device for a moment, in steps,
and notes in `at-work` beside the store who has it, so that two at once would be seen.
"""

from __future__ import annotations

import os
import random
import sys
import time

from engine import worker
from engine.base import jobs
from engine.base.work import Work

STEPS = 4


def stage(work: Work) -> None:
    """Hold the device for a fraction of a second; complain about anybody else who has it."""
    note = work.store.workspace / "at-work"
    try:
        other = int(note.read_text())
        if other != os.getpid() and jobs.started_at(other) is not None:
            overlap = work.store.workspace / "overlaps"
            with overlap.open("a") as file:
                file.write(f"{other} and {os.getpid()}\n")
    except (FileNotFoundError, ValueError):
        pass
    note.write_text(str(os.getpid()))
    steps = int(work.args.get("steps", STEPS))
    for step in range(steps):
        work.check_stop()
        work.progress(step, steps, "holding the device")
        time.sleep(random.uniform(0.02, 0.1))
    work.progress(steps, steps, "holding the device")
    if note.read_text() != str(os.getpid()):
        with (work.store.workspace / "overlaps").open("a") as file:
            file.write(f"{note.read_text()} came while {os.getpid()} was at work\n")
    note.unlink()


def main() -> int:
    """Work on a job, or run a verb, with the stages and the worker of this file."""
    jobs.WORKER = worker.WORKER = (sys.executable, "-P", __file__)
    for kind in worker.STAGES:
        worker.STAGES[kind] = ("__main__", "stage", True)
    if sys.argv[1] != "verb":
        return worker.main()
    del sys.argv[1]
    from tui import cli

    cli.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
