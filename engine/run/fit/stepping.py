"""One attempt of the fit gate, in a process of its own: the run's trainer, for a few steps.

    python -P -m engine.run.fit.stepping REQUEST.json

It does what the run will do, on what the run will do it: all rows tokenised, the run's own trainer,
watcher and checkpoints (in a scratch store), first the worst micro-batches twice, then a validation
pass and a checkpoint, then micro-batches drawn evenly from the run's own order for the speed, and
the worst once more. Where memory ends, only this process ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from engine.base import files, jobs, project
from engine.base.model import locate
from engine.base.store import Store
from engine.base.work import Work
from engine.data import dataset
from engine.data.chat.template import ChatTemplate
from engine.plan.plan import Plan
from engine.plan.recipe import Scalar, Value
from engine.run import checkpoints, limits, result
from engine.run.batches import Batch, Cutter, of_run, sizes
from engine.run.checkpoints import Totals
from engine.run.examples import Examples, tokenise
from engine.run.fit import timing, worst
from engine.run.fit.course import Course
from engine.run.fit.growth import Growth
from engine.run.fit.request import LOADING, OUT_OF_MEMORY, Request
from engine.run.forecast import Forecast
from engine.run.metrics import Recorder

_PARENT_SECONDS = 1.0
_VALIDATED = 8  # micro-batches of the validation pass
_NEVER = 10**9


def main() -> int:
    """Carry out the request named on the command line; return the exit code."""
    began = time.monotonic()
    request = Request.read(Path(sys.argv[1]))
    _follow_parent()
    limits.tighten(1 / limits.MARGIN)  # what passes here has room left in the run
    try:
        measured = _measure(request, began)
    except Exception as error:
        if not limits.is_memory(error):
            raise
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return OUT_OF_MEMORY
    files.write_text(request.result, json.dumps(measured))
    return 0


def _follow_parent() -> None:
    """End when the job does, and be the first whom the kernel takes when memory ends."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        return  # not Linux, or not allowed: then the kernel chooses for itself


def _measure(request: Request, began: float) -> dict[str, Any]:
    """Build the run's trainer, step it, and return what was seen."""
    request.enter(LOADING)
    store = Store(request.workspace)
    plan = request.plan(store)
    training, validation = _examples(request, store, plan)
    looked = time.monotonic()
    batches = [batch for step in of_run(plan, training) for batch in step]
    held_out = Cutter.of(plan, training).batches(sizes(validation), range(len(validation.rows)))
    course = Course(batches, plan["micro_batch"], min(2, plan["accumulation"]))
    tested, growth = _tested(held_out), Growth(batches)
    began += time.monotonic() - looked  # the run has no need of this
    from engine.run.fit.meter import Meter
    from engine.run.trainer import build

    scratch = _scratch(request)
    trainer = build(
        _shortened(plan, course.steps),
        locate(plan.model),
        request.folder,
        training,
        validation,
        _watcher(request, plan, scratch),
    )
    trainer._get_train_sampler = lambda *_: course  # noqa: SLF001 - the library's own hook
    if tested:
        rows = [row for batch in tested for row in batch.rows]
        trainer.eval_dataset = trainer.eval_dataset.select(rows)
    meter = Meter(request, began, course, growth)
    trainer.add_callback(meter)
    trainer.train()
    ending = _ending(request, plan, scratch)
    seconds = timing.total(meter.samples, batches, plan["steps"])
    tokens = sum(training.lengths[row] for batch in batches for row in batch.rows)
    return {
        "peak_bytes": limits.peak(plan.device, request.available) + growth.missing(),
        "startup_seconds": meter.startup + ending,
        "training_seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "sampled": len(meter.samples),
        "validation_seconds": timing.scaled(meter.validating, tested, held_out),
        "checkpoint_seconds": meter.saving,
    }


def _ending(request: Request, plan: Plan, scratch: Store) -> float:
    """Do what a run does after its last step: check the checkpoint, keep what was trained."""
    began = time.monotonic()
    last = checkpoints.newest(scratch, 0, request.folder)
    assert last is not None  # the meter asked for it
    result.keep(plan, last.path, locate(plan.model), request.folder / "kept")
    return time.monotonic() - began


def _examples(request: Request, store: Store, plan: Plan) -> tuple[Examples, Examples]:
    template = ChatTemplate.load(locate(plan.model))
    data = dataset.load(store, plan.dataset_id)
    instruction = project.load(request.project).objective.instruction
    training, validation = (
        tokenise(template, instruction, data.rows(split), plan["max_length"], plan.trainer)
        for split in dataset.SPLITS[:2]
    )
    return training, validation


def _scratch(request: Request) -> Store:
    store = Store(request.folder)
    store.execute("PRAGMA foreign_keys = OFF")  # the curves and checkpoints are those of no run
    return store


def _watcher(request: Request, plan: Plan, scratch: Store) -> Any:
    """The run's own watcher, writing to a store that nobody reads."""
    from engine.run.views import Views
    from engine.run.watcher import Watcher

    work = Work(scratch, jobs.enqueue(scratch, "fit", request.project, {}))
    work.device = plan.device
    recorder = Recorder(scratch, 0)
    return Watcher(work, 0, request.folder, recorder, Totals(), Views(Forecast(())))


def _shortened(plan: Plan, steps: int) -> Plan:
    """The plan with as many steps as the attempt may take; validation and saving when asked."""
    other: dict[str, Scalar] = {
        "max_steps": steps,
        "accumulation": min(2, plan["accumulation"]),
        "learning_rate": 1e-6,  # a diverged training has no business here
        "validate_every": _NEVER,
        "checkpoint_every": _NEVER,
    }
    return replace(
        plan, values={**plan.values, **{key: Value(value, "") for key, value in other.items()}}
    )


def _tested(batches: list[Batch]) -> list[Batch]:
    """The validation's micro-batches that are tried: the worst, and others from everywhere."""
    if len(batches) <= _VALIDATED:
        return batches
    heavy = worst.worst(batches)
    whole = [batch for batch in batches[:-1] if batch not in heavy]
    whole.sort(key=lambda batch: batch.padded)
    places = islice(worst.spread(whole), _VALIDATED - len(heavy))
    return [*heavy, *(whole[place] for place in places)]


if __name__ == "__main__":
    sys.exit(main())
