"""The line of jobs under `kill -9`: every job done, once, one at a time, in order.

    python -P benchmarks/queue_kills.py [--jobs 20] [--kills 60] [--seed N] [--limit 400]

Submits jobs with random priorities and needs, a third with jobs to follow, then kills workers,
watching verbs, `resume --lost` itself and the full screen at random moments, moves jobs in line,
and resumes what was lost. Triggers in the store, not the program, record who began and ended when,
and who then stood before it. Prints a table and the seed; exits 1 when anything was broken.

The stage is a wait (`queue_worker.py`); worker, line, locks, verbs and screen are the product's.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from engine.base import jobs, project
from engine.base.jobs import Turn
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store

WORKER = Path(__file__).with_name("queue_worker.py")
_BEFORE = """(SELECT group_concat(j.id || ':' || j.pid) FROM jobs j
    WHERE j.state IN ('queued', 'waiting') AND j.id <> NEW.id AND j.heartbeat > {now} - 10
      AND (-j.priority, j.place, j.id) < (-NEW.priority, NEW.place, NEW.id)
      AND NOT EXISTS (SELECT 1 FROM job_needs n JOIN jobs d ON d.id = n.needs_id
        WHERE n.job_id = j.id AND d.state <> 'done'))"""
_BESIDE = """(SELECT group_concat(j.id || ':' || j.pid) FROM jobs j
    WHERE j.state = 'running' AND j.id <> NEW.id)"""
_UNMET = """(SELECT count(*) FROM job_needs n JOIN jobs d ON d.id = n.needs_id
    WHERE n.job_id = NEW.id AND d.state <> 'done')"""
_NOW = "((julianday('now') - 2440587.5) * 86400)"


@dataclass
class Bench:
    """A workspace under fire.

    Attributes:
        store: Its store.
        dice: All randomness.
        killed: When each process was killed, in seconds since the epoch, by pid.
        helpers: Verbs and screens at work.
        counts: What was done how often.
    """

    store: Store
    dice: random.Random
    killed: dict[int, float] = field(default_factory=dict)
    helpers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def submit(self, folder: Path, number: int) -> None:
        """Submit the jobs: random priorities and needs, every third with two that follow."""
        ids: list[int] = []
        for place in range(number):
            needs = (self.dice.choice(ids),) if ids and self.dice.random() < 0.25 else ()
            turn = Turn(priority=self.dice.choice((-1, 0, 0, 0, 1, 2)), needs=needs)
            args = {"root": place, "then": ["eval", "export"] if place % 3 == 0 else []}
            args["steps"] = self.dice.randint(4, 16)
            ids.append(jobs.submit(self.store, "fit", folder, args, turn=turn))

    def verb(self, *arguments: str) -> None:
        """Start a verb in the background."""
        command = [sys.executable, "-P", WORKER, "verb", "--workspace", str(self.store.workspace)]
        self.helpers.append(
            subprocess.Popen(
                [*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )
        self.counts[f"started: {arguments[0] if arguments else 'screen'}"] += 1

    def screen(self) -> None:
        """Open the full screen on a terminal of its own."""
        leader, terminal = pty.openpty()
        command = [sys.executable, "-P", WORKER, "verb", "--workspace", str(self.store.workspace)]
        self.helpers.append(
            subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)
        )
        os.close(terminal)
        os.set_blocking(leader, False)
        self.counts["started: screen"] += 1

    def disturb(self) -> None:
        """Do one random thing to the running whole."""
        open_jobs = self.store.rows(
            "SELECT id, pid, state FROM jobs WHERE state IN ('queued', 'waiting', 'running')"
        )
        what = self.dice.random()
        if what < 0.5 and open_jobs:
            running = [job for job in open_jobs if job["state"] == "running"]
            job = self.dice.choice(running if running and self.dice.random() < 0.5 else open_jobs)
            if job["pid"] is not None and self.kill(job["pid"]):
                self.counts[f"killed: worker, {job['state']}"] += 1
        elif what < 0.6 and self.helpers:
            helper = self.dice.choice(self.helpers)
            if helper.poll() is None:
                helper.kill()
                verbs = [word for word in ("watch", "move", "resume") if word in helper.args]  # type: ignore[operator]
                self.counts[f"killed: {verbs[0] if verbs else 'screen'}"] += 1
        elif what < 0.75 and open_jobs:
            job_id = str(self.dice.choice(open_jobs)["id"])
            if self.dice.random() < 0.5:
                self.verb("watch", job_id, "--json")
            else:
                self.verb("move", job_id, self.dice.choice(("first", "up", "down", "last")))
        elif what < 0.77:
            self.screen()
        else:
            self.verb("resume", "--lost")

    def kill(self, pid: int) -> bool:
        """Kill a worker; note the moment before."""
        if jobs.started_at(pid) is None:
            return False
        self.killed.setdefault(pid, time.time())
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def left(self) -> int:
        """How many jobs are not done."""
        return int(self.store.scalar("SELECT count(*) FROM jobs WHERE state <> 'done'"))

    def run(self, kills: int, limit: float) -> None:
        """Kill until the kills are spent, then resume until all is done or the time is up."""
        end = time.monotonic() + limit
        while self.left() and time.monotonic() < end:
            self.helpers = [helper for helper in self.helpers if helper.poll() is None]
            if len(self.killed) < kills:
                self.disturb()
            elif not self.helpers:
                self.verb("resume", "--lost")
            else:
                for helper in self.helpers:
                    if helper.args[-2:] != ["resume", "--lost"]:  # type: ignore[index]
                        helper.kill()
            time.sleep(self.dice.uniform(0.02, 0.4))
        for helper in self.helpers:
            helper.kill()
            helper.wait()

    def verdict(self) -> list[str]:
        """Return what was broken, as sentences."""
        wrong = [f"job {job} is {state}" for job, state in self.store.rows(
            "SELECT id, state FROM jobs WHERE state <> 'done'")]  # fmt: skip
        for job, times in self.store.rows(
            "SELECT job_id, count(*) FROM events WHERE what = 'done' GROUP BY 1"
        ):
            if times != 1:
                wrong.append(f"job {job} was done {times} times")
        chains = Counter(
            (json.loads(row["args"])["root"], row["kind"])
            for row in self.store.rows("SELECT kind, args FROM jobs")
        )
        wrong += [f"root {root} has {n} jobs {kind}" for (root, kind), n in chains.items() if n > 1]
        for event in self.store.rows("SELECT * FROM events WHERE what = 'running'"):
            for name in ("before", "beside"):
                for pair in filter(None, (event[name] or "").split(",")):
                    job, pid = map(int, pair.split(":"))
                    if self.killed.get(pid, float("inf")) > event["at"]:
                        wrong.append(f"job {event['job_id']} began with job {job} {name} it")
            if event["unmet"]:
                wrong.append(f"job {event['job_id']} began before what it needs was done")
        overlaps = self.store.workspace / "overlaps"
        return wrong + (overlaps.read_text().splitlines() if overlaps.exists() else [])

    def table(self) -> None:
        """Print each job's story, and what was done to all of them."""
        print("job  kind    priority  needs  begun  done at, as number")
        done = self.store.rows("SELECT job_id FROM events WHERE what = 'done' ORDER BY id")
        order = {row["job_id"]: number for number, row in enumerate(done, 1)}
        for row in self.store.rows(
            "SELECT id, kind, priority, (SELECT group_concat(needs_id) FROM job_needs "
            "WHERE job_id = jobs.id) AS needs, (SELECT count(*) FROM events e "
            "WHERE e.job_id = jobs.id AND what = 'running') AS begun FROM jobs"
        ):
            print(
                f"{row['id']:3d}  {row['kind']:6s}  {row['priority']:8d}  {row['needs'] or '':>5s}"
                f"  {row['begun']:5d}  {order.get(row['id'], 0):4d}"
            )
        for name, times in sorted(self.counts.items()):
            print(f"{name:28s}{times:6d}")


def main() -> int:
    """Run and print; return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--jobs", type=int, default=20)
    arguments.add_argument("--kills", type=int, default=60, help="workers to kill")
    arguments.add_argument("--seed", type=int, default=None)
    arguments.add_argument("--limit", type=float, default=400.0, help="seconds")
    options = arguments.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory() as name:
        os.environ["TMPDIR"] = tempfile.tempdir = name  # a device lock of its own
        bench = prepare(Path(name), seed)
        began = time.monotonic()
        bench.submit(Path(name), options.jobs)
        bench.run(options.kills, options.limit)
        bench.table()
        wrong = bench.verdict()
        number = bench.store.scalar("SELECT count(*) FROM jobs")
        print(f"seed {seed}: {number} jobs, {len(bench.killed)} workers killed, "
              f"{time.monotonic() - began:.0f} s")  # fmt: skip
        print("\n".join(wrong) if wrong else "all done, each once, one at a time, in order")
    return int(bool(wrong))


def prepare(folder: Path, seed: int) -> Bench:
    """Make a project and a workspace that records what happens in it."""
    described = Project(
        name="queue",
        objective=Objective(instruction="Wait.", prompt="Wait.", fields=("a",)),
        data=DataSettings(sources=("rows.jsonl",)),
    )
    project.save(described, folder)
    store = Store(folder / "workspace")
    jobs.WORKER = (sys.executable, "-P", str(WORKER))
    store.execute(
        "CREATE TABLE events (id INTEGER PRIMARY KEY, at REAL, job_id INTEGER, what TEXT, "
        "before TEXT, beside TEXT, unmet INTEGER)"
    )
    before = _BEFORE.format(now=_NOW)
    store.execute(
        f"CREATE TRIGGER begun AFTER UPDATE OF state ON jobs WHEN NEW.state = 'running' BEGIN "
        f"INSERT INTO events (at, job_id, what, before, beside, unmet) "
        f"VALUES ({_NOW}, NEW.id, 'running', {before}, {_BESIDE}, {_UNMET}); END"
    )
    store.execute(
        f"CREATE TRIGGER ended AFTER UPDATE OF state ON jobs WHEN NEW.state = 'done' BEGIN "
        f"INSERT INTO events (at, job_id, what) VALUES ({_NOW}, NEW.id, 'done'); END"
    )
    return Bench(store, random.Random(seed))


if __name__ == "__main__":
    sys.exit(main())
