"""What the screens of a finished run share: its header, its jobs, and submitting one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from engine.base import jobs
from engine.base.errors import UsageError
from engine.base.store import Row, Store
from tui.widgets.canvas import Line, Part, spread
from tui.widgets.gauges import bar
from tui.widgets.page import verdict, wrapped
from tui.words import duration, literal, share, state, tone

NEVERTHELESS: Line = (("   a", "key"), (" goes on nevertheless, with a reason", ""))


def run_row(store: Store, run_id: int) -> Row | None:
    """Return a run with the folder of its project."""
    return store.row(
        "SELECT r.*, p.path AS folder FROM runs r JOIN projects p ON p.id = r.project_id "
        "WHERE r.id = ?",
        (run_id,),
    )


def newest_job(store: Store, kind: str, run_id: int) -> Row | None:
    """Return the newest job of a kind that works on a run."""
    return store.row(
        "SELECT * FROM jobs WHERE kind = ? AND json_extract(args, '$.run_id') = ? "
        "ORDER BY id DESC LIMIT 1",
        (kind, run_id),
    )


def refused(job: Row | None) -> bool:
    """Say whether a job ended because a gate said no."""
    return job is not None and job["state"] == "failed" and job["exit_code"] == 3


def gate_rows(store: Store, run_id: int, *names: str) -> tuple[Row, ...]:
    """Return what some gates last said of a run."""
    rows = store.rows(
        "SELECT * FROM gates WHERE id IN "
        "(SELECT max(id) FROM gates WHERE subject = ? GROUP BY gate) ORDER BY id",
        (f"run {run_id}",),
    )
    return tuple(row for row in rows if row["gate"] in names)


def gate_lines(gates: Sequence[Row], width: int, hint: Line = ()) -> list[Line]:
    """Return what gates said, with their reasons.

    Args:
        gates: Rows of the table `gates`.
        width: The width of a line in cells.
        hint: What the reader may do about a gate that failed; stands beside it.
    """
    lines: list[Line] = []
    for gate in gates:
        reasons = [literal(reason) for reason in gate["reasons"].split("\n") if reason]
        name = f"{gate['gate'].capitalize()} gate"
        said = verdict(gate["result"], name, reasons, width, literal(gate["accepted"] or ""))
        lines += [[*said[0], *(hint if gate["result"] == "fail" else ())], *said[1:]]
    return lines


def submit(
    store: Store, kind: str, run_id: int, *, accept: str = "", then: Sequence[str] = ()
) -> int:
    """Submit a job that works on a run; return its id.

    Args:
        store: The workspace's store.
        kind: The stage.
        run_id: The run.
        accept: Why to go on although a gate says no; empty when none is overridden.
        then: The kinds of the jobs that follow.

    Raises:
        UsageError: There is no such run.
    """
    run = run_row(store, run_id)
    if run is None:
        raise UsageError(f"There is no run {run_id}.", "See `tunesmith runs`.")
    args = {"run_id": run_id, "accept": accept, "then": list(then)}
    return jobs.submit(store, kind, Path(run["folder"]), args, project_id=run["project_id"])


def run_header(run: Row, place: str, job: Row | None, width: int) -> Line:
    """Return the first line of a screen about a run."""
    right: list[Part] = [(" ", "")]
    if refused(job):
        right = [("✗ a gate says no ", "bad")]
    elif job is not None and job["state"] != "done":
        right = [(state(job["state"]), tone(job["state"])), (f" {job['kind']} ", "quiet")]
    return spread(
        [
            (" tunesmith", "accent"),
            (" › ", "faint"),
            (literal(run["name"]), "strong"),
            (f"  run {run['id']}", "quiet"),
            (" › ", "faint"),
            (place, "strong"),
            (f"  {literal(run['model'])}", "quiet"),
        ],
        right,
        width,
    )


def job_lines(job: Row, width: int, again: Line) -> list[Line]:
    """Return how a job stands: its progress, or what went wrong and the way out.

    Args:
        job: The job.
        width: The width of a line in cells.
        again: Names the key that does it again.
    """
    took = (job["ended"] or time.time()) - (job["started"] or job["created"])
    head: Line = [(state(job["state"]), tone(job["state"])), (f"  job {job['id']}", "quiet")]
    lines: list[Line] = [spread(head, [(duration(took), "quiet")], width)]
    if job["state"] in jobs.OPEN:
        part = share(job["done"], job["total"])
        waits = f"waits for {job['waits_for']}" if job["waits_for"] else "starting"
        note = literal(waits if job["state"] == "waiting" else job["note"] or waits)
        return [*lines, [*bar(part, width - 6), (f" {100 * part:3.0f} %", "")], [(note, "quiet")]]
    if job["state"] in ("failed", "lost"):
        what = " ".join(filter(None, (job["error_where"], job["error"])))
        lines += [*wrapped(literal(what), width, "bad"), *wrapped(literal(job["fix"] or ""), width)]
    return lines if job["state"] == "done" else [*lines, again]
