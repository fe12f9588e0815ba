"""Bringing a bundle's run home; it can be repeated while the run goes on, and changes nothing new.

A bundle comes from another machine, so it is checked as a stranger's: rows by type, names by their
characters, files by their checksums, and no link is followed.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from engine.base import jobs
from engine.base import project as projects
from engine.base.errors import TunesmithError, UsageError
from engine.base.paths import PROJECT_NAME
from engine.base.project import Project
from engine.base.store import Row, Store, Value
from engine.plan import document
from engine.plan import plan as plans
from engine.run import launch, result
from engine.run.bundle import homes, trained, untrusted
from engine.run.bundle.arrival import Arrival
from engine.run.bundle.layout import RUNS, Label, read_label
from engine.run.bundle.reading import Reading, opened


@dataclass(frozen=True)
class Fetched:
    """One run that was fetched.

    Attributes:
        run: Its id here.
        name: Its name.
        state: Its job's state here: done, failed, or stopped where it has not ended there.
        step: The last step that is known.
        steps: The steps of the whole run.
        new: Whether it was not here before.
        changed: Whether this fetch brought anything.
    """

    run: int
    name: str
    state: str
    step: int
    steps: int
    new: bool
    changed: bool


def fetch(store: Store, folder: Path, *, with_checkpoints: bool = True) -> list[Fetched]:
    """Bring the runs of a bundle home.

    Args:
        store: The store of this workspace.
        folder: The bundle, finished or not; it is only read.
        with_checkpoints: Whether to copy its checkpoints too, or what was trained alone.

    Raises:
        TunesmithError: The folder is no bundle, is damaged, or was changed.
        UsageError: A run of it was resumed here, or the bundle is this workspace itself.
    """
    label = read_label(folder)
    if folder.resolve() == store.workspace.resolve():
        raise UsageError(
            "This bundle is the workspace itself.",
            "Go to the workspace it came from, or name that with --workspace.",
            str(folder),
        )
    with opened(store, folder) as reading:
        runs = reading.rows("runs", "1 ORDER BY id")
        return [
            _one(store, reading, folder, label, run, with_checkpoints=with_checkpoints)
            for run in runs
        ]


def _one(
    store: Store,
    reading: Reading,
    folder: Path,
    label: Label,
    run: dict[str, Value],
    *,
    with_checkpoints: bool,
) -> Fetched:
    if run["path"] != f"{RUNS}/{run['id']}":
        raise untrusted.damaged("a run's folder is not where it belongs", folder)
    before = _known(store, label, run)
    if before is not None:
        _refuse_if_resumed(store, before)
        if before["ended"] and result.path(store.workspace / before["path"]):
            return _told(store, before["id"], new=False, changed=False)
    run_id = before["id"] if before else _place(store, reading, folder, label, run)
    place = launch.folder(store, run_id)
    try:
        named = replace(label, model=launch.get(store, run_id)["model"])
        project = homes.load_project(folder, f"{RUNS}/{run['id']}", named)
        files = trained.bring(reading, run, folder, place, with_checkpoints=with_checkpoints)
        changed = Arrival(store, reading, run, run_id).write(files)
    except TunesmithError:
        if before is None:
            _forget(store, run_id, place)
        raise
    if not (place / PROJECT_NAME).is_file():
        _documents(store, run_id, project, place)
    return _told(store, run_id, new=before is None, changed=changed or before is None)


def _forget(store: Store, run_id: int, place: Path) -> None:
    """Take back the rows and the folder of a run that turned out damaged when it first came."""
    job_id = launch.get(store, run_id)["job_id"]
    with store.transaction():
        store.execute("DELETE FROM runs WHERE id = ?", (run_id,))
        store.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
    shutil.rmtree(place, ignore_errors=True)


def _known(store: Store, label: Label, run: dict[str, Value]) -> Row | None:
    return store.row(
        "SELECT r.* FROM fetched_runs f JOIN runs r ON r.id = f.run_id "
        "WHERE f.bundle = ? AND f.far_run_id = ?",
        (label.id, run["id"]),
    )


def _refuse_if_resumed(store: Store, here: Row) -> None:
    """Keep a run that was resumed here from being put back.

    Raises:
        UsageError: A worker of this box has had it.
    """
    if jobs.get(store, here["job_id"])["pid"] is not None:
        raise UsageError(
            f"Run {here['id']} was resumed here, and a fetch would undo that.",
            "Let it end here.",
            f"run {here['id']}",
        )


def _place(
    store: Store, reading: Reading, folder: Path, label: Label, run: dict[str, Value]
) -> int:
    """Make the run's rows and its folder here, still without what it has done."""
    with store.transaction():
        home = homes.find(store, reading, folder, label, run)
        job_id = store.insert(
            "jobs",
            {
                "project_id": home.project_id,
                "kind": "train",
                "state": "stopped",
                "created": run["created"],
            },
        )
        run_id = store.insert(
            "runs",
            {
                "name": run["name"],
                "project_id": home.project_id,
                "dataset_id": run["dataset_id"],
                "plan_id": home.plan_id,
                "job_id": job_id,
                "model": home.model,
                "method": run["method"],
                "path": "",
                "created": run["created"],
            },
        )
        store.update("runs", run_id, {"path": f"{RUNS}/{run_id}"})
        store.insert(
            "fetched_runs",
            {
                "bundle": label.id,
                "far_run_id": run["id"],
                "run_id": run_id,
                "fetched": time.time(),
            },
        )
    return run_id


def _documents(store: Store, run_id: int, project: Project, place: Path) -> None:
    """Write the run's plan and, last, its project into its folder, in this workspace's words."""
    plan = plans.load(store, launch.get(store, run_id)["plan_id"])
    document.write(store, project, plan, place)
    projects.save(project, place)


def _told(store: Store, run_id: int, *, new: bool, changed: bool) -> Fetched:
    row = launch.get(store, run_id)
    state = store.scalar("SELECT state FROM jobs WHERE id = ?", (row["job_id"],))
    return Fetched(run_id, row["name"], state, row["step"], row["steps"], new, changed)
