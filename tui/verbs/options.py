"""Options that many verbs share, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from engine.base import paths, project
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


def open_store(workspace: Path | None = None) -> Store:
    """Open the store that `--workspace`, the environment or the present folder names."""
    if workspace is None:
        context = click.get_current_context(silent=True)
        workspace = context.find_root().obj if context else None
    return Store(paths.workspace(workspace))
