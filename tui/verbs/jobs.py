"""Verbs about jobs: list, watch, log, stop, checkpoint, resume; `queue.py` has the others."""

from __future__ import annotations

import time
from typing import Any

import click

from engine.base import jobs, turns
from engine.base.errors import GateError, TunesmithError
from engine.base.store import Row, Store
from tui import output, words
from tui.verbs.options import as_json, open_store


@click.command("jobs", epilog="Example: tunesmith jobs --json")
@click.option("--all", "everything", is_flag=True, help="Ended jobs too; else the last 20.")
@as_json
def jobs_verb(everything: bool, as_json: bool) -> None:
    """List jobs, newest first."""
    store = open_store()
    jobs.mark_lost(store)
    rows = store.rows(
        "SELECT id, kind, state, device, priority, hours, waits_for, done, total, note, error, "
        "error_where, fix, created, started, ended, (SELECT group_concat(needs_id) FROM job_needs "
        "WHERE job_id = jobs.id) AS needs FROM jobs ORDER BY id DESC LIMIT ?",
        (-1 if everything else 20,),
    )
    places = turns.positions(store)
    if as_json:
        output.emit([_json(row, places.get(row["id"])) for row in rows])
        return
    if not rows:
        output.say("No jobs yet. `tunesmith demo` starts the first ones.")
        return
    output.table(
        ("job", "kind", "state", "line", "progress", "took", "what, or what it waits for"),
        [
            (
                row["id"],
                row["kind"],
                words.state(row["state"]),
                places.get(row["id"]),
                f"{row['done']}/{row['total']}" if row["total"] else "",
                _took(row),
                _what(row),
            )
            for row in rows
        ],
    )
    for row in rows:
        if row["fix"]:
            output.say(f"  job {row['id']}: {row['fix']}")


@click.command("watch", epilog="Example: tunesmith watch 3")
@click.argument("job_id", type=int, metavar="ID")
@as_json
def watch_verb(job_id: int, as_json: bool) -> None:
    """Follow a job until it ends; Ctrl-C stops watching, never the job."""
    store = open_store()
    watch(store, job_id, as_json=as_json)


@click.command("log", epilog="Example: tunesmith log 3")
@click.argument("job_id", type=int, metavar="ID")
@as_json
def log_verb(job_id: int, as_json: bool) -> None:
    """Print a job's log, with the details of a failure."""
    store = open_store()
    jobs.get(store, job_id)
    lines = store.rows(
        "SELECT at, level, text FROM job_log WHERE job_id = ? ORDER BY id", (job_id,)
    )
    if as_json:
        output.emit([dict(line) for line in lines])
        return
    for line in lines:
        stamp = time.strftime("%H:%M:%S", time.localtime(line["at"]))
        output.say(
            f"{stamp}  {'' if line['level'] == 'info' else line['level'] + ': '}{line['text']}"
        )
    output.note(f"What the process itself printed: {jobs.log_file(store, job_id)}")


@click.command("stop", epilog="Example: tunesmith stop 3")
@click.argument("job_id", type=int, metavar="ID")
@as_json
def stop_verb(job_id: int, as_json: bool) -> None:
    """Ask a job to save its work and stop; `resume` goes on from there."""
    ask(job_id, "stop", as_json)


@click.command("checkpoint", epilog="Example: tunesmith checkpoint 3")
@click.argument("job_id", type=int, metavar="ID")
@as_json
def checkpoint_verb(job_id: int, as_json: bool) -> None:
    """Ask a training job to write a checkpoint now."""
    ask(job_id, "checkpoint", as_json)


@click.command("resume", epilog="Example: tunesmith resume 3 --watch")
@click.argument("job_id", type=int, metavar="[ID]", required=False)
@click.option("--watch", "follow", is_flag=True, help="Follow the job.")
@click.option("--lost", is_flag=True, help="Every job whose process is gone, and no other.")
@as_json
def resume_verb(job_id: int | None, follow: bool, lost: bool, as_json: bool) -> None:
    """Go on with a paused, stopped, failed or lost job, from its last checkpoint."""
    if (job_id is None) != lost or (lost and follow):
        raise click.UsageError("Name one job, or give --lost alone.")
    store = open_store()
    if job_id is None:
        _resume_lost(store, as_json)
        return
    jobs.restart(store, job_id)
    if follow:
        watch(store, job_id, as_json=as_json)
    elif as_json:
        output.emit({"job": job_id, "state": "queued"})
    else:
        output.say(f"Job {job_id} goes on. Follow it with `tunesmith watch {job_id}`.")


def watch(store: Store, job_id: int, *, as_json: bool) -> None:
    """Follow a job; raise its fault as an error with the job's exit code."""
    from tui import watching

    if as_json:
        for event in watching.events(store, job_id):
            output.emit_line({"event": event.kind, **event.data})
    else:
        state = watching.follow(store, job_id)
        if state in {"done", "stopped", "paused"}:
            output.say(f"  {words.state(state)}: job {job_id}")
    raise_fault(store, job_id)


def follow(store: Store, job_id: int, *, quiet: bool) -> None:
    """Follow a job that is a part of a verb; raise its fault, and an error where it was halted.

    Args:
        store: The workspace's store.
        job_id: The job.
        quiet: Whether to write nothing, because the verb's answer is one JSON document.
    """
    from tui import watching

    state = watching.follow(store, job_id, quiet=quiet)
    raise_fault(store, job_id)
    if state in {"stopped", "paused"}:
        raise TunesmithError(f"The job was {state}.", f"Go on: `tunesmith resume {job_id}`.")


def raise_fault(store: Store, job_id: int) -> None:
    """Raise the fault of a job that failed or was lost."""
    job = jobs.get(store, job_id)
    if job["state"] in {"failed", "lost"}:
        kind: type[TunesmithError] = GateError if job["exit_code"] == 3 else TunesmithError
        raise kind(job["error"] or "The job failed.", job["fix"] or "", job["error_where"] or "")


def ask(job_id: int, what: str, as_json: bool) -> None:
    """Ask a job for something, and say so."""
    store = open_store()
    jobs.request(store, job_id, what)
    if as_json:
        output.emit({"job": job_id, "request": what})
    else:
        output.say(f"Asked job {job_id} to {what}; it obeys after its present step.")


def _resume_lost(store: Store, as_json: bool) -> None:
    restarted = jobs.restart_lost(store)
    if as_json:
        output.emit({"jobs": restarted})
    elif restarted:
        output.say(f"Going on: {', '.join(f'job {job_id}' for job_id in restarted)}.")
    else:
        output.say("No job was lost.")


def _json(row: Row, position: int | None) -> dict[str, Any]:
    needs = [int(needed) for needed in (row["needs"] or "").split(",") if needed]
    return {**dict(row), "needs": needs, "position": position}


def _what(row: Row) -> str:
    if row["waits_for"]:
        return f"waits for {row['waits_for']}"
    return str(row["error"] or row["note"])


def _took(row: Any) -> str:
    if row["started"] is None:
        return ""
    return output.duration((row["ended"] or time.time()) - row["started"])
