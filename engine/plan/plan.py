"""A plan: a recipe resolved for one project, one dataset and this box, with what it will take."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from engine.base import gates
from engine.base.errors import UsageError
from engine.base.gates import Gate
from engine.base.hardware import machine
from engine.base.hardware.machine import Machine
from engine.base.project import Project
from engine.base.store import Store
from engine.plan import cost, fit, memory, models, processes, recipe, trackers
from engine.plan.compatibility import RowFacts, clashes
from engine.plan.cost import Speed
from engine.plan.device import Device, choose
from engine.plan.dimensions import Dimensions
from engine.plan.memory import Correction, Setup, split
from engine.plan.recipe import SETTINGS, Scalar, Value
from engine.plan.setting import Trainer, Tuning
from engine.plan.settle import Dataset, settle

# What follows from the settings; kept with them, because their reasons belong to the plan too.
_DERIVED = {
    "longest": int,
    "answer_share": float,
    "steps": int,
    "tokens": int,
    "tokens_per_second": float,
    "memory_factor": float,
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

    @property
    def trainer(self) -> Trainer:
        """The recipe's trainer, as the method's name begins with it."""
        return cast("Trainer", split(self.method)[0])

    @property
    def tuning(self) -> Tuning:
        """Whether an adapter is trained or all weights."""
        return cast("Tuning", split(self.method)[1])

    @property
    def settings(self) -> dict[str, Scalar]:
        """Every value by name, without its reason."""
        return {name: value.value for name, value in self.values.items()}

    @property
    def setup(self) -> Setup:
        """What of the plan decides its memory and speed."""
        return Setup.of(self.settings, self.trainer, self.tuning)

    @property
    def quantised(self) -> bool:
        """Whether an adapter is trained on a base held in 4 bits."""
        return self.tuning == "lora" and self["quantization"] == "nf4"

    @property
    def processes(self) -> int:
        """Over how many processes it trains."""
        return int(self["processes"]) if "processes" in self.values else 1

    @property
    def sharding(self) -> str:
        """What the processes share: `ddp` the gradients only, `fsdp2` the weights too."""
        return str(self["sharding"]) if "sharding" in self.values else "ddp"

    @property
    def needs_bitsandbytes(self) -> bool:
        """Whether the base's format or the optimizer is one of bitsandbytes."""
        return self.quantised or "8bit" in self["optimizer"]

    @property
    def peak_error(self) -> float:
        """By what share the predicted peak is likely off at most."""
        return memory.EXPECTED_ERROR["cpu" if self.device == "cpu" else "gpu"]

    @property
    def seconds_error(self) -> float:
        """By what share the predicted time is likely off at most."""
        measured = self.values["tokens_per_second"].why.startswith("Measured")
        return cost.RECORD_ERROR if measured else cost.PRIOR_ERROR

    def __getitem__(self, key: str) -> Any:
        """Return the plain value of a setting."""
        return self.values[key].value


def propose(
    store: Store,
    project: Project,
    dataset_id: str,
    overrides: Mapping[str, Scalar] | None = None,
    *,
    device: Device | None = None,
) -> Plan:
    """Resolve a plan for this box as it is now, with the speed its own runs have shown.

    Args:
        store: Where the dataset and the record of past runs are.
        project: The recipe, the base model and the settings.
        dataset_id: The dataset to train on.
        overrides: Settings that the user gave.
        device: The device of another machine, of which this box's record says nothing.

    Raises:
        UsageError: No such dataset, one that the recipe cannot learn from, a wrong override, or a
            tracker that is not installed.
    """
    dataset = store.row("SELECT * FROM datasets WHERE id = ?", (dataset_id,))
    if dataset is None:
        raise UsageError(
            f"There is no dataset {dataset_id}.", "Make one: `tunesmith data build`.", "dataset"
        )
    recipe.require_form(recipe.load(project.recipe), dataset["form"], dataset_id)
    box, given = machine.read(), overrides or {}
    rows = RowFacts.of_dataset(dataset, store.workspace / dataset["path"])
    if device:
        return resolve(project, dataset, box, given, rows=rows, device=device)
    disk_free = machine.disk_free(store.workspace)
    plan = resolve(project, dataset, box, given, disk_free=disk_free, rows=rows)
    trackers.require(plan["trackers"])
    speed = cost.recorded(store, model=plan.model, method=plan.method, device=plan.device)
    correction = memory.learned(store, plan.method, plan.device)
    if speed is None and correction is None:
        return plan
    return resolve(
        project,
        dataset,
        box,
        given,
        speed=speed,
        disk_free=disk_free,
        correction=correction,
        rows=rows,
    )


def resolve(
    project: Project,
    dataset: Dataset,
    box: Machine,
    overrides: Mapping[str, Scalar],
    *,
    speed: Speed | None = None,
    disk_free: int | None = None,
    correction: Correction | None = None,
    rows: RowFacts | None = None,
    device: Device | None = None,
) -> Plan:
    """Resolve the project's recipe for a dataset and a box; reads no store and no clock.

    Args:
        project: Its recipe, base model, settings, exports and seed.
        dataset: A row of the table `datasets`.
        box: The box's facts.
        overrides: Settings that the user gave; texts are understood.
        speed: What runs on this box have shown, or None to guess.
        disk_free: Free bytes where runs are kept, or None not to judge them.
        correction: What this box's own runs have taught of its memory, or None.
        rows: What the rows ask of a chat template; None to go by the dataset's form alone.
        device: Where it will run; None for the device that jobs take on this box.

    Raises:
        UsageError: An override has an unknown name or a wrong value, or does not apply.
    """
    model = models.find(project.base_model)
    device = processes.share(device or choose(box), processes.asked(project, overrides))
    chosen = recipe.load(project.recipe)
    values = settle(chosen, project, dataset, model.dimensions, device, overrides, correction)
    settings = {name: value.value for name, value in values.items()}
    setup = Setup.of(settings, chosen.trainer, chosen.tuning)
    mean_length = max(1, dataset["tokens_train"] // max(1, dataset["train"]))
    speed = speed or cost.assumed(model.dimensions, device, setup, mean_length)
    values["tokens_per_second"] = Value(round(speed.tokens_per_second, 1), speed.why)
    if correction is not None:
        values["memory_factor"] = Value(correction.factor, correction.why)
    values["watts"] = Value(device.watts, f"Assumed: {device.assumption}.")
    seconds = _seconds(values, dataset, model.dimensions, device, setup, speed)
    kept = int(settings["keep_checkpoints"])
    demand = fit.Demand(
        model.dimensions,
        device,
        dataset["tokens_longest"],
        trainer=setup.trainer,
        tuning=setup.tuning,
        disk=cost.disk(model.dimensions, setup, checkpoints=kept, exports=project.exports),
        disk_free=disk_free,
        correction=correction,
    )
    rows = rows or RowFacts(chosen.form, longest=int(dataset["tokens_longest"]))
    found = clashes(project, model, chosen.trainer, chosen.tuning, settings, rows, device)
    return Plan(
        id=None,
        recipe=chosen.name,
        method=setup.method,
        model=project.base_model,
        dataset_id=dataset["id"],
        device=device.name,
        values=values,
        peak_bytes=demand.peak(settings),
        seconds=seconds,
        joules=seconds * device.watts,
        disk_bytes=demand.disk,
        gate=fit.fit_gate(settings, demand, found),
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
        values={item["key"]: Value(value(*item[:2]), item["why"]) for item in values},
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
    setup: Setup,
    speed: Speed,
) -> float:
    steps = int(values["steps"].value)
    per_row = dataset["tokens_train"] / max(1, dataset["train"])
    validations = steps // int(values["validate_every"].value)
    checkpoints = steps // int(values["checkpoint_every"].value)
    one = cost.checkpoint_bytes(dimensions, setup)
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


def value(key: str, text: str) -> Scalar:
    """Return a value in its setting's type, from the text that the store keeps."""
    kind = SETTINGS[key].kind if key in SETTINGS else _DERIVED[key]
    if key in ("validate_every", "checkpoint_every"):
        kind = int
    return text == "true" if kind is bool else kind(text)
