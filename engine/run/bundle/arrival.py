"""The rows of a fetched run, each with its keys as they are at home."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.base.store import Store, Value
from engine.plan import plan as plans
from engine.run import launch
from engine.run.bundle import untrusted
from engine.run.bundle.reading import Reading

_MEASURED = (
    *("step", "steps", "peak_bytes", "seconds", "tokens", "adapter_sha256", "ended"),
    *("best_step", "joules"),
)
_ANSWERS = ("step", "row_id", "asked", "expected", "answer", "at")
_CHANGES = ("step", "key", "before", "after", "why", "at")
_OUTCOME = ("done", "total", "error", "error_where", "fix", "exit_code", "started", "ended")


class Arrival:
    """What a run has done elsewhere, on its way into the rows of this workspace.

    Args:
        store: The store of this workspace.
        reading: The bundle's record.
        run: The run's row there.
        run_id: The run's id here.
    """

    def __init__(self, store: Store, reading: Reading, run: dict[str, Value], run_id: int) -> None:
        self._store = store
        self._reading = reading
        self._far = run
        self._here = launch.get(store, run_id)
        self._run_id = run_id

    def write(self, checkpoints: list[dict[str, Value]] | None) -> bool:
        """Bring the run's rows up to date; return whether that changed any.

        Args:
            checkpoints: The rows of the checkpoints whose files are here; None to leave them.

        Raises:
            TunesmithError: A row is not as a worker writes it.
        """
        with self._store.transaction():
            return any(
                [
                    self._run(),
                    self._job(),
                    self._log(),
                    self._curves(),
                    self._predictions(),
                    self._seen("samples", _ANSWERS),
                    self._seen("run_changes", _CHANGES),
                    checkpoints is not None and self._checkpoints(checkpoints),
                ]
            )

    def _run(self) -> bool:
        environment = self._far["environment"]
        if not isinstance(_json(environment), dict):
            raise untrusted.damaged("its environment is not readable", Path(str(self._far["path"])))
        new = {key: self._far[key] for key in _MEASURED} | {"environment": environment}
        if {key: self._here[key] for key in new} == new:
            return False
        self._store.update("runs", self._run_id, new)
        return True

    def _job(self) -> bool:
        """A job that has not ended there is told as stopped here: no process of this box has it."""
        far = self._reading.row("jobs", "id = ?", (self._far["job_id"],))
        job_id = self._here["job_id"]
        ended = self._far["ended"] is not None
        state = "done" if ended else "failed" if far["state"] == "failed" else "stopped"
        where = f"step {self._far['step']} of {self._far['steps']} when it was fetched"
        project = self._store.scalar(
            "SELECT path FROM projects WHERE id = ?", (self._here["project_id"],)
        )
        args = {"run_id": self._run_id, "then": [], "accept": "", "project": project}
        device = plans.load(self._store, self._here["plan_id"]).device
        new: dict[str, Value] = {
            **{key: far[key] for key in _OUTCOME},
            "args": json.dumps({**args, "device": device}),
            "state": state,
            "device": far["device"],
            "note": far["note"] if ended else f"trained elsewhere, {where}",
            "fix": _renumbered(far["fix"], far["id"], job_id),
        }
        if state == "stopped":
            new |= {"error": None, "error_where": None, "fix": None}
        before = self._store.row("SELECT * FROM jobs WHERE id = ?", (job_id,))
        if before is not None and {key: before[key] for key in new} == new:
            return False
        self._store.update("jobs", job_id, new)
        return True

    def _log(self) -> bool:
        """A log is only ever added to."""
        job_id = self._here["job_id"]
        known = self._store.scalar("SELECT count(*) FROM job_log WHERE job_id = ?", (job_id,))
        lines = self._reading.rows("job_log", "job_id = ? ORDER BY id", (self._far["job_id"],))
        new = [{**line, "id": None, "job_id": job_id} for line in lines[known:]]
        self._store.write_all("job_log", new, replace=False)
        return bool(new)

    def _curves(self) -> bool:
        """A resumed run writes points anew, so a series is what it is there, and nothing more."""
        changed = False
        for series in self._reading.rows("series", "run_id = ? ORDER BY id", (self._far["id"],)):
            points = self._reading.rows("points", "series_id = ? ORDER BY step", (series["id"],))
            self._store.execute(
                "INSERT INTO series (run_id, name) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (self._run_id, series["name"]),
            )
            here = self._store.scalar(
                "SELECT id FROM series WHERE run_id = ? AND name = ?",
                (self._run_id, series["name"]),
            )
            wanted = [(point["step"], point["at"], point["value"]) for point in points]
            present = self._store.rows(
                "SELECT step, at, value FROM points WHERE series_id = ? ORDER BY step", (here,)
            )
            if [tuple(point) for point in present] == wanted:
                continue
            changed = True
            self._store.execute("DELETE FROM points WHERE series_id = ?", (here,))
            self._store.write_all("points", ({**point, "series_id": here} for point in points))
        return changed

    def _seen(self, table: str, columns: Sequence[str]) -> bool:
        """Answers and changed settings: what is there, and nothing more; the columns order them."""
        named = ", ".join(columns)
        far = self._reading.rows(table, f"run_id = ? ORDER BY {named}", (self._far["id"],))
        wanted = [{name: row[name] for name in columns} for row in far]
        present = self._store.rows(
            f"SELECT {named} FROM {table} WHERE run_id = ? ORDER BY {named}",  # noqa: S608 - ours
            (self._run_id,),
        )
        if [dict(row) for row in present] == wanted:
            return False
        self._store.execute(f"DELETE FROM {table} WHERE run_id = ?", (self._run_id,))  # noqa: S608
        rows = ({"run_id": self._run_id, **row} for row in wanted)
        self._store.write_all(table, rows, replace=False)
        return True

    def _predictions(self) -> bool:
        changed = 0
        for row in self._reading.rows("predictions", "run_id = ?", (self._far["id"],)):
            changed += self._store.execute(
                "INSERT INTO predictions (run_id, quantity, predicted, measured) "
                "VALUES (?, ?, ?, ?) ON CONFLICT (run_id, quantity) DO UPDATE SET "
                "predicted = excluded.predicted, measured = excluded.measured "
                "WHERE predicted <> excluded.predicted OR measured <> excluded.measured",
                (self._run_id, row["quantity"], row["predicted"], row["measured"]),
            )
        return changed > 0

    def _checkpoints(self, rows: list[dict[str, Value]]) -> bool:
        folder = self._here["path"]
        new = [
            {
                **row,
                "run_id": self._run_id,
                "path": f"{folder}/checkpoints/checkpoint-{row['step']}",
            }
            for row in rows
        ]
        present: list[Any] = self._store.rows(
            "SELECT * FROM checkpoints WHERE run_id = ? ORDER BY step", (self._run_id,)
        )
        if [dict(row) for row in present] == new:
            return False
        self._store.execute("DELETE FROM checkpoints WHERE run_id = ?", (self._run_id,))
        self._store.write_all("checkpoints", new)
        return True


def _renumbered(fix: Value, far: Value, here: int) -> Value:
    """Return a way out with the job's number as it is at home."""
    if not isinstance(fix, str):
        return fix
    return re.sub(rf"`tunesmith (log|resume|watch) {far}`", rf"`tunesmith \1 {here}`", fix)


def _json(text: Value) -> Any:
    try:
        return json.loads(str(text))
    except ValueError:
        return None
