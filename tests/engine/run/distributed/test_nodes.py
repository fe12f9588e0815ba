"""The same training over two nodes, and on Ray: the losses of one process."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from engine.base import jobs
from tests.engine.run.distributed import namespaces

pytestmark = pytest.mark.slow
RAY = os.environ.get("TUNESMITH_RAY_PYTHON") or (
    sys.executable if importlib.util.find_spec("ray") else ""
)


@pytest.fixture(scope="module")
def alone(bench):
    return bench.done()


def test_two_nodes_reach_the_losses_of_one_process(bench, alone):
    if reason := namespaces.refused():
        pytest.skip(f"no network namespaces here: {reason}")
    run_id, job_id = bench.queue(processes=2)
    with namespaces.nodes() as names:
        assert namespaces.torchrun(names, str(bench.store.workspace), str(job_id)) == [0, 0]
    same(bench, alone, run_id, job_id)


def test_two_workers_of_ray_reach_the_losses_of_one_process(bench, alone):
    if not RAY:
        pytest.skip("ray is not installed (`pip install 'tunesmith[ray]'`)")
    run_id, job_id = bench.queue(processes=2)
    module = "engine.run.distributed.ray_entry"
    told = [str(bench.store.workspace), str(job_id), "2", "cpu"]
    done = subprocess.run(
        [RAY, "-P", "-m", module, *told], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    same(bench, alone, run_id, job_id)


def same(bench, alone, run_id, job_id):
    assert jobs.get(bench.store, job_id)["state"] == "done"
    for name in ("loss", "validation_loss"):
        assert bench.curve(run_id, name) == pytest.approx(bench.curve(alone, name), abs=1e-5), name
