"""The training's side: starts the trackers that the plan names, and tells them every point.

Nothing here waits for a tracker. What one does not take at once is kept, up to a limit; one that
fails, or falls behind for good, is told of once in the job's log and then is off.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.base.store import Row
from engine.base.work import Stopped, Work
from engine.plan import trackers
from engine.plan.plan import Plan
from engine.run.metrics import Tell
from engine.run.trackers.described import Described, Memory, Outcome

_MOST_WAITING = 2_000_000  # bytes that a tracker may be behind
_END_SECONDS = 20.0  # that a finished training waits for its trackers
_POLL_SECONDS = 0.05


@contextmanager
def following(work: Work, run: Row, plan: Plan, folder: Path) -> Iterator[Tell | None]:
    """Yield what tells the plan's trackers a point; None where it names none.

    Args:
        work: The job, whose log gets a warning of what fails.
        run: The run's row.
        plan: Names the trackers in its setting `trackers`.
        folder: The run's folder.
    """
    # a plan made before the setting was there has none
    names = trackers.chosen(plan["trackers"]) if "trackers" in plan.values else ()
    if not names:
        yield None
        return
    described = Described.of(plan, run, work.project.name, folder, work.store.workspace)
    followers = Followers(work, described, names)
    outcome: Outcome = "failed"
    try:
        yield followers.tell
        outcome = "done"
    except Stopped:
        outcome = "stopped"
        raise
    finally:
        followers.close(outcome)


class Followers:
    """The trackers of a run, each in a process of its own.

    Args:
        work: The job.
        described: The run.
        names: The trackers' names.
    """

    def __init__(self, work: Work, described: Described, names: tuple[str, ...]) -> None:
        self._work = work
        self._feeds = [Feed(name, described) for name in names]
        self._drop()

    def tell(self, step: int, values: Mapping[str, float]) -> None:
        """Tell every tracker the values of a step; what is no number is left out."""
        numbers = {name: value for name, value in values.items() if math.isfinite(value)}
        line = json.dumps([step, numbers])
        for feed in self._feeds:
            feed.send(line)
        self._drop()

    def close(self, outcome: Outcome) -> None:
        """Tell them how it ended, and wait a little until they have handed everything over."""
        for feed in self._feeds:
            feed.send(json.dumps(outcome))
        end = time.monotonic() + _END_SECONDS
        for feed in self._feeds:
            feed.finish(end)
        self._drop()

    def _drop(self) -> None:
        for feed in [feed for feed in self._feeds if feed.fault]:
            self._feeds.remove(feed)
            self._work.log(
                f"{trackers.title(feed.name)} is off for the rest of this session: {feed.fault}. "
                "The training is not affected.",
                "warning",
            )


class Feed:
    """The pipe to one tracker's process.

    Args:
        name: The tracker's name.
        described: The run.

    Attributes:
        name: The tracker's name.
        fault: Why it is off; empty while it works.
    """

    def __init__(self, name: str, described: Described) -> None:
        self.name = name
        self.fault = ""
        self._folder = Path(described.folder)
        self._waiting = bytearray()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine.run.trackers.process", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=described.folder,
                start_new_session=True,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            )
        except OSError as error:
            self._off(f"its process could not be started ({error.strerror})")
            return
        os.set_blocking(self._pipe, False)
        self.send(described.line())

    def send(self, line: str) -> None:
        """Hand a line over, or keep it until the process takes it; never waits."""
        if self.fault:
            return
        self._waiting += line.encode() + b"\n"
        self._push()
        if len(self._waiting) > _MOST_WAITING:
            self._off("it does not keep up")

    def finish(self, end: float) -> None:
        """Hand over what is left and wait until the process has ended.

        Args:
            end: When to stop waiting, on the monotonic clock. A process that has all its points
                is then left to finish by itself.
        """
        while self._waiting and not self.fault and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
            self._push()
        if self._waiting and not self.fault:
            self._off("it did not take the last points in time")
        if self.fault or self._process is None:
            return
        self._close()
        try:
            self._process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.fault = "it was still sending when the training ended, and goes on by itself"
            return
        if self._process.returncode:
            self._off(self._told())

    @property
    def _pipe(self) -> int:
        assert self._process is not None
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    def _push(self) -> None:
        try:
            while self._waiting:
                del self._waiting[: os.write(self._pipe, self._waiting)]
        except BlockingIOError:
            return
        except OSError:
            assert self._process is not None
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL_SECONDS)  # it has closed its end, so it is ending
            self._off(self._told())

    def _told(self) -> str:
        """What the process said of its end."""
        return Memory.of(self._folder, self.name).failed or "its process ended"

    def _off(self, fault: str) -> None:
        self.fault = fault.rstrip(".")
        self._waiting.clear()
        if self._process is not None:
            self._close()
            self._process.kill()
            self._process.wait()

    def _close(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
