"""Writing a bundle: a workspace of one run, with its data, its program and its base model."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from engine.base import model
from engine.base import project as projects
from engine.base.errors import UsageError
from engine.base.files import atomic
from engine.base.project import Project
from engine.base.store import Store, Value
from engine.data import dataset
from engine.plan import document
from engine.plan.plan import Plan
from engine.run.bundle import program, submission
from engine.run.bundle.layout import (
    DATASETS,
    FORMAT,
    JOB_ID,
    MODELS,
    PROJECT,
    RUN_ID,
    RUNS,
    Label,
    write_label,
)
from engine.run.bundle.machines import Machines


@dataclass(frozen=True)
class Written:
    """A bundle on the disk.

    Attributes:
        folder: Where it is.
        label: Its label.
        command: What submits it, run in the folder.
    """

    folder: Path
    label: Label
    command: str


def write(
    store: Store,
    project: Project,
    plan: Plan,
    machines: Machines,
    target: Path,
    *,
    name: str,
    accept: str = "",
) -> Written:
    """Write a plan as a bundle that other machines train.

    Args:
        store: The workspace's store.
        project: The plan's project.
        plan: A saved plan, whose fit gate the caller has enforced.
        machines: Where it will be trained.
        target: The folder to make; it may not hold anything yet.
        name: The run's name.
        accept: Why a failed gate was overridden.

    Raises:
        UsageError: The folder holds something.
        TunesmithError: The base model's folder is no model, or the disk is full.
    """
    require_new(target)
    label = Label(uuid.uuid4().hex, FORMAT, version("tunesmith"), _called(plan.model))
    with atomic(target) as folder:
        folder.mkdir()
        there = _model(plan.model, folder)
        moved = replace(project, base_model=there)
        projects.save(moved, folder / PROJECT)
        run = folder / RUNS / str(RUN_ID)
        projects.save(moved, run)
        document.write(store, project, plan, run)
        shutil.copytree(
            dataset.load(store, plan.dataset_id).folder, folder / DATASETS / plan.dataset_id
        )
        program.write(folder)
        far = Store(folder)
        try:
            _record(store, far, moved, plan, name, accept)
        finally:
            far.close()
        write_label(folder, label)
        command = submission.write(folder, label, plan, machines, name)
    store.update("plans", plan.id or 0, {"path": str(target / RUNS / str(RUN_ID))})
    return Written(target, label, command)


def require_new(target: Path) -> None:
    """Refuse to write a bundle over anything.

    Raises:
        UsageError: The folder holds something.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError("This folder is not empty.", "Name a new one with --out.", str(target))


def _called(base: str) -> str:
    return Path(base).name if model.is_local(base) else base


def _model(base: str, folder: Path) -> str:
    """Copy a base model that no hub has; return what the far machine calls it."""
    if not model.is_local(base):
        return base
    found = model.locate(base)
    place = f"{MODELS}/{found.name}"
    shutil.copytree(found, folder / place)
    return f"./{place}"


def _record(home: Store, far: Store, project: Project, plan: Plan, name: str, accept: str) -> None:
    """Write the rows that the worker reads; a fresh store counts from 1."""
    now = time.time()
    with far.transaction():
        far.insert(
            "projects",
            {
                "name": project.name,
                "path": PROJECT,
                "task": project.objective.task,
                "base_model": project.base_model,
                "created": now,
            },
        )
        rows = _row(home, "datasets", plan.dataset_id)
        alone = {"project_id": 1, "job_id": None, "parent_id": None}
        far.insert("datasets", {**rows, **alone, "path": f"{DATASETS}/{plan.dataset_id}"})
        _copy(home, far, "dataset_sources", "dataset_id = ?", plan.dataset_id)
        planned = _row(home, "plans", plan.id)
        far.insert(
            "plans",
            {**planned, "id": 1, "project_id": 1, "model": project.base_model, "path": None},
        )
        _copy(home, far, "plan_values", "plan_id = ?", plan.id, plan_id=1)
        _copy(
            home,
            far,
            "gates",
            "gate = 'fit' AND subject = ?",
            f"plan {plan.id}",
            id=None,
            project_id=1,
            job_id=None,
            subject="plan 1",
            accepted=accept or None,
        )
        _submit(far, project, plan, name, accept)


def _submit(far: Store, project: Project, plan: Plan, name: str, accept: str) -> None:
    """Write the run and its job, as `launch.submit` does, but start nothing."""
    now = time.time()
    args = {"run_id": RUN_ID, "then": [], "accept": accept}
    far.insert(
        "jobs",
        {
            "id": JOB_ID,
            "project_id": 1,
            "kind": "train",
            "args": json.dumps({**args, "device": plan.device, "project": PROJECT}),
            "created": now,
        },
    )
    far.insert(
        "runs",
        {
            "id": RUN_ID,
            "name": name,
            "project_id": 1,
            "dataset_id": plan.dataset_id,
            "plan_id": 1,
            "job_id": JOB_ID,
            "model": project.base_model,
            "method": plan.method,
            "path": f"{RUNS}/{RUN_ID}",
            "steps": plan["steps"],
            "created": now,
        },
    )


def _row(store: Store, table: str, key: int | str | None) -> dict[str, Value]:
    row = store.row(f"SELECT * FROM {table} WHERE id = ?", (key,))  # noqa: S608 - ours
    assert row is not None  # the plan's own
    return dict(row)


def _copy(
    home: Store, far: Store, table: str, where: str, key: int | str | None, **changed: Value
) -> None:
    rows = home.rows(f"SELECT * FROM {table} WHERE {where}", (key,))  # noqa: S608 - ours
    far.write_all(table, ({**dict(row), **changed} for row in rows))
