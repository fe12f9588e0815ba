"""The learning-rate range test: the plan's own trainer, a rate that climbs, weights thrown away."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.base.model import locate
from engine.base.work import Stopped, Work
from engine.data import dataset
from engine.data.chat.template import ChatTemplate
from engine.plan import plan as plans
from engine.plan.plan import Plan
from engine.plan.recipe import Scalar, Value
from engine.run.examples import Examples, tokenise
from engine.run.rates import judge, records

STEPS = 84  # fourteen a decade for an adapter, twelve for all weights
_LOW = {"lora": 1e-6, "full": 1e-7}
_HIGH = 1.0
_NEVER = 10**9


def climb(work: Work) -> None:
    """Raise the rate step by step on the plan's training rows; record the curve and its proposal.

    Raises:
        Stopped: The user asked for it; nothing is kept.
    """
    began = time.monotonic()
    plan = plans.load(work.store, int(work.args["plan_id"]))
    rates = ladder(plan, int(work.args.get("steps", STEPS)))
    work.progress(0, len(rates), "loading the model")
    training = _training(work, plan)
    riser: Any = _climbed(work, plan, training, rates)
    if riser.stopped:
        raise Stopped
    proposal = judge.propose(riser.steps)
    taken = len(riser.steps)
    records.save(
        work.store,
        {
            "project_id": work.project_id,
            "plan_id": plan.id,
            "job_id": work.job_id,
            "steps": taken,
            "rows": _rows(plan, len(training.rows), taken),
            "train_rows": len(training.rows),
            "own_rate": plan["learning_rate"],
            "seconds": time.monotonic() - began,
        },
        riser.steps,
        proposal,
    )
    work.log(f"{taken} steps, {riser.tokens} tokens: {proposal.why}")
    work.progress(len(rates), len(rates), "measured")


def ladder(plan: Plan, steps: int) -> list[float]:
    """Return the rate of each step, from far too low to far too high, evenly in the logarithm."""
    low = _LOW[plan.tuning]
    return [low * (_HIGH / low) ** (step / (steps - 1)) for step in range(steps)]


def _climbed(work: Work, plan: Plan, training: Examples, rates: list[float]) -> Any:
    from engine.run.rates.riser import Riser
    from engine.run.trainer import build

    riser: Any = Riser(work, rates)
    with tempfile.TemporaryDirectory() as folder:
        trainer = build(
            _shortened(plan, len(rates)),
            locate(plan.model),
            Path(folder),
            training,
            Examples([], 0, 0),
            riser,
        )
        trainer.train()
    return riser


def _training(work: Work, plan: Plan) -> Examples:
    rows = dataset.load(work.store, plan.dataset_id).rows("train")
    template = ChatTemplate.load(locate(plan.model))
    instruction = work.project.objective.instruction
    return tokenise(template, instruction, rows, plan["max_length"], plan.trainer)


def _shortened(plan: Plan, steps: int) -> Plan:
    """The plan for as many steps, at a rate that no schedule changes, with nothing written."""
    other: dict[str, Scalar] = {
        "max_steps": steps,
        "scheduler": "constant",
        "warmup": 0.0,
        "log_every": 1,
        "validate_every": _NEVER,
        "checkpoint_every": _NEVER,
    }
    return replace(
        plan, values={**plan.values, **{key: Value(value, "") for key, value in other.items()}}
    )


def _rows(plan: Plan, rows: int, steps: int) -> int:
    """Return how many rows so many steps learn from, those of later passes counted again."""
    size, together = plan["micro_batch"], plan["accumulation"]
    a_pass = -(-rows // (size * together))
    passes, rest = divmod(steps, a_pass)
    return int(passes * rows + min(rows, rest * size * together))
