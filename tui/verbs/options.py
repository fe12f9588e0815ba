"""Options that many verbs share, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from engine.base import jobs, paths, project
from engine.base.hours import Hours
from engine.base.jobs import Turn
from engine.base.store import Store
from engine.base.work import register

F = TypeVar("F", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON for machines.")
accept = click.option(
    "--accept", default="", metavar="REASON", help="Go on although a gate says no; recorded."
)
project_option = click.option(
    "--project",
    "project_dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of project.yaml; else the nearest one.",
)
settings_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a value of the recipe."
)
priority_option = click.option(
    "--priority",
    type=int,
    default=0,
    metavar="N",
    help="Jobs of a higher priority go first; 0 by itself.",
)
after_option = click.option(
    "--after",
    type=int,
    multiple=True,
    metavar="JOB",
    help="Begin once this job is done; may be given more than once.",
)
hours_option = click.option(
    "--hours",
    metavar="HH:MM-HH:MM",
    help="Train in these hours only, such as 22:00-07:00 (local time); else at any hour.",
)


class Place:
    """Where a verb works: the store, and the project when there is one.

    Attributes:
        store: The workspace's store.
        folder: The project's folder.
        project: The project.
        project_id: The project's row.
    """

    def __init__(self, project_dir: Path | None, workspace: Path | None = None) -> None:
        self.folder = project.find(project_dir)
        self.project = project.load(self.folder)
        self.store = open_store(workspace)
        self.project_id = register(self.store, self.folder, self.project)


def turn_of(
    store: Store, priority: int, after: tuple[int, ...] = (), hours: str | None = None
) -> Turn:
    """Return when a job may begin, as its options say.

    Raises:
        UsageError: There is no such job to wait for, or the hours are no hours.
    """
    for job_id in after:
        jobs.get(store, job_id)
    checked = None if hours is None else str(Hours.parse(hours))
    return Turn(priority, tuple(sorted(set(after))), checked)


def open_store(workspace: Path | None = None) -> Store:
    """Open the store that `--workspace`, the environment or the present folder names."""
    if workspace is None:
        context = click.get_current_context(silent=True)
        workspace = context.find_root().obj if context else None
    return Store(paths.workspace(workspace))
