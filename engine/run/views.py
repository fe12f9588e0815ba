"""What is looked at while a run trains, beside the trainer's own log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.base.hardware import machine
from engine.plan import device as devices
from engine.plan import models
from engine.plan.plan import Plan
from engine.run import batches, pieces, utilisation
from engine.run.examples import Examples
from engine.run.forecast import Forecast
from engine.run.gauges import Gauges
from engine.run.samples import Question

_MOST_STEPS = 100_000  # of a longer run all steps count alike


@dataclass
class Views:
    """What a watcher looks at.

    Attributes:
        forecast: Learns how long the run takes.
        questions: The validation rows that are answered at every validation.
        flops: Operations that a token takes; 0 where the model is not known well enough.
        peak_flops: The device's peak in operations a second; 0 where it is not known.
        gauges: Read the board; on a CPU they show nothing.
    """

    forecast: Forecast
    questions: Sequence[Question] = ()
    flops: float = 0.0
    peak_flops: float = 0.0
    gauges: Gauges = field(default_factory=lambda: Gauges("cpu"))


def forecast(plan: Plan, training: Examples, validation: Examples) -> Forecast:
    """Return what is known of a run's time before it begins: its work, step by step, in tokens."""
    steps = int(plan["steps"])
    passes = pieces.PASS_TOKENS["cpu" if plan.device == "cpu" else "gpu"]

    def work(each: Sequence[batches.Batch]) -> float:
        return float(sum(batch.padded + passes * len(batch.parts) for batch in each))

    if steps <= _MOST_STEPS:
        done = [work(step) for step in batches.of_run(plan, training)]
    else:
        done = [1.0] * steps
    cutter = batches.Cutter.of(plan, training)
    held_out = cutter.batches(batches.sizes(validation), range(len(validation.rows)))
    return Forecast(
        done,
        range(int(plan["validate_every"]), steps + 1, int(plan["validate_every"]))
        if validation.rows
        else (),
        [*range(int(plan["checkpoint_every"]), steps, int(plan["checkpoint_every"])), steps],
        work(held_out) if steps <= _MOST_STEPS else 0.0,
    )


def of_run(
    plan: Plan, training: Examples, validation: Examples, questions: Sequence[Question], held: str
) -> Views:
    """Return the views of a plan's run.

    Args:
        plan: Every setting.
        training: The training rows.
        validation: The validation rows.
        questions: Those that are answered.
        held: The device that the job holds.
    """
    dimensions = models.find(plan.model).dimensions
    flops = utilisation.flops_per_token(
        dimensions,
        tuning=plan.tuning,
        checkpointing=False,
        length=max(1, sum(training.lengths) // len(training.lengths)),
        trainer=plan.trainer,
    )
    gpu = held != "cpu"
    return Views(
        forecast=forecast(plan, training, validation),
        questions=questions,
        flops=flops if dimensions.exact else 0.0,
        gauges=Gauges(held),
        peak_flops=devices.choose(machine.read()).flops if gpu else 0.0,
    )
