"""The training stage: from a plan and a dataset to what was trained; ended any time, it goes on."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine.base import project, ranks
from engine.base.errors import TunesmithError
from engine.base.hardware import disk, machine
from engine.base.model import locate
from engine.base.store import Row
from engine.base.work import Afresh, Stopped, Work
from engine.data import dataset
from engine.data.chat.template import ChatTemplate
from engine.plan import cost, models
from engine.plan import plan as plans
from engine.plan.device import ANY_GPU
from engine.plan.plan import Plan
from engine.run import checkpoints, environment, launch, limits, metrics, relief, result
from engine.run.best import Best, Keeping
from engine.run.checkpoints import Checkpoint, Totals
from engine.run.distributed import lead
from engine.run.examples import Examples, tokenise
from engine.run.metrics import Recorder, Tell
from engine.run.trackers.following import following

if TYPE_CHECKING:
    from engine.run.samples import Question


def train(work: Work) -> None:
    """Train the run named in the job's arguments, from its newest checkpoint if it has one.

    Raises:
        Stopped: The user asked for it; a checkpoint was saved.
        TunesmithError: The disk is full, the training diverged, or something needed is missing.
    """
    with lead.others():
        _train(work)


def _train(work: Work) -> None:
    began = time.monotonic()
    run = launch.get(work.store, int(work.args["run_id"]))
    if run["ended"]:
        return
    plan = relief.applied(work.store, run["id"], plans.load(work.store, run["plan_id"]))
    _choose_device(plan.device, work.device)
    folder = launch.folder(work.store, run["id"]) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    last = checkpoints.newest(
        work.store, run["id"], folder, lambda fault: work.log(fault, "warning")
    )
    waited = 0.0
    if last is None or last.step < run["steps"]:
        work.check_stop()
        _require_room(plan, folder)
        with following(work, run, plan, folder.parent) as tell:
            last, waited = _go_on(work, run, plan, folder, last, tell)
    _finish(work, run, plan, last, startup=time.monotonic() - began - waited)


def _go_on(
    work: Work, run: Row, plan: Plan, folder: Path, last: Checkpoint | None, tell: Tell | None
) -> tuple[Checkpoint, float]:
    """Train to the end; return the last checkpoint, and the seconds spent in the loop."""
    work.progress(last.step if last else 0, run["steps"], "loading the model")
    model_dir = locate(plan.model)
    training, validation, asked = _examples(work, plan, model_dir, folder.parent)
    lead.tell(work, plan, folder, last.path if last else None)
    from engine.run import samples, views
    from engine.run.trainer import build
    from engine.run.watcher import Watcher

    start = last.step if last else 0
    recorder = Recorder(work.store, run["id"], tell)
    recorder.rewind(start)
    samples.rewind(work.store, run["id"], start)
    seen = views.of_run(plan, training, validation, asked, work.device)
    totals = last.totals if last else Totals()
    watcher = Watcher(work, run["id"], folder, recorder, totals, seen, _keeping(plan))
    began = time.monotonic()
    try:
        trainer = build(plan, model_dir, folder, training, validation, watcher)
        work.check_stop()
        if last:
            work.log(f"resuming from the checkpoint of step {last.step}")
        trainer.train(resume_from_checkpoint=str(last.path) if last else None)
    except Exception as error:
        if limits.is_memory(error) and _relieved(work, run, plan, start):
            raise Afresh from error
        raise
    seconds = time.monotonic() - began
    state = trainer.state
    watcher.flush(state.global_step, state.max_steps)
    if watcher.stopped and state.global_step < state.max_steps:
        raise Stopped
    saved = checkpoints.newest(work.store, run["id"], folder)
    assert saved is not None  # the trainer saves after its last step
    return saved, seconds


def _choose_device(planned: str, present: str) -> None:
    """Show the libraries the planned device only; TRL refuses to choose among several."""
    if planned != present and (planned != ANY_GPU or present == "cpu"):
        raise TunesmithError(
            f"The plan is for {planned}, but this box now has {present}.",
            "Start a new run, whose plan fits this box: `tunesmith train`.",
            "device",
        )
    if not ranks.launched():  # a launcher has shown each process its own
        os.environ.update(machine.pin(machine.read(), present))


def _relieved(work: Work, run: Row, plan: Plan, step: int) -> bool:
    """Record the next change that saves memory; return whether there was one left."""
    change = relief.lighter(plan)
    if not change:
        return False
    relief.record(work.store, run["id"], step, plan, change)
    words = relief.words(change)
    work.log(f"The memory ran out; the run goes on from step {step} with `{words}`.", "warning")
    return True


def _require_room(plan: Plan, folder: Path) -> None:
    """Refuse to begin where not even one checkpoint and its successor have room.

    Raises:
        TunesmithError: The disk is too full.
    """
    needed = 2 * cost.checkpoint_bytes(models.find(plan.model).dimensions, plan.setup)
    if (free := disk.free(folder)) < needed:
        raise TunesmithError(
            f"A checkpoint and the next one take {needed / 1e6:.0f} MB of disk; "
            f"{free / 1e6:.0f} MB are free.",
            "Free some space, then resume the job.",
            str(folder),
        )


def _examples(
    work: Work, plan: Plan, model_dir: Path, run_dir: Path
) -> tuple[Examples, Examples, list[Question]]:
    """Return the training and the validation rows as token ids, and what is asked on the way."""
    from engine.run.samples import questions

    template = ChatTemplate.load(model_dir)
    data = dataset.load(work.store, plan.dataset_id)
    instruction = project.load(run_dir).objective.instruction
    limit, trainer = plan["max_length"], plan.trainer
    training = tokenise(template, instruction, data.rows("train"), limit, trainer)
    held_out = list(data.rows("validation"))
    validation = tokenise(template, instruction, held_out, limit, trainer)
    if training.cut or training.dropped:
        work.log(
            f"{training.cut} training rows lost their end and {training.dropped} were left out: "
            f"longer than {limit} tokens.",
            "warning",
        )
    count = plan["samples"] if "samples" in plan.values else 0
    return training, validation, questions(template, instruction, held_out, count, limit)


def _finish(work: Work, run: Row, plan: Plan, last: Checkpoint, *, startup: float) -> None:
    """Keep what the last checkpoint holds, and compare the predictions with what was measured."""
    work.progress(last.step, last.step, f"saving the {result.words(plan)}")
    kept = _best(work, run, plan, last)
    digest = result.keep(plan, kept.path, locate(plan.model), last.path.parent.parent)
    checkpoints.prune(work.store, run["id"], last.path.parent, keep=1)
    totals = last.totals
    for quantity, predicted, measured in (
        ("peak_bytes", plan.peak_bytes, totals.peak_bytes),
        ("seconds", plan.seconds, startup + totals.seconds),
    ):
        work.store.insert(
            "predictions",
            {
                "run_id": run["id"],
                "quantity": quantity,
                "predicted": predicted,
                "measured": measured,
            },
            replace=True,
        )
    work.store.update(
        "runs",
        run["id"],
        {
            "step": last.step,
            "steps": last.step,
            "tokens": totals.tokens,
            "seconds": totals.seconds,
            "peak_bytes": totals.peak_bytes,
            "adapter_sha256": digest,
            "best_step": kept.step if kept is not last else None,
            "environment": json.dumps(environment.read(work.store, plan, work.device)),
            "ended": time.time(),
        },
    )
    work.log(f"trained {last.step} steps, {totals.tokens} tokens, in {totals.seconds:.0f} s")


def _best(work: Work, run: Row, plan: Plan, last: Checkpoint) -> Checkpoint:
    """Return the checkpoint that is the result: the last one, unless an earlier one was better."""
    validated = metrics.tail(work.store, run["id"], "validation_loss", 0)
    best = Best((point.step, point.value) for point in validated if point.value is not None)
    if best.step is None or not best.waited or not _keeping(plan).best:
        return last
    found = checkpoints.verified(checkpoints.path(last.path.parent, best.step))
    if found is None:
        return last
    work.log(f"the validation loss was lowest at step {best.step}: that checkpoint is the result")
    return found


def _keeping(plan: Plan) -> Keeping:
    """What a plan says of that; plans of older versions keep the last checkpoint only."""
    said = plan.settings
    return Keeping(
        newest=int(said["keep_checkpoints"]),
        best=bool(said.get("keep_best", False)),
        patience=int(said.get("early_stopping", 0)),
    )
