"""The process of one job: `python -P -m engine.worker WORKSPACE JOB_ID`.

The one file that knows every stage. It loads the heavy libraries only after the device is free,
and whatever happens it leaves a truthful final state.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from engine.base import ranks
from engine.base.errors import TunesmithError
from engine.base.hardware import machine, torch_build
from engine.base.jobs import enqueue, start
from engine.base.store import Store
from engine.base.work import Stopped, Work
from engine.run import limits
from engine.run.distributed import follower, guard, supervisor

# kind of job -> module and function, and whether it needs the device to itself
STAGES = {
    "data": ("engine.data.build", "build", False),
    "fit": ("engine.run.fit.probe", "probe", True),
    "trial": ("engine.score.trial", "trial", True),
    "train": ("engine.run.train", "train", True),
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
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if ranks.rank():
        return follower.main()
    store = Store(Path(sys.argv[1]))
    job_id = int(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: _ask_to_stop(store, job_id))
    try:
        return _work(Work(store, job_id))
    except Stopped:
        return _end(store, job_id, "stopped", 0 if ranks.world() > 1 else 130)
    except TunesmithError as error:
        return _fail(store, job_id, error)
    except Exception as error:  # noqa: BLE001 - the boundary: a bug must end as a failed job
        return _unexpected(store, job_id, error)


def _work(work: Work) -> int:
    """Do the job here, or over several processes that are this program once more."""
    if ranks.launched():
        guard.follow()
    elif (count := supervisor.processes(work)) > 1:
        return supervisor.supervise(work, count)
    with work.heartbeat():
        _run(work)
    _finish(work)
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


def _run(work: Work) -> None:
    module, function, needs_device = STAGES[work.kind]
    if needs_device and not ranks.launched():
        with work.device_lock():
            _prepare_device(work.device)
            getattr(importlib.import_module(module), function)(work)
    else:
        work.begin()
        getattr(importlib.import_module(module), function)(work)


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

    Both are one transaction, so that a kill at any moment leaves a job that can be resumed.
    """
    following = None
    with work.store.transaction():
        _end(work.store, work.job_id, "done", 0)
        if then := work.args.get("then"):
            args = {**work.args, "then": then[1:]}
            following = enqueue(
                work.store, then[0], work.project_dir, args, project_id=work.project_id
            )
    if following is not None:
        start(work.store, following)


def _ask_to_stop(store: Store, job_id: int) -> None:
    store.update("jobs", job_id, {"request": "stop"})


def _end(store: Store, job_id: int, state: str, code: int) -> int:
    store.update(
        "jobs",
        job_id,
        {"state": state, "ended": time.time(), "exit_code": code, "request": None},
    )
    return code


def _fail(store: Store, job_id: int, error: TunesmithError) -> int:
    store.update(
        "jobs", job_id, {"error": error.what, "error_where": error.where, "fix": error.fix}
    )
    return _end(store, job_id, "failed", error.exit_code)


def _from_os(error: OSError) -> TunesmithError:
    if error.errno == errno.ENOSPC:
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
        "The memory ran out.", "Lower the micro-batch (`--set micro_batch=1`) and start again."
    )


def _from_bug(store: Store, job_id: int, error: Exception) -> TunesmithError:
    if limits.is_memory(error):
        return _out_of_memory()
    if "database or disk is full" in str(error):
        return _from_os(OSError(errno.ENOSPC, str(error), str(store.path)))
    text = "".join(traceback.format_exception(error))
    store.insert("job_log", {"job_id": job_id, "at": time.time(), "level": "trace", "text": text})
    return TunesmithError(
        f"Tunesmith failed in a way it did not expect ({type(error).__name__}: {error}).",
        f"`tunesmith log {job_id}` has the details; please report them.",
    )


if __name__ == "__main__":
    sys.exit(main())
