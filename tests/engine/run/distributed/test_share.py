"""Every step over several processes has exactly the rows of the one-process step."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys

import pytest

from engine.base import ranks
from engine.base.errors import UsageError
from engine.plan.processes import require
from engine.run.distributed.share import NOTHING, Division, Shares
from engine.run.distributed.supervisor import failure, ours
from engine.run.order import Order


@pytest.mark.parametrize("rows", [1, 7, 13, 16, 33])
@pytest.mark.parametrize(
    ("processes", "micro", "turns"), [(2, 2, 4), (2, 4, 1), (3, 3, 2), (4, 1, 4)]
)
def test_the_processes_of_a_step_have_its_rows_once(rows, processes, micro, turns):
    lengths = [5 + row % 4 for row in range(rows)]
    order = Order(lengths, micro, 7, grouped=True)
    division = Division(processes, micro, turns)
    parts = [Shares(order, rows, division, rank) for rank in range(processes)]
    for epoch in (0, 1):
        for part in parts:
            part.set_epoch(epoch)
        turned = [list(part) for part in parts]
        assert {len(mine) for mine in turned} == {len(parts[0])}
        whole, size = list(order), micro * turns
        steps = math.ceil(rows / size)
        assert math.ceil(len(parts[0]) / division.turns) == steps
        for step in range(steps):
            at = slice(step * division.turns, (step + 1) * division.turns)
            seen = [row for mine in turned for turn in mine[at] for row in turn]
            assert all(turn for mine in turned for turn in mine)
            assert sorted(row for row in seen if row != NOTHING) == sorted(
                whole[step * size : (step + 1) * size]
            )


def test_no_process_computes_more_rows_at_a_time_than_one_alone_would():
    for division in (Division(2, 4, 2), Division(2, 4, 1)):
        parts = [row for rank in range(2) for row in division.part(range(30), rank)]
        assert max(map(len, parts)) == division.rows <= 4


@pytest.mark.parametrize(("processes", "micro", "turns"), [(2, 3, 1), (4, 6, 2), (3, 4, 4)])
def test_what_cannot_be_divided_is_refused(processes, micro, turns):
    with pytest.raises(UsageError) as caught:
        require(processes, "ddp", micro, turns, "gpu")
    assert f"multiple of {processes}" in caught.value.fix


def test_fsdp2_is_refused_on_a_cpu_only():
    require(2, "fsdp2", 2, 2, "gpu")
    with pytest.raises(UsageError, match="accelerate knows it on no CPU"):
        require(2, "fsdp2", 2, 2, "cpu")


def test_the_process_that_died_first_is_named_and_not_those_it_took_with_it():
    died = [(0, ranks.PEER_LOST), (1, -signal.SIGKILL), (2, -signal.SIGTERM)]
    assert failure(died, 3) == "Process 1 of 3 was killed (signal 9)."
    assert failure([(0, 1), (1, ranks.PEER_LOST)], 2) == "Process 0 of 2 ended with code 1."
    assert failure([], 2) == "The training's processes ended without a word."


def test_a_job_started_by_a_process_of_a_training_is_none_of_them():
    given = {"RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "x", "PATH": "/bin"}
    assert ranks.unranked(given) == {"PATH": "/bin"}


def test_only_the_processes_of_the_job_itself_are_taken_down(tmp_path):
    sleep = "import time; time.sleep(60)"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", sleep, "engine.worker", str(tmp_path), job],
            env={**os.environ, **marks},
        )
        for job, marks in (("7", {"RANK": "1"}), ("7", {}), ("77", {"RANK": "0"}), ("8", {}))
    ]
    try:
        assert [process.pid for process in ours(tmp_path, 7)] == [started[0].pid]
    finally:
        for process in started:
            process.kill()
            process.wait()
