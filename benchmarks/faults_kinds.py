"""The kinds of harm that `faults.py` does, each to a real training in a process of its own."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from faults_bench import cases, size, unfinished, valid
from faults_harm import Harm, Unharmed

from engine.base import jobs
from engine.base.store import Row

# The files of a checkpoint in the order of their writing; the first moment is before all of them.
_WRITTEN = (
    "",
    "adapter_model.safetensors",
    "training_args.bin",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
)
GROUPS = Path("/sys/fs/cgroup/memory")


class Kill(Harm):
    """`kill -9` of the worker: every third one amid a checkpoint's writing, the others anywhere."""

    part = "kills"
    of_a_run = 6

    def _harm(self, run: int, job: int, chance: random.Random) -> dict[str, Any]:
        folder = self.bench.saves(run)
        before, aimed = valid(folder), chance.random() < 0.45
        (self._amid_a_save if aimed else self._anywhere)(run, job, chance)
        row = jobs.get(self.bench.store, job)
        if row["state"] not in jobs.OPEN:
            raise Unharmed
        os.kill(row["pid"], signal.SIGKILL)
        while jobs.started_at(row["pid"]) is not None:
            time.sleep(0.005)
        # Nobody writes any more: what the folder holds is what the kill found.
        partial = unfinished(folder)
        seen = self.bench.seen(job)
        return {
            "what": f"{_where(row, partial, self.bench.step(run))}",
            "aimed": aimed,
            "step": self.bench.step(run),
            "complete": valid(folder),
            "before": before,
            "unfinished": partial,
            "faults": _faults(
                seen, "lost", f"tunesmith resume {job}", "The worker process is gone"
            ),
        }

    def _anywhere(self, run: int, job: int, chance: random.Random) -> None:
        """Wait for a moment, each as likely, between the worker's start and the run's end."""
        took = jobs.get(self.bench.store, self.undisturbed["job_id"])
        loop = self.undisturbed["seconds"]
        startup = took["ended"] - took["started"] - loop
        newest = max(valid(self.bench.saves(run)), default=0)
        rest = loop * (1 - newest / self.undisturbed["steps"])
        moment = time.monotonic() + chance.uniform(0, startup + rest)
        for _ in self.bench.poll(job, moment - time.monotonic(), 0.003):
            pass

    def _amid_a_save(self, run: int, job: int, chance: random.Random) -> None:
        """Wait until some checkpoint ahead is being written, and a file of it has appeared."""
        folder, skip = self.bench.saves(run), chance.choice((0, 0, 1, 2))
        wanted, counted = chance.choice(_WRITTEN), set[int]()
        for _ in self.bench.poll(job, pause=0.0005):
            new = unfinished(folder).keys() - counted
            if new and len(counted) >= skip:
                step = min(new)
                while wanted and wanted not in unfinished(folder).get(step, [wanted]):
                    time.sleep(0.0002)
                return
            counted |= new
        raise Unharmed


def _where(job: Row, partial: dict[int, list[str]], step: int) -> str:
    if partial:
        return "inside a checkpoint's writing"
    if job["note"] == "training" or step:
        return {"training": "between two saves"}.get(job["note"], job["note"] or job["state"])
    return job["note"] or job["state"]


class FullDisk(Harm):
    """A disk that is full, but for a random rest, while the run goes on and wants to save."""

    part = "disk"
    _bytes = 96 << 20

    def __init__(self, *arguments: Any, runs_only: bool) -> None:
        super().__init__(*arguments, name="only runs/ full" if runs_only else "all of it full")
        self._mount = self._folder / ("disk-runs" if runs_only else "disk")
        self.workspace = self._folder / "half-full" if runs_only else self._mount / "workspace"
        if runs_only:
            self._mount = self.workspace / "runs"
        self._filler = self._mount / "filler"
        if os.geteuid() != 0:
            self.refused = "only root can mount a disk of its own"

    def __enter__(self) -> None:
        self._mount.mkdir(parents=True, exist_ok=True)
        if not os.path.ismount(self._mount):
            options = f"size={self._bytes}"
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tunesmith", self._mount], check=True
            )
        super().__enter__()

    def clear(self) -> None:
        """Take the disk away."""
        if os.path.ismount(self._mount):
            subprocess.run(["umount", "--lazy", self._mount], check=True)

    def _harm(self, run: int, job: int, chance: random.Random) -> dict[str, Any]:
        self._reach(run, job, self._random_step(run, chance))
        one = size(self.bench.saves(self.undisturbed["id"]), self.undisturbed["steps"])
        left = round(chance.choice((0, chance.uniform(0, 1), chance.uniform(0, 1))) * one)
        self._fill(left)
        waits = False
        for _ in self.bench.poll(job, 60):
            waits = any("room" in line or "disk" in line for line in self.bench.log(job)[-2:])
            if waits:
                break
        row = jobs.get(self.bench.store, job)
        full = self.bench.call("jobs")
        self._filler.unlink()
        if row["state"] == "done":
            raise Unharmed
        said = f"{row['error']} {row['fix']} {' '.join(self.bench.log(job)[-2:])}"
        faults = [] if "disk is full" in said else [f"does not name the disk: {said}"]
        if not waits and not ("resume" in said and row["state"] == "failed"):
            faults.append(f"{row['state']}, without the way out")
        if full.returncode or "Traceback" in full.stderr:
            faults.append(f"`tunesmith jobs` failed meanwhile: {full.stderr[-300:]}")
        return {
            "what": _failed_at(row),
            "left": left,
            "said": said,
            "state": row["state"],
            "faults": faults,
        }

    def _fill(self, left: int) -> None:
        block = bytes(4096)
        with self._filler.open("wb") as out:
            while True:
                free = os.statvfs(self._mount)
                if free.f_bavail * free.f_frsize - left < len(block):
                    return
                out.write(block)
                out.flush()


def _failed_at(row: Row) -> str:
    if row["state"] in jobs.OPEN:
        return "a checkpoint's writing; the run waits for room"
    if "checkpoint" in (row["error"] or ""):
        return "a checkpoint's writing"
    if "runs.db" in (row["error"] or ""):
        return "the store's writing"
    return f"elsewhere ({row['state']})"


class LittleMemory(Harm):
    """A limit on the worker's memory, from the middle of the run on, that kills for real."""

    part = "memory"

    def __init__(self, *arguments: Any, kernel: bool) -> None:
        super().__init__(*arguments, name="killed by the kernel" if kernel else "ulimit -d")
        self._kernel = kernel
        self._group = GROUPS / f"tunesmith-faults-{os.getpid()}"
        if kernel and not os.access(GROUPS, os.W_OK):
            self.refused = "no control group of memory that this user may write"

    def _harm(self, run: int, job: int, chance: random.Random) -> dict[str, Any]:
        self._reach(run, job, max(2, self._random_step(run, chance)))
        pid = jobs.get(self.bench.store, job)["pid"]
        process = psutil.Process(pid)
        if self._kernel:
            self._group.mkdir(exist_ok=True)
            (self._group / "cgroup.procs").write_text(str(pid))
            used = process.memory_info().rss
            (self._group / "memory.limit_in_bytes").write_text(str(used // 20))
        else:
            used = process.memory_info().data
            process.rlimit(psutil.RLIMIT_DATA, (used // 4, used // 4))
        row = self.bench.wait(job)
        if self._kernel:
            process.wait(30)  # a group with someone in it stays
            self._group.rmdir()
        if row["state"] == "done":
            raise Unharmed
        said = f"{row['error']} {row['fix']}"
        faults = [] if "memory" in said.lower() else [f"does not name memory: {said}"]
        if "resume" not in said and "micro_batch" not in said:
            faults.append("without the way out")
        return {"what": f"step {self.bench.step(run)}", "said": said, "faults": faults}


class Damage(Harm):
    """Damage to checkpoints of a run that was killed."""

    part = "corrupt"

    def __init__(self, *arguments: Any, harmed: str) -> None:
        super().__init__(*arguments, name=harmed)
        self._harmed = harmed

    def _harm(self, run: int, job: int, chance: random.Random) -> dict[str, Any]:
        folder = self.bench.saves(run)
        for _ in self.bench.poll(job):
            if len(valid(folder)) >= 2:
                break
        else:
            raise Unharmed
        pid = jobs.get(self.bench.store, job)["pid"]
        os.kill(pid, signal.SIGKILL)
        while jobs.started_at(pid) is not None:
            time.sleep(0.005)
        steps = valid(folder)
        for step in steps if self._harmed == "all" else steps[-1:]:
            self._damage(folder / f"checkpoint-{step}", chance)
        line = self.bench.logged(job)
        self.bench.resume(job)
        self._reach(run, job, steps[-1] + 1)
        log = " ".join(self.bench.log(job, line))
        wanted = (
            ["starts over", "damaged"]
            if self._harmed == "all"
            else [f"resuming from the checkpoint of step {steps[-2]}", "damaged"]
        )
        if self._harmed == "manifest.json missing":
            wanted[-1] = "not complete"
        faults = [f"does not say `{words}`: {log[:300]}" for words in wanted if words not in log]
        return {"what": f"of {len(steps)}, newest step {steps[-1]}", "log": log, "faults": faults}

    def _damage(self, place: Path, chance: random.Random) -> None:
        if self._harmed == "manifest.json missing":
            (place / "manifest.json").unlink()
            return
        name = "adapter_model.safetensors" if self._harmed == "all" else self._harmed.split()[0]
        content = bytearray((place / name).read_bytes())
        if self._harmed.endswith("cut short"):
            del content[chance.randrange(len(content)) :]
        else:
            for _ in range(8):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        (place / name).write_bytes(content)


DAMAGES = (
    "adapter_model.safetensors changed",
    "optimizer.pt changed",
    "rng_state.pth changed",
    "trainer_state.json cut short",
    "manifest.json missing",
    "all",
)


def planned(part: str, folder: Path, seed: int, wanted: int, only: str) -> Iterator[Harm]:
    """Yield the kinds of harm of a part, the wanted number of events shared out among them."""
    known = [case for case in cases() if case.name.startswith(only)]
    if part == "kills":
        share = wanted / sum(case.share for case in known)
        ends = [round(share * sum(c.share for c in known[: i + 1])) for i in range(len(known))]
        for case, low, high in zip(known, [0, *ends], ends, strict=False):
            yield Kill(folder, case, seed, high - low)
    elif part == "disk":
        yield FullDisk(folder, known[0], seed, (wanted + 1) // 2, runs_only=False)
        yield FullDisk(folder, known[0], seed, wanted // 2, runs_only=True)
    elif part == "memory":
        yield LittleMemory(folder, known[0], seed, (wanted + 1) // 2, kernel=False)
        yield LittleMemory(folder, known[0], seed, wanted // 2, kernel=True)
    else:
        for harmed, _ in zip(itertools.cycle(DAMAGES), range(min(wanted, len(DAMAGES)))):
            yield Damage(folder, known[0], seed, 1, harmed=harmed)


def _faults(seen: dict[str, Any], state: str, way_out: str, what: str) -> list[str]:
    """Say what is wrong with a job as `tunesmith jobs` shows it, in JSON and to people."""
    found = [] if seen["state"] == state else [f"it is {seen['state']}, not {state}"]
    said = f"{seen['error']} {seen['fix']}"
    for words in (what, way_out):
        if words not in said:
            found.append(f"it does not say `{words}`: {said}")
        if words not in seen["table"]:
            found.append(f"the table does not say `{words}`")
    return found
