"""The worker of a training over several processes of this box: it starts them, waits and reports.

It holds the locks of all the devices they use. Process 0 writes the job's progress and its final
state; what it cannot say, because a process was killed, is said here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from engine.base import jobs, ranks
from engine.base.errors import TunesmithError
from engine.base.hardware import machine
from engine.base.hardware.machine import Machine
from engine.base.work import Afresh, Work
from engine.plan import plan as plans
from engine.run import launch

_EXIT_CODES = {"done": 0, "stopped": 130}


def processes(work: Work) -> int:
    """Return over how many processes a job trains; 1 for every other kind of job."""
    if work.kind != "train" or "run_id" not in work.args:
        return 1
    run = launch.get(work.store, int(work.args["run_id"]))
    return plans.load(work.store, run["plan_id"]).processes


def supervise(work: Work, count: int) -> int:
    """Train over several processes; return the worker's exit code.

    Args:
        work: The job.
        count: How many processes.

    Raises:
        Stopped: The user asked for it while the job waited for its devices.
        Afresh: The job goes on in a fresh process.
        TunesmithError: This box has too few GPUs, or a process ended before its time.
    """
    devices = _devices(machine.read(), work.device, count)
    with work.heartbeat():
        with work.among_several():
            work.wait_turn(needs_device=True)
            work.hold(devices[1:])
        work.log(f"training over {count} processes on {', '.join(devices)}")
        report = jobs.log_file(work.store, work.job_id).with_suffix(".ranks.json")
        report.unlink(missing_ok=True)
        _run(work, count, devices, report)
        job = jobs.get(work.store, work.job_id)
        if job["state"] == "waiting":  # process 0 wants to begin anew, or its hours are over
            raise Afresh
        if job["state"] not in jobs.OPEN or job["pid"] != os.getpid():
            return _EXIT_CODES.get(job["state"], 1)
        raise TunesmithError(
            failure(_failed(report), count),
            f"Resume it with `tunesmith resume {work.job_id}`.",
            str(jobs.log_file(work.store, work.job_id)),
        )


def failure(failed: Sequence[tuple[int, int]], count: int) -> str:
    """Return in a sentence which process ended and how; those it took with it are not named.

    Args:
        failed: Number and exit code of each process that failed.
        count: How many processes there were.
    """
    taken = (ranks.PEER_LOST, -signal.SIGTERM)
    first = [(rank, code) for rank, code in failed if code not in taken] or list(failed)
    if not first:
        return "The training's processes ended without a word."
    rank, code = first[0]
    how = f"was killed (signal {-code})" if code < 0 else f"ended with code {code}"
    return f"Process {rank} of {count} {how}."


def _devices(box: Machine, chosen: str, count: int) -> list[str]:
    """The GPUs to train on, the plan's first; on a CPU the one device."""
    if chosen == "cpu":
        return ["cpu"]
    others = sorted(box.gpus, key=lambda gpu: (gpu.device != chosen, -gpu.free, gpu.device))
    if len(others) < count:
        raise TunesmithError(
            f"The plan trains over {count} processes, but this box has {len(others)} GPUs.",
            f"Plan anew with `--set processes={len(others)}`.",
            "processes",
        )
    return [gpu.device for gpu in others[:count]]


def _run(work: Work, count: int, devices: Sequence[str], report: Path) -> None:
    """Start torchrun and wait for its end; leave none of its processes behind."""
    module = "engine.run.distributed.agent"
    command = [sys.executable, "-P", "-m", module, str(count), str(report)]
    agent = subprocess.Popen(
        [*command, str(work.store.workspace), str(work.job_id)],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **_visible(devices), ranks.SUPERVISOR: str(os.getpid())},
    )
    try:
        agent.wait()
    finally:
        if agent.poll() is None:
            agent.kill()
        for process in ours(work.store.workspace, work.job_id):
            _kill(process)


def _visible(devices: Sequence[str]) -> dict[str, str]:
    """The variables that show the processes these devices only, in this order."""
    if list(devices) == ["cpu"]:
        loopback = "lo" in psutil.net_if_addrs()  # a box whose name resolves to nothing trains too
        return {"CUDA_VISIBLE_DEVICES": "", **({"GLOO_SOCKET_IFNAME": "lo"} if loopback else {})}
    box = machine.read()
    pins = [machine.pin(box, device) for device in devices]
    return {**pins[0], "CUDA_VISIBLE_DEVICES": ",".join(p["CUDA_VISIBLE_DEVICES"] for p in pins)}


def ours(workspace: Path, job_id: int) -> list[psutil.Process]:
    """Return the processes of this box that train a job; neither its supervisor nor later jobs."""
    words = ["engine.worker", str(workspace), str(job_id)]
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline()[-len(words) :] == words and "RANK" in process.environ():
                found.append(process)
        except psutil.Error:
            continue
    return found


def _kill(process: psutil.Process) -> None:
    try:
        if process.is_running():
            process.kill()
    except psutil.Error:
        return


def _failed(report: Path) -> list[tuple[int, int]]:
    try:
        return [(one["rank"], one["code"]) for one in json.loads(report.read_text("utf-8"))]
    except (OSError, ValueError, KeyError):
        return []
