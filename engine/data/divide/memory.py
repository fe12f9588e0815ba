"""The memory of the splits: where each row of a project's earlier datasets stood.

A row keeps its side for ever, or what one model was trained on would test the next. A new rule
(other sizes, another seed) is a wish for another split, and starts anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.base.project import Project
from engine.base.store import Store
from engine.data.dataset import SPLITS, Split
from engine.data.findings import Cleaned
from engine.data.rows import Row


def rule(project: Project) -> str:
    """Return what the split depends on besides the rows."""
    return f"test={project.data.test} validation={project.data.validation} seed={project.seed}"


def settled(store: Store, project_id: int, project: Project, cleaned: Cleaned) -> dict[str, str]:
    """Return the split that earlier datasets of the project gave to rows of this one, by row id.

    Rows that were merged into others are among them: their split binds those who took their place.
    """
    if rule(project) != _last_rule(store, project_id):
        return {}
    places = {
        row["row_id"]: row["split"]
        for row in store.rows(
            "SELECT row_id, split FROM split_memory WHERE project_id = ?", (project_id,)
        )
    }
    now = [row.id for row in cleaned.rows] + [gone for _, gone in cleaned.absorbed]
    found = {row_id: places.get(cleaned.read_id(row_id)) for row_id in now}
    return {row_id: split for row_id, split in found.items() if split}


def remember(
    store: Store,
    project_id: int,
    project: Project,
    cleaned: Cleaned,
    splits: Mapping[Split, list[Row]],
) -> None:
    """Write where the rows stand now, and those merged into them; in the caller's transaction.

    Rows are remembered by the id they were read with, so another policy for personal data moves
    none of them.
    """
    if rule(project) != _last_rule(store, project_id):
        store.execute("DELETE FROM split_memory WHERE project_id = ?", (project_id,))
    places = {row.id: name for name in SPLITS if name != "golden" for row in splits[name]}
    merged = {gone: places[kept] for kept, gone in cleaned.absorbed if kept in places}
    store.write_all(
        "split_memory",
        (
            {"project_id": project_id, "row_id": cleaned.read_id(row_id), "split": split}
            for row_id, split in {**merged, **places}.items()
        ),
    )
    store.update("projects", project_id, {"split_rule": rule(project)})


def _last_rule(store: Store, project_id: int) -> str:
    return str(store.scalar("SELECT split_rule FROM projects WHERE id = ?", (project_id,)) or "")
