"""Time from starting the process to the first frame of home, with 1,000 runs in a cold store.

    python benchmarks/first_paint.py [--times 10] [--limit 300]

Prints one line a start and the median, in milliseconds; exits 1 when the median is over the limit.
A start is timed on a pseudo-terminal of 80x24, up to the bytes that draw home's list of runs.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

from engine.base.store import Store

RUNS = 1000
MARK = f"run-{RUNS}".encode()  # the newest run's name, drawn in the table's first row


def main() -> int:
    """Measure and print; return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=10)
    arguments.add_argument("--limit", type=float, default=300.0, help="milliseconds")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template"
        fill(template, RUNS)
        took = []
        for number in range(options.times):
            workspace = Path(folder) / str(number)
            cold_copy(template, workspace)
            took.append(1000 * first_paint(workspace))
            print(f"start {number + 1:2d}   {took[-1]:6.0f} ms")
    median = statistics.median(took)
    print(f"median     {median:6.0f} ms   (limit {options.limit:.0f} ms)")
    return int(median > options.limit)


def fill(workspace: Path, runs: int) -> None:
    """Make a store with so many finished runs, each with scores and a validation curve."""
    store = Store(workspace)
    now = time.time()
    project = {"id": 1, "name": "p", "path": "p", "task": "extraction", "base_model": "m"}
    store.insert("projects", {**project, "created": now})
    counts = dict.fromkeys(
        ("rows_read", "rows_kept", "train", "validation", "test", "golden", "tokens_train"), 100
    )
    dataset = {"id": "d", "project_id": 1, "path": "d", "tokens_longest": 9, "created": now}
    store.insert("datasets", {**dataset, **counts})
    predicted = {f"predicted_{name}": 1 for name in ("peak_bytes", "seconds", "joules")}
    plan = {"id": 1, "project_id": 1, "dataset_id": "d", "recipe": "sft-lora", "method": "lora"}
    store.insert(
        "plans",
        {**plan, **predicted, "predicted_disk_bytes": 1, "model": "m", "device": "cpu"}
        | {"created": now},
    )
    keys = range(1, runs + 1)
    job = {"kind": "train", "project_id": 1, "state": "done"}
    store.insert_all("jobs", [{**job, "id": i, "created": now} for i in keys])
    run = {"project_id": 1, "dataset_id": "d", "plan_id": 1, "model": "smollm2-135m-instruct"}
    run |= {"method": "lora", "path": "r", "step": 200, "steps": 200}
    store.insert_all(
        "runs",
        [{**run, "id": i, "name": f"run-{i}", "job_id": i, "created": now + i} for i in keys],
    )
    score = {"project_id": 1, "dataset_id": "d", "subject": "tuned", "split": "test", "model": "m"}
    score |= {"rows": 100, "seconds": 1.0, "created": now}
    store.insert_all("scores", [{**score, "id": i, "run_id": i} for i in keys])
    metric = {"metric": "exact_match", "value": 0.9, "low": 0.8, "high": 0.95, "n": 100}
    store.insert_all("score_metrics", [{**metric, "score_id": i} for i in keys])
    store.insert_all("series", [{"id": i, "run_id": i, "name": "validation_loss"} for i in keys])
    store.insert_all(
        "points",
        [
            {"series_id": i, "step": step, "at": now, "value": 0.4}
            for i in keys
            for step in range(20, 201, 20)
        ],
    )
    store.close()


def cold_copy(template: Path, workspace: Path) -> None:
    """Copy a workspace and drop it from the kernel's page cache."""
    shutil.copytree(template, workspace)
    for file in workspace.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def first_paint(workspace: Path) -> float:
    """Start the interface on a pseudo-terminal; return the seconds until home was drawn."""
    terminal, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    environment.pop("SSH_CONNECTION", None)
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tui.cli", "--workspace", str(workspace)],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
        env=environment,
    )
    os.close(inner)
    seen = b""
    try:
        while MARK not in seen.partition(b"\x1b[?1049h")[2]:
            if not select.select([terminal], [], [], 10)[0]:
                raise SystemExit(f"no frame after 10 s; it said {seen[-500:]!r}")
            seen += os.read(terminal, 65536)
        return time.perf_counter() - start
    finally:
        process.send_signal(signal.SIGTERM)
        _drain(terminal, process)
        os.close(terminal)


def _drain(terminal: int, process: subprocess.Popen[bytes]) -> None:
    """Read until the process has left, so that it is never stopped by a full terminal."""
    while process.poll() is None:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:
                break
    process.wait(5)


if __name__ == "__main__":
    sys.exit(main())
