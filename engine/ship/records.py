"""What an export leaves in the store: artifacts, how each compares, and which one to use."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from engine.base import files
from engine.base.store import Store, Value
from engine.ship.parity import Parity


def add(store: Store, run_id: int, job_id: int, kind: str, path: Path) -> int:
    """Record an artifact that was just made; return its id. It replaces one of the same path."""
    record: dict[str, Value] = {
        "run_id": run_id,
        "job_id": job_id,
        "kind": kind,
        "path": str(path.relative_to(store.workspace)),
        "bytes": files.size(path),
        "sha256": files.sha256(path),
        "created": time.time(),
    }
    known = _at(store, run_id, path)
    if known is None:
        return store.insert("artifacts", record)
    with store.transaction():
        store.execute("DELETE FROM parity WHERE artifact_id = ?", (known,))
        store.update("artifacts", known, {**record, "recommended": 0})
    return known


def intact(store: Store, run_id: int, kind: str, path: Path) -> int | None:
    """Return the id of a recorded artifact whose content is still the same, or None."""
    known = store.row(
        "SELECT id, sha256 FROM artifacts WHERE id = ? AND kind = ?",
        (_at(store, run_id, path), kind),
    )
    if known is None or not path.exists() or files.sha256(path) != known["sha256"]:
        return None
    return int(known["id"])


def add_parity(store: Store, artifact_id: int, result: Parity) -> None:
    """Record how an artifact compares with its reference."""
    store.insert(
        "parity",
        {
            **asdict(result),
            "artifact_id": artifact_id,
            "reasons": "\n".join(result.reasons),
        },
        replace=True,
    )


def parity(store: Store, artifact_id: int) -> Parity | None:
    """Return how an artifact compares with its reference; None when that was not measured."""
    row = store.row("SELECT * FROM parity WHERE artifact_id = ?", (artifact_id,))
    if row is None:
        return None
    values = {field.name: row[field.name] for field in fields(Parity)}
    return Parity(**{**values, "reasons": tuple(row["reasons"].splitlines())})


def results(store: Store, run_id: int, types: Sequence[str]) -> dict[str, Parity]:
    """Return the parity of each of a run's files of these types."""
    found = {
        kind: store.scalar(
            "SELECT max(id) FROM artifacts WHERE run_id = ? AND kind = ?", (run_id, f"gguf:{kind}")
        )
        for kind in types
    }
    known = {kind: parity(store, artifact) for kind, artifact in found.items() if artifact}
    return {kind: result for kind, result in known.items() if result is not None}


def recommend(store: Store, run_id: int) -> int | None:
    """Mark the smallest of a run's files that passed parity; return its id, or None."""
    best: int | None = store.scalar(
        "SELECT a.id FROM artifacts a JOIN parity p ON p.artifact_id = a.id "
        "WHERE a.run_id = ? AND p.result = 'pass' ORDER BY a.bytes, a.id LIMIT 1",
        (run_id,),
    )
    store.execute("UPDATE artifacts SET recommended = (id IS ?) WHERE run_id = ?", (best, run_id))
    return best


def _at(store: Store, run_id: int, path: Path) -> int | None:
    found: int | None = store.scalar(
        "SELECT max(id) FROM artifacts WHERE run_id = ? AND path = ?",
        (run_id, str(path.relative_to(store.workspace))),
    )
    return found
