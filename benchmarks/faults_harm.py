"""What all kinds of harm share: a run to harm, its resumes, its end, and the comparison."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from faults_bench import Bench, Case

from engine.base import jobs


class Unharmed(Exception):  # noqa: N818 - nothing went wrong
    """The run ended before it could be harmed."""


class Harm:
    """One kind of harm to one kind of training; as a context it makes and removes what it needs.

    Args:
        folder: The benchmark's folder.
        case: The kind of training.
        seed: What chance is drawn from.
        wanted: How many events.

    Attributes:
        part: The part of the benchmark.
        name: What the table calls it.
        of_a_run: Events that one run takes before it may end.
        refused: Why it cannot be done here; empty where it can.
    """

    part: ClassVar[str]
    of_a_run = 1

    def __init__(self, folder: Path, case: Case, seed: int, wanted: int, name: str = "") -> None:
        self.case = case
        self.name = name or case.name
        self.wanted = wanted
        self.refused = ""
        self.workspace = folder / "workspace"
        self._folder = folder
        self._seed = seed

    def __enter__(self) -> None:
        self.bench = Bench(self._folder, self.workspace)
        self.undisturbed = self.bench.reference(self.case)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.bench.store.close()

    def clear(self) -> None:
        """Remove what would outlive the benchmark; all events are counted."""

    def begin(self, run: int | None) -> tuple[int, int]:
        """Start a run, or go on with one that an earlier slice left."""
        if run is None:
            return self.bench.train(self.case, f"{self.part} {self.name}")
        job = self.bench.store.scalar("SELECT job_id FROM runs WHERE id = ?", (run,))
        return run, job

    def strike(self, run: int, job: int, number: int) -> dict[str, Any]:
        """Resume the run where it is not at work, and harm it.

        Returns:
            `what` was struck, and the `faults` of what the program then did and said.

        Raises:
            Unharmed: It ended first.
        """
        self._go_on(job)
        drawn = (
            f"{self._seed} {self.part} {self.name} {number} {run}"  # another where it ended first
        )
        return self._harm(run, job, random.Random(drawn))

    def _harm(self, run: int, job: int, chance: random.Random) -> dict[str, Any]:
        """Harm a run that is at work. Everything else: see `strike`."""
        raise NotImplementedError

    def finish(self, run: int, job: int) -> list[str]:
        """Let a run end; return in what it differs from the undisturbed one."""
        self._go_on(job)
        row = self.bench.wait(job)
        if row["state"] != "done":
            return [f"{row['state']}: {row['error']} {row['fix']}"]
        return self.bench.differences(run, self.undisturbed["id"])

    def pause(self, job: int) -> None:
        """End a worker that was just started, until the next slice; nothing of it is lost."""
        row = jobs.get(self.bench.store, job)
        if row["state"] in jobs.OPEN and row["pid"]:
            os.kill(row["pid"], signal.SIGKILL)

    def _go_on(self, job: int) -> None:
        if jobs.get(self.bench.store, job)["state"] not in (*jobs.OPEN, "done"):
            self.bench.resume(job)

    def _reach(self, run: int, job: int, step: int) -> None:
        """Wait until a run has done a step."""
        for _ in self.bench.poll(job):
            if self.bench.step(run) >= step:
                return
        raise Unharmed

    def _random_step(self, run: int, chance: random.Random) -> int:
        """Return a step ahead of a run that leaves two fifths of the rest to it."""
        rest = self.undisturbed["steps"] - self.bench.step(run)
        return self.bench.step(run) + round(chance.uniform(0.05, 0.6) * rest)
