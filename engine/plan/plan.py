"""A plan: a recipe resolved for one project, one dataset and this box, with what it will take."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.base import gates, machine
from engine.base.errors import UsageError
from engine.base.gates import Gate
from engine.base.machine import Machine
from engine.base.project import Project
from engine.base.store import Store
from engine.data.dataset import require_answers
from engine.plan import cost, fit, models, recipe
from engine.plan.cost import Speed
from engine.plan.device import Device, choose
from engine.plan.models import Dimensions
from engine.plan.recipe import SETTINGS, Scalar, Value
from engine.plan.settle import Dataset, settle

# What follows from the settings; kept with them, because their reasons belong to the plan too.
_DERIVED = {
    "answer_share": float,
    "steps": int,
    "tokens": int,
    "tokens_per_second": float,
    "watts": float,
}


@dataclass(frozen=True)
class Plan:
    """Every final value of a training, why, and predictions.

    Attributes:
        id: The plan's row, or None before it is saved.
        recipe: The recipe's name.
        method: The method's name.
        model: The base model's name.
        dataset_id: The dataset it trains on.
        device: `cpu` or `gpu0`.
        values: Every setting and what follows from them: steps, tokens, tokens_per_second, watts.
        peak_bytes: Predicted peak of the device's memory.
        seconds: Predicted wall time.
        joules: Predicted energy.
        disk_bytes: Predicted disk use with checkpoints and exports.
        gate: What the fit gate says.
    """

    id: int | None
    recipe: str
    method: str
    model: str
    dataset_id: str
    device: str
    values: Mapping[str, Value]
    peak_bytes: int
    seconds: float
    joules: float
    disk_bytes: int
    gate: Gate

    def __getitem__(self, key: str) -> Any:
        """Return the plain value of a setting."""
        return self.values[key].value


def propose(
    store: Store,
    project: Project,
    dataset_id: str,
    overrides: Mapping[str, Scalar] | None = None,
) -> Plan:
    """Resolve a plan for this box as it is now, with the speed its own runs have shown.

    Raises:
        UsageError: No such dataset, one that the recipe cannot learn from, or a wrong override.
    """
    dataset = store.row("SELECT * FROM datasets WHERE id = ?", (dataset_id,))
    if dataset is None:
        raise UsageError(
            f"There is no dataset {dataset_id}.", "Make one: `tunesmith data build`.", "dataset"
        )
    require_answers(store, dataset_id)
    box = machine.read()
    method = recipe.load(project.recipe).method
    return resolve(
        project,
        dataset,
        box,
        overrides or {},
        speed=cost.recorded(store, model=project.base_model, method=method, device=box.device),
        disk_free=machine.disk_free(store.workspace),
    )


def resolve(
    project: Project,
    dataset: Dataset,
    box: Machine,
    overrides: Mapping[str, Scalar],
    *,
    speed: Speed | None = None,
    disk_free: int | None = None,
) -> Plan:
    """Resolve the project's recipe for a dataset and a box; reads no store and no clock.

    Args:
        project: Its recipe, base model, settings, exports and seed.
        dataset: A row of the table `datasets`.
        box: The box's facts.
        overrides: Settings that the user gave; texts are understood.
        speed: What runs on this box have shown, or None to guess.
        disk_free: Free bytes where runs are kept, or None not to judge them.

    Raises:
        UsageError: An override has an unknown name or a wrong value.
    """
    model, device = models.find(project.base_model), choose(box)
    chosen = recipe.load(project.recipe)
    values = settle(chosen, project, dataset, model.dimensions, device, overrides)
    settings = {name: value.value for name, value in values.items()}
    speed = speed or cost.assumed(
        model.dimensions,
        device,
        micro_batch=int(settings["micro_batch"]),
        length=max(1, dataset["tokens_train"] // max(1, dataset["train"])),
        gradient_checkpointing=bool(settings["gradient_checkpointing"]),
    )
    values["tokens_per_second"] = Value(round(speed.tokens_per_second, 1), speed.why)
    values["watts"] = Value(device.watts, f"Assumed: {device.assumption}.")
    seconds = _seconds(values, dataset, model.dimensions, device, speed)
    disk = cost.disk(
        model.dimensions,
        rank=int(settings["lora_rank"]),
        checkpoints=int(settings["keep_checkpoints"]),
        exports=project.exports,
    )
    demand = fit.Demand(model.dimensions, device, dataset["tokens_longest"], disk, disk_free)
    return Plan(
        id=None,
        recipe=chosen.name,
        method=chosen.method,
        model=project.base_model,
        dataset_id=dataset["id"],
        device=device.name,
        values=values,
        peak_bytes=fit.estimate(model.dimensions, device.kind, settings).peak_bytes,
        seconds=seconds,
        joules=seconds * device.watts,
        disk_bytes=disk,
        gate=fit.fit_gate(settings, demand),
    )


def save(store: Store, project_id: int, plan: Plan) -> Plan:
    """Write a plan and its fit gate to the store; return it with its id."""
    with store.transaction():
        plan_id = store.insert(
            "plans",
            {
                "project_id": project_id,
                "dataset_id": plan.dataset_id,
                "recipe": plan.recipe,
                "method": plan.method,
                "model": plan.model,
                "device": plan.device,
                "predicted_peak_bytes": plan.peak_bytes,
                "predicted_seconds": plan.seconds,
                "predicted_joules": plan.joules,
                "predicted_disk_bytes": plan.disk_bytes,
                "created": time.time(),
            },
        )
        for position, (key, value) in enumerate(plan.values.items()):
            store.insert(
                "plan_values",
                {
                    "plan_id": plan_id,
                    "position": position,
                    "key": key,
                    "value": text(value.value),
                    "why": value.why,
                },
            )
        gates.record(store, project_id, plan.gate, subject=f"plan {plan_id}", job_id=None)
    return replace(plan, id=plan_id)


def load(store: Store, plan_id: int) -> Plan:
    """Read a plan from the store.

    Raises:
        UsageError: There is no such plan.
    """
    row = store.row("SELECT * FROM plans WHERE id = ?", (plan_id,))
    if row is None:
        raise UsageError(f"There is no plan {plan_id}.", "Make one: `tunesmith plan`.", "plan")
    values = store.rows(
        "SELECT key, value, why FROM plan_values WHERE plan_id = ? ORDER BY position", (plan_id,)
    )
    gate = store.row(
        "SELECT result, reasons FROM gates WHERE gate = 'fit' AND subject = ? ORDER BY id",
        (f"plan {plan_id}",),
    )
    return Plan(
        id=plan_id,
        recipe=row["recipe"],
        method=row["method"],
        model=row["model"],
        dataset_id=row["dataset_id"],
        device=row["device"],
        values={item["key"]: Value(_value(*item[:2]), item["why"]) for item in values},
        peak_bytes=row["predicted_peak_bytes"],
        seconds=row["predicted_seconds"],
        joules=row["predicted_joules"],
        disk_bytes=row["predicted_disk_bytes"],
        gate=Gate("fit", gate["result"], tuple(filter(None, gate["reasons"].split("\n"))))
        if gate
        else Gate("fit", "pass"),
    )


def latest(store: Store, project_id: int) -> Plan | None:
    """Return the project's newest plan, or None before the first."""
    plan_id = store.scalar("SELECT max(id) FROM plans WHERE project_id = ?", (project_id,))
    return None if plan_id is None else load(store, plan_id)


def _seconds(
    values: Mapping[str, Value],
    dataset: Dataset,
    dimensions: Dimensions,
    device: Device,
    speed: Speed,
) -> float:
    steps = int(values["steps"].value)
    per_row = dataset["tokens_train"] / max(1, dataset["train"])
    validations = steps // int(values["validate_every"].value)
    checkpoints = steps // int(values["checkpoint_every"].value)
    one = cost.checkpoint_bytes(dimensions, int(values["lora_rank"].value))
    return cost.seconds(
        speed,
        device,
        tokens=float(values["tokens"].value),
        validation_tokens=validations * dataset["validation"] * per_row,
        saved_bytes=checkpoints * one,
    )


def text(value: Scalar) -> str:
    """Return a value as people write it: `true`, not `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(key: str, text: str) -> Scalar:
    kind = SETTINGS[key].kind if key in SETTINGS else _DERIVED[key]
    if key in ("validate_every", "checkpoint_every"):
        kind = int
    return text == "true" if kind is bool else kind(text)
