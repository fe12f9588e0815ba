"""Where a fetched run belongs at home: its project, dataset and plan, found or brought in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from engine.base import files
from engine.base import project as projects
from engine.base.errors import UsageError
from engine.base.project import Project
from engine.base.store import Row, Store, Value
from engine.base.work import register
from engine.data.dataset import SPLITS
from engine.plan import plan as plans
from engine.plan import recipe
from engine.run.bundle import untrusted
from engine.run.bundle.layout import DATASETS, PROJECT, Label
from engine.run.bundle.reading import Reading
from engine.run.bundle.submission import slug

_DATA_FILES = ("*.jsonl", "*.json", "*.md")
_OWN = ("id", "project_id", "model", "path")  # of a plan's columns, those that differ by place


class Home(NamedTuple):
    """The rows that a run hangs on: project, plan, and the base model's name here."""

    project_id: int
    plan_id: int
    model: str


def find(store: Store, reading: Reading, folder: Path, label: Label, run: dict[str, Value]) -> Home:
    """Return where a bundle's run belongs, and bring in what is not here yet.

    A dataset is known by the hash of its content, which is its id, and a plan by all its values.

    Args:
        store: The store of this workspace, inside a transaction.
        reading: The bundle's record.
        folder: The bundle.
        label: Its label.
        run: The run's row there.

    Raises:
        TunesmithError: What must be brought in is damaged.
    """
    plan = reading.row("plans", "id = ?", (run["plan_id"],))
    values = reading.rows("plan_values", "plan_id = ? ORDER BY position", (plan["id"],))
    found = _same(store, plan, values)
    if found:
        return Home(found["project_id"], found["id"], found["model"])
    dataset_id = untrusted.name(run["dataset_id"], folder)
    project_id = store.scalar("SELECT project_id FROM datasets WHERE id = ?", (dataset_id,))
    if project_id is None:
        project_id = _project(store, folder, label)
        _dataset(store, reading, folder, dataset_id, project_id)
    elsewhere = {"project_id": project_id, "model": label.model, "path": None}
    plan_id = store.insert(
        "plans", {key: value for key, value in {**plan, **elsewhere}.items() if key != "id"}
    )
    store.write_all("plan_values", ({**value, "plan_id": plan_id} for value in values))
    for gate in reading.rows("gates", "gate = 'fit' AND subject = ?", (f"plan {plan['id']}",)):
        here = {"id": None, "project_id": project_id, "job_id": None, "subject": f"plan {plan_id}"}
        store.insert("gates", {**gate, **here})
    _check_plan(store, plan_id, folder)
    return Home(project_id, plan_id, label.model)


def _check_plan(store: Store, plan_id: int, folder: Path) -> None:
    """Refuse a plan with settings, a recipe or a method that nobody knows."""
    try:
        recipe.load(plans.load(store, plan_id).recipe)
    except (KeyError, ValueError, UsageError) as error:
        raise untrusted.damaged("its plan is none of this Tunesmith", folder) from error


def _same(store: Store, plan: dict[str, Value], values: list[dict[str, Value]]) -> Row | None:
    """Return the plan of this workspace that has the very same content, if there is one."""
    wanted = {key: value for key, value in plan.items() if key not in _OWN}
    settings = [(value["key"], value["value"], value["why"]) for value in values]
    for row in store.rows(
        "SELECT * FROM plans WHERE dataset_id = ? AND created = ?",
        (plan["dataset_id"], plan["created"]),
    ):
        mine = store.rows(
            "SELECT key, value, why FROM plan_values WHERE plan_id = ? ORDER BY position",
            (row["id"],),
        )
        if {key: row[key] for key in wanted} == wanted and [tuple(one) for one in mine] == settings:
            return row
    return None


def load_project(folder: Path, relative: str, label: Label) -> Project:
    """Read a `project.yaml` of a bundle, with the base model's name as it is at home.

    Raises:
        TunesmithError: It is missing, a link, or no project.
    """
    path = untrusted.within(folder, f"{relative}/project.yaml")
    if not path.is_file():
        raise untrusted.damaged(f"{relative}/project.yaml is missing", folder)
    return replace(projects.load(path.parent), base_model=label.model)


def _project(store: Store, folder: Path, label: Label) -> int:
    """Bring a project in that is not here; its sources stay where they were."""
    loaded = load_project(folder, PROJECT, label)
    place = store.workspace / "projects" / f"{slug(loaded.name)}-{label.id[:8]}"
    projects.save(loaded, place)
    return register(store, place, loaded)


def _dataset(
    store: Store, reading: Reading, folder: Path, dataset_id: str, project_id: int
) -> None:
    """Bring a dataset in, whose files must be those that its manifest tells of."""
    row = reading.row("datasets", "id = ?", (dataset_id,))
    target = store.workspace / DATASETS / dataset_id
    if not target.is_dir():
        with files.atomic(target) as temporary:
            untrusted.copy(folder, f"{DATASETS}/{dataset_id}", temporary, _DATA_FILES)
            _check(temporary, dataset_id, folder)
    alone = {"project_id": project_id, "job_id": None, "parent_id": None}
    store.insert("datasets", {**row, **alone, "path": f"{DATASETS}/{dataset_id}"})
    store.write_all(
        "dataset_sources", reading.rows("dataset_sources", "dataset_id = ?", (dataset_id,))
    )


def _check(copied: Path, dataset_id: str, folder: Path) -> None:
    try:
        manifest = json.loads((copied / "manifest.json").read_text(encoding="utf-8"))
        told = {name: manifest["files"][f"{name}.jsonl"]["sha256"] for name in SPLITS}
        same = {name: files.sha256(copied / f"{name}.jsonl") for name in SPLITS} == told
        if not same or manifest["id"] != dataset_id:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise untrusted.damaged(f"dataset {dataset_id} is not what it was", folder) from error
