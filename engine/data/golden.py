"""The golden set: hashed, frozen, and refused as training data for ever.

Every golden file that a build has seen is kept, masked, beside the store. A row taken out of the
golden file later is still refused by every build of the project.
"""

from __future__ import annotations

import time
from pathlib import Path

from engine.base import files
from engine.base.store import Row as Record
from engine.base.store import Store
from engine.data.rows import Row, from_json, to_json


def frozen(store: Store, project_id: int) -> list[Row]:
    """Return the rows of every golden set that the project ever had, each once."""
    rows: dict[str, Row] = {}
    for record in store.rows(
        "SELECT path FROM golden_sets WHERE project_id = ? ORDER BY id", (project_id,)
    ):
        path = store.workspace / record["path"]
        if path.is_file():
            with path.open(encoding="utf-8") as stream:
                rows.update((row.id, row) for row in map(from_json, stream))
    return list(rows.values())


def change(store: Store, project_id: int, sha256: str, rows: list[Row]) -> str:
    """Return what is other than in the last golden set, as a warning; empty when nothing is."""
    last = _last(store, project_id)
    if last is None or last["sha256"] == sha256:
        return ""
    before, now = _ids(store.workspace / last["path"]), {row.id for row in rows}
    return (
        f"The golden set is not the one of before: {len(now - before):,} rows are new, "
        f"{len(before - now):,} are gone. Scores on it cannot be compared with earlier ones; the "
        "rows that are gone stay refused as training data."
    )


def freeze(store: Store, project_id: int, sha256: str, rows: list[Row]) -> None:
    """Keep a golden set for ever.

    Args:
        store: The workspace's store.
        project_id: The project.
        sha256: The hash of the golden file.
        rows: Its rows, masked.
    """
    last = _last(store, project_id)
    if last is not None and last["sha256"] == sha256:
        return
    path = Path("golden") / f"{project_id}-{sha256[:16]}.jsonl"
    files.write_text(store.workspace / path, "".join(to_json(row) + "\n" for row in rows))
    record: dict[str, str | int | float] = {
        "project_id": project_id,
        "sha256": sha256,
        "path": str(path),
        "rows": len(rows),
        "frozen": time.time(),
    }
    store.insert("golden_sets", record, replace=True)


def _last(store: Store, project_id: int) -> Record | None:
    return store.row(
        "SELECT * FROM golden_sets WHERE project_id = ? ORDER BY frozen DESC, id DESC LIMIT 1",
        (project_id,),
    )


def _ids(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    with path.open(encoding="utf-8") as stream:
        return {from_json(line).id for line in stream}
