"""Reading what was trained: the runs, one run in full, and how people name a run."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from engine.base.errors import UsageError
from engine.base.settings import nearest_name
from engine.base.store import Store
from engine.plan import document
from engine.plan import plan as plans
from engine.run import rerun, watched
from engine.score import records as scores

_RUNS = """
SELECT l.id, l.name, coalesce(l.status, 'unknown') AS status, l.method, l.model, l.dataset,
       l.created, l.step, l.steps, l.peak_bytes, l.seconds, l.tokens,
       t.metric,
       (SELECT json_group_object(metric, value) FROM score_metrics WHERE score_id = t.id) AS scores
FROM run_list l LEFT JOIN scores t ON t.id = (SELECT max(id) FROM scores
     WHERE run_id = l.id AND subject = 'tuned' AND split = 'test')
"""
_LISTED = (
    *("id", "name", "status", "method", "model", "dataset", "created", "step", "steps"),
    "metric",
)


def runs(store: Store, limit: int | None = None, offset: int = 0) -> list[dict[str, Any]]:
    """Return the runs, newest first.

    Each is a dict of `id`, `name`, `status`, `method`, `model`, `dataset`, `created` (seconds since
    the epoch), `step`, `steps`, `scores`: the tuned model's metrics on the test rows, empty before
    the evaluation, and `metric`: the primary one's name.
    """
    rows = store.rows(
        f"{_RUNS} ORDER BY l.id DESC LIMIT ? OFFSET ?",
        (-1 if limit is None else limit, offset),
    )
    return [_listed(row) for row in rows]


def show(store: Store, run: int | str) -> dict[str, Any]:
    """Return one run in full: what `runs` tells, with plan, measurements, verdict and artifacts.

    Raises:
        UsageError: There is no such run.
    """
    run_id = resolve_run(store, str(run))
    row = store.row(f"{_RUNS} WHERE l.id = ?", (run_id,))
    assert row is not None  # resolve_run found it
    run_row = store.row("SELECT plan_id, best_step, joules FROM runs WHERE id = ?", (run_id,))
    assert run_row is not None
    seconds, tokens = row["seconds"], row["tokens"]
    repeats = rerun.compare(store, run_id)
    return {
        **_listed(row),
        "plan": document.record(plans.load(store, run_row["plan_id"])),
        "measured": {
            "peak_bytes": row["peak_bytes"],
            "seconds": seconds,
            "tokens_per_second": tokens / seconds if seconds and tokens else None,
            "joules": run_row["joules"],
        },
        "board": watched.board(store, run_id),
        "preferences": watched.preferences(store, run_id),
        "best_step": run_row["best_step"],
        "changes": [change._asdict() for change in watched.changes(store, run_id)],
        "answers": [
            {**row._asdict(), "answers": [answer._asdict() for answer in row.answers]}
            for row in watched.answers(store, run_id)
        ],
        "rerun": asdict(repeats) if repeats else None,
        "verdict": _verdict(store, run_id),
        "artifacts": artifacts(store, run_id),
    }


def artifacts(store: Store, run_id: int) -> list[dict[str, Any]]:
    """Return what a run's exports made, in the order of making.

    Each is a dict of `id`, `kind`, `path` (absolute), `bytes`, `sha256`, `recommended`, `created`
    and `parity`, the figures of the table `parity` or None where none was measured.
    """
    compared = {
        row["artifact_id"]: {
            **{key: row[key] for key in row.keys() if key != "artifact_id"},  # noqa: SIM118 - a Row
            "reasons": row["reasons"].splitlines(),
        }
        for row in store.rows(
            "SELECT p.* FROM parity p JOIN artifacts a ON a.id = p.artifact_id WHERE a.run_id = ?",
            (run_id,),
        )
    }
    return [
        {
            "id": row["id"],
            "kind": row["kind"],
            "path": str(store.workspace / row["path"]),
            "bytes": row["bytes"],
            "sha256": row["sha256"],
            "recommended": bool(row["recommended"]),
            "created": row["created"],
            "parity": compared.get(row["id"]),
        }
        for row in store.rows("SELECT * FROM artifacts WHERE run_id = ? ORDER BY id", (run_id,))
    ]


def resolve_run(store: Store, text: str) -> int:
    """Return the id of the run that a person means: its id, its name or a unique start of it.

    Of runs with equal names it is the newest.

    Raises:
        UsageError: None or several are meant; names the nearest.
    """
    if text.isascii() and text.isdigit():
        found = store.scalar("SELECT id FROM runs WHERE id = ?", (int(text[:18]),))
        if found is not None:
            return int(found)
    named = {row["name"]: row["id"] for row in store.rows("SELECT id, name FROM runs ORDER BY id")}
    if text in named:
        return int(named[text])
    begun = [name for name in named if text and name.startswith(text)]
    if len(begun) == 1:
        return int(named[begun[0]])
    if begun:
        raise UsageError(
            f"Several runs begin with {text}: {', '.join(begun[:5])}.", "Name one, or use its id."
        )
    raise UsageError(
        f"There is no run {text[:80]}{nearest_name(text, list(named))}.", "See `tunesmith runs`."
    )


def _listed(row: Any) -> dict[str, Any]:
    return {**{key: row[key] for key in _LISTED}, "scores": json.loads(row["scores"] or "{}")}


def _verdict(store: Store, run_id: int) -> dict[str, Any] | None:
    """Return the verdict on the test rows, each metric against the few-shot base; None before."""
    compared = scores.verdicts(store, run_id)
    if not compared:
        return None
    values = {
        row["subject"]: row["metrics"]
        for row in scores.table(store, run_id)
        if row["split"] == "test"
    }
    return {
        "result": compared[0]["result"],
        "sentence": scores.sentence(store, run_id),
        "metrics": {
            item["metric"]: {
                "base": values["base"][item["metric"]]["value"],
                "prompted": values["few_shot"][item["metric"]]["value"],
                "tuned": values["tuned"][item["metric"]]["value"],
                **{key: item[key] for key in ("difference", "low", "high", "n")},
            }
            for item in compared
            if item["split"] == "test" and item["baseline"] == "few_shot"
        },
    }
