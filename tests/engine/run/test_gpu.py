"""A real job on a real GPU: trained, stopped, resumed. `make gpu-check` runs it."""

from __future__ import annotations

import pytest

from engine.base import jobs
from engine.base.hardware import machine
from engine.run import launch, metrics

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(machine.read().gpu is None, reason="no GPU here"),
]


def test_a_job_on_the_gpu_is_stopped_and_resumed(bench):
    run_id, job_id = bench.start(max_steps=300, checkpoint_every=100, validate_every=300)
    for _ in bench.poll():
        if metrics.tail(bench.store, run_id, "loss", 24):
            break
    jobs.request(bench.store, job_id, "stop")
    assert bench.wait(job_id)["state"] == "stopped"
    jobs.restart(bench.store, job_id)
    job = bench.wait(job_id)
    assert job["state"] == "done", (job["error"], job["fix"])
    assert job["device"].startswith("gpu")
    points = metrics.tail(bench.store, run_id, "loss", 0)
    assert [point.step for point in points] == list(range(1, 301))
    assert points[-1].value < points[0].value
    assert launch.get(bench.store, run_id)["peak_bytes"] > 10**8
