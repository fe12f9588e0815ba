"""Over processes, nodes, Ray and kills: the largest difference of a loss to one process's.

    python benchmarks/ranks.py [--ray PYTHON]

Trains a small random model, 8 steps in fp32, the last of each epoch uneven. The two kinds of kill
train with dropout and are compared with an undisturbed training over two processes, to the byte.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from engine.base import jobs
from engine.base.model import EMBEDDED, locate
from tests.engine.run.distributed import namespaces
from tests.engine.run.distributed.conftest import Bench, make_bench
from tests.engine.run.distributed.test_two import DROPPED, reach, workers


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--ray", default="", help="a Python that has ray")
    told = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = make_bench(Path(folder), locate(EMBEDDED))
        alone = bench.done()
        _row("one process again", _apart(bench, alone, bench.done()))
        _row("two processes, micro-batches dealt", _apart(bench, alone, bench.done(processes=2)))
        cut = {"micro_batch": 4, "accumulation": 1}
        one = bench.done(**cut)
        _row("two processes, micro-batch cut", _apart(bench, one, bench.done(processes=2, **cut)))
        _row("two network namespaces", _nodes(bench, alone))
        _row("two workers of Ray", _ray(bench, alone, told.ray))
        quiet = bench.done(**DROPPED)
        for rank in (0, 1):
            _row(f"kill of process {rank}, resumed", _killed(bench, quiet, rank))


def _row(name: str, found: str) -> None:
    print(f"{name:36} {found}", flush=True)


def _apart(bench: Bench, one: int, other: int) -> str:
    found = []
    for name in ("loss", "validation_loss"):
        pairs = zip(bench.curve(one, name), bench.curve(other, name), strict=True)
        found.append(f"{name} {max(abs(a - b) for a, b in pairs):.1e}")
    return "   ".join(found)


def _nodes(bench: Bench, alone: int) -> str:
    if reason := namespaces.refused():
        return f"skipped: {reason}"
    run_id, job_id = bench.queue(processes=2)
    with namespaces.nodes() as names:
        codes = namespaces.torchrun(names, str(bench.store.workspace), str(job_id))
    return _apart(bench, alone, run_id) if codes == [0, 0] else f"failed: {codes}"


def _ray(bench: Bench, alone: int, python: str) -> str:
    if not python:
        return "skipped: no Python with ray was named"
    run_id, job_id = bench.queue(processes=2)
    module = "engine.run.distributed.ray_entry"
    words = [python, "-P", "-m", module, str(bench.store.workspace), str(job_id), "2", "cpu"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return _apart(bench, alone, run_id) if done.returncode == 0 else f"failed: {done.stderr[-300:]}"


def _killed(bench: Bench, quiet: int, rank: int) -> str:
    run_id, job_id = bench.start(**DROPPED)
    step = random.randint(1, 6)
    reach(bench, run_id, step)
    os.kill(workers(bench, job_id)[rank], signal.SIGKILL)
    said = bench.wait(job_id)["error"]
    jobs.restart(bench.store, job_id)
    bench.wait(job_id)
    same = "same bytes" if bench.adapter(run_id) == bench.adapter(quiet) else "OTHER BYTES"
    return f"at step {step}: {said} {same}"


if __name__ == "__main__":
    main()
