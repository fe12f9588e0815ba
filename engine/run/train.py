"""The training stage: from a plan and a dataset to what was trained; ended any time, it goes on."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from engine.base import project, ranks
from engine.base.errors import TunesmithError
from engine.base.hardware import machine
from engine.base.model import locate
from engine.base.store import Row
from engine.base.work import Stopped, Work
from engine.data import dataset
from engine.data.chat.template import ChatTemplate
from engine.plan import plan as plans
from engine.plan.plan import Plan
from engine.run import checkpoints, launch, result
from engine.run.checkpoints import Checkpoint, Totals
from engine.run.distributed import lead
from engine.run.examples import Examples, tokenise
from engine.run.metrics import Recorder

_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets")


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
    plan = plans.load(work.store, run["plan_id"])
    _choose_device(plan.device, work.device)
    folder = launch.folder(work.store, run["id"]) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    last = checkpoints.newest(work.store, run["id"], folder)
    waited = 0.0
    if last is None or last.step < run["steps"]:
        work.check_stop()
        last, waited = _go_on(work, run, plan, folder, last)
    _finish(work, run, plan, last, startup=time.monotonic() - began - waited)


def _go_on(
    work: Work, run: Row, plan: Plan, folder: Path, last: Checkpoint | None
) -> tuple[Checkpoint, float]:
    """Train to the end; return the last checkpoint, and the seconds spent in the loop."""
    work.progress(last.step if last else 0, run["steps"], "loading the model")
    model_dir = locate(plan.model)
    training, validation = _examples(work, plan, model_dir, folder.parent)
    lead.tell(work, plan, folder, last.path if last else None)
    from engine.run.trainer import build
    from engine.run.watcher import Watcher

    recorder = Recorder(work.store, run["id"])
    recorder.rewind(last.step if last else 0)
    watcher = Watcher(
        work,
        run["id"],
        folder,
        recorder,
        last.totals if last else Totals(),
        plan["keep_checkpoints"],
    )
    trainer = build(plan, model_dir, folder, training, validation, watcher)
    work.check_stop()
    if last:
        work.log(f"resuming from the checkpoint of step {last.step}")
    began = time.monotonic()
    trainer.train(resume_from_checkpoint=str(last.path) if last else None)
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
    if planned != present:
        raise TunesmithError(
            f"The plan is for {planned}, but this box now has {present}.",
            "Start a new run, whose plan fits this box: `tunesmith train`.",
            "device",
        )
    if not ranks.launched():  # a launcher has shown each process its own
        os.environ.update(machine.pin(machine.read(), planned))


def _examples(work: Work, plan: Plan, model_dir: Path, run_dir: Path) -> tuple[Examples, Examples]:
    """Return the training and the validation rows as token ids."""
    template = ChatTemplate.load(model_dir)
    data = dataset.load(work.store, plan.dataset_id)
    instruction = project.load(run_dir).objective.instruction
    limit, trainer = plan["max_length"], plan.trainer
    training = tokenise(template, instruction, data.rows("train"), limit, trainer)
    validation = tokenise(template, instruction, data.rows("validation"), limit, trainer)
    if training.cut or training.dropped:
        work.log(
            f"{training.cut} training rows lost their end and {training.dropped} were left out: "
            f"longer than {limit} tokens.",
            "warning",
        )
    return training, validation


def _finish(work: Work, run: Row, plan: Plan, last: Checkpoint, *, startup: float) -> None:
    """Keep what the last checkpoint holds, and compare the predictions with what was measured."""
    work.progress(last.step, last.step, f"saving the {result.words(plan)}")
    digest = result.keep(plan, last.path, locate(plan.model), last.path.parent.parent)
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
            "environment": json.dumps(_environment(plan)),
            "ended": time.time(),
        },
    )
    work.log(f"trained {last.step} steps, {totals.tokens} tokens, in {totals.seconds:.0f} s")


def _environment(plan: Plan) -> Mapping[str, str | int]:
    """Return what a repetition to the byte would need to share."""
    box = machine.read()
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        "device": next((gpu.name for gpu in box.gpus if gpu.device == plan.device), box.cpu),
        "threads": plan["threads"],
        "dataset": plan.dataset_id,
        "seed": plan["seed"],
    }
