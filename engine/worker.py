"""The process of one job: `python -P -m engine.worker WORKSPACE JOB_ID`.

The one file that knows every stage. It loads the heavy libraries only after the device is free,
and whatever happens it leaves a truthful final state. A training whose hours are over becomes a
fresh process that waits, and so gives its memory back.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from engine.base import ranks, reserve
from engine.base.errors import TunesmithError
from engine.base.hardware import machine, torch_build
from engine.base.jobs import WORKER, Turn, claim, enqueue, log_file, start
from engine.base.store import Store
from engine.base.work import Afresh, Stopped, Work
from engine.run import limits
from engine.run.distributed import follower, guard, supervisor

# kind of job -> module and function, and whether it needs the device to itself
STAGES = {
    "data": ("engine.data.build", "build", False),
    "fit": ("engine.run.fit.probe", "probe", True),
    "trial": ("engine.score.trial", "trial", True),
    "rates": ("engine.run.rates.climb", "climb", True),
    "train": ("engine.run.train", "train", True),
    "sweep": ("engine.run.sweep.sweep", "sweep", False),
    "eval": ("engine.score.evaluate", "evaluate", True),
    "export": ("engine.ship.export", "export", True),
}

_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # On a CPU, ideep and oneDNN keep what they made for each shape of a batch, up to 1024 times:
    # half a gigabyte more in 150 steps of rows of many lengths, and no faster (docs/plan.md).
    "LRU_CACHE_CAPACITY": "64",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
}


def main() -> int:
    """Run the job named on the command line; return its exit code."""
    fresh = dict(os.environ)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if ranks.rank():
        return follower.main()
    store = Store(Path(sys.argv[1]))
    job_id = int(sys.argv[2])
    if ranks.supervisor() is not None:
        return _do(store, job_id, fresh)
    mine = claim(store, job_id)
    if mine is None:
        return 0
    reserve.hold(_spare(store, job_id))
    try:
        return _do(store, job_id, fresh)
    finally:
        reserve.release(_spare(store, job_id))


def _do(store: Store, job_id: int, fresh: Mapping[str, str]) -> int:
    try:
        return _work(Work(store, job_id), fresh)
    except Afresh:
        return _again(store, job_id, fresh)
    except TunesmithError as error:
        return _fail(store, job_id, error)
    except Exception as error:  # noqa: BLE001 - the boundary: a bug must end as a failed job
        return _unexpected(store, job_id, error)


def _work(work: Work, fresh: Mapping[str, str]) -> int:
    """Do the job here, or over several processes that are this program once more."""
    signal.signal(signal.SIGTERM, lambda *_: _terminate(work))
    if ranks.launched():
        guard.follow()
    elif (count := supervisor.processes(work)) > 1:
        return supervisor.supervise(work, count)
    if _run(work):
        _finish(work)
    else:
        _give_way(work, fresh)
    return 0


def _unexpected(store: Store, job_id: int, error: Exception) -> int:
    if ranks.world() > 1:
        from engine.run.distributed import group

        if group.is_loss(error):
            return _lost(store, job_id)
    if isinstance(error, OSError):
        return _fail(store, job_id, _from_os(error))
    if isinstance(error, MemoryError):
        return _fail(store, job_id, _out_of_memory())
    return _fail(store, job_id, _from_bug(store, job_id, error))


def _run(work: Work) -> bool:
    """Wait for the job's turn and do it; return whether it was done, and not asked to give way."""
    module, function, needs_device = STAGES[work.kind]
    try:
        with work.heartbeat():
            work.wait_turn(needs_device=needs_device)
            if needs_device and not ranks.launched():
                _prepare_device(work.device)
            getattr(importlib.import_module(module), function)(work)
    except Stopped:
        return False
    return True


def _prepare_device(device: str) -> None:
    """Let the libraries see the job's device only, and make sure that torch can drive it."""
    box = machine.read()
    gpu = next((gpu for gpu in box.gpus if gpu.device == device), None)
    build = torch_build.installed()
    if gpu and build and (wrong := torch_build.mismatch(build, box.cuda, gpu.capability)):
        raise TunesmithError(f"{wrong[0]}.", wrong[1], device)
    os.environ.update(machine.pin(box, device))


def _finish(work: Work) -> None:
    """End the job and begin the next kind of `then`: a journey goes on without a screen to push it.

    Both are one transaction, so that a kill at any moment leaves a job that can be resumed. The
    next job inherits priority and hours and stands before the others of its priority: a journey
    that was begun is finished first.
    """
    following = None
    with work.store.transaction():
        _end(work.store, work.job_id, "done", 0)
        if then := work.args.get("then"):
            job = work.store.row("SELECT priority, hours FROM jobs WHERE id = ?", (work.job_id,))
            assert job is not None
            following = enqueue(
                work.store,
                then[0],
                work.project_dir,
                {**work.args, "then": then[1:]},
                project_id=work.project_id,
                turn=Turn(priority=job["priority"], hours=job["hours"]),
            )
            work.store.execute(
                "UPDATE jobs SET place = (SELECT min(place) - 1 FROM jobs "
                "WHERE state IN ('queued', 'waiting')) WHERE id = ?",
                (following,),
            )
    if following is not None:
        start(work.store, following)


def _terminate(work: Work) -> None:
    """Obey SIGTERM, which a box sends when it shuts down."""
    work.terminated = True


def _give_way(work: Work, environment: Mapping[str, str]) -> None:
    """End as the user asked for, else wait for the next opening in a fresh process.

    A job that the system ended counts as lost, not as stopped: after a restart it shall go on.
    """
    asked = work.asked()
    if asked == "pause":
        _end(work.store, work.job_id, "paused", 130)
    elif work.terminated and asked != "stop":
        fix = f"Resume it with `tunesmith resume {work.job_id}`."
        error = {"error": "The system told the worker to end; its work is saved.", "fix": fix}
        work.store.update("jobs", work.job_id, error)
        _end(work.store, work.job_id, "lost", 143)
    elif asked == "stop" or work.hours is None:
        _end(work.store, work.job_id, "stopped", 130)
    else:
        work.log("its hours are over: it saved its work and waits for the next opening")
        _again(work.store, work.job_id, environment)


def _again(store: Store, job_id: int, environment: Mapping[str, str]) -> int:
    """Go on with the job in a fresh process; of several, the one that started them becomes it."""
    store.update("jobs", job_id, {"state": "waiting", "started": None})
    if not ranks.launched():
        store.close()
        _become_fresh(environment)
    return 0


def _become_fresh(environment: Mapping[str, str]) -> NoReturn:
    """Replace this process, and all it holds, by a new worker of the same job."""
    for descriptor in Path("/proc/self/fd").iterdir():
        if int(descriptor.name) > sys.stderr.fileno():
            with contextlib.suppress(OSError):  # the listing's own is closed by now
                os.set_inheritable(int(descriptor.name), False)
    os.execve(WORKER[0], [*WORKER, *sys.argv[1:3]], environment)  # noqa: S606 - our own program


def _end(store: Store, job_id: int, state: str, code: int) -> int:
    store.update(
        "jobs",
        job_id,
        {
            "state": state,
            "ended": time.time(),
            "exit_code": code,
            "request": None,
            "waits_for": None,
        },
    )
    return code


def _spare(store: Store, job_id: int) -> Path:
    return log_file(store, job_id).with_suffix(".reserve")


def _fail(store: Store, job_id: int, error: TunesmithError) -> int:
    reserve.release(_spare(store, job_id))  # so that this end can be written on a full disk
    store.update(
        "jobs", job_id, {"error": error.what, "error_where": error.where, "fix": error.fix}
    )
    return _end(store, job_id, "failed", error.exit_code)


def _from_os(error: OSError) -> TunesmithError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TunesmithError(
            "The disk is full.", "Free some space and resume the job.", str(error.filename or "")
        )
    return TunesmithError(
        f"The system refused: {error.strerror or error}.",
        "Mend this and resume the job.",
        str(error.filename or ""),
    )


def _lost(store: Store, job_id: int) -> int:
    """End because another process of the training did; who starts them knows which, and says so."""
    if ranks.supervisor() is None:
        _fail(
            store,
            job_id,
            TunesmithError(
                "Another process of this training ended before its time.",
                f"Resume it with `tunesmith resume {job_id}`, with as many processes.",
            ),
        )
    return ranks.PEER_LOST


def _out_of_memory() -> TunesmithError:
    return TunesmithError(
        "The memory ran out.",
        "Free some memory and resume the job, or lower the micro-batch (`--set micro_batch=1`) and "
        "start again.",
    )


def _from_bug(store: Store, job_id: int, error: Exception) -> TunesmithError:
    if limits.is_memory(error):
        return _out_of_memory()
    text = "".join(traceback.format_exception(error))
    store.insert("job_log", {"job_id": job_id, "at": time.time(), "level": "trace", "text": text})
    return TunesmithError(
        f"Tunesmith failed in a way it did not expect ({type(error).__name__}: {error}).",
        f"`tunesmith log {job_id}` has the details; please report them.",
    )


if __name__ == "__main__":
    sys.exit(main())
