"""Following a job from the command line: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from engine.base import jobs
from engine.base.store import Row, Store
from tui import output, words

_PERIOD = 0.25
_PLAIN_PERIOD = 10.0
_TRAINS = "training"  # a training's note between its first step and its last


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Attributes:
        kind: state, progress (of a training with the time that is left), waits or log.
        data: What the event says, plain JSON.
    """

    kind: str
    data: dict[str, Any]


def events(store: Store, job_id: int) -> Iterator[Event]:
    """Yield a job's events, from its first log line on, until it has ended."""
    state = progress = waits = None
    last_line = 0
    while True:
        job = jobs.get(store, job_id)
        ended = job["state"] not in jobs.OPEN
        for line in store.rows(
            "SELECT id, at, level, text FROM job_log WHERE job_id = ? AND id > ? ORDER BY id",
            (job_id, last_line),
        ):
            last_line = line["id"]
            yield Event("log", {"at": line["at"], "level": line["level"], "text": line["text"]})
        if (job["done"], job["total"], job["note"]) != progress:
            progress = (job["done"], job["total"], job["note"])
            known = dict(zip(("done", "total", "note"), progress, strict=True))
            yield Event("progress", {**known, **_time_left(store, job)})
        if job["state"] != state:
            state = job["state"]
            yield Event("state", _state(job))
        if job["waits_for"] != waits:
            waits = job["waits_for"]
            yield Event("waits", {"waits_for": waits})
        if ended:
            return
        time.sleep(_PERIOD)


def follow(store: Store, job_id: int, *, quiet: bool = False) -> str:
    """Show a job until it has ended; return its final state.

    Ctrl-C stops the watching, never the job.
    """
    line = _Line(enabled=not quiet)
    try:
        for event in events(store, job_id):
            if event.kind == "progress":
                line.progress(event.data)
            elif event.kind == "waits":
                line.waits(event.data["waits_for"])
            elif event.kind == "log" and event.data["level"] in {"warning", "error"} and not quiet:
                line.clear()
                output.say(f"    ! {event.data['text']}")
    except KeyboardInterrupt:
        line.clear()
        output.note(f"Stopped watching; job {job_id} goes on. `tunesmith watch {job_id}` returns.")
        raise
    finally:
        line.clear()
    return str(jobs.get(store, job_id)["state"])


def _time_left(store: Store, job: Row) -> dict[str, float]:
    """Return what a training at work predicts of its end, in seconds, and the error of that."""
    if job["kind"] != "train" or job["note"] != _TRAINS:
        return {}
    from engine.run import metrics

    run_id = store.scalar("SELECT id FROM runs WHERE job_id = ?", (job["id"],))
    latest = {} if run_id is None else metrics.latest(store, run_id)
    names = ("seconds_left", "seconds_left_error")
    return {name: latest[name] for name in names if name in latest}


def _state(job: Any) -> dict[str, Any]:
    keys = ("id", "kind", "state", "error", "error_where", "fix", "exit_code")
    return {key: job[key] for key in keys}


class _Line:
    """One line that is redrawn on a terminal, and a plain line now and then elsewhere."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.terminal = sys.stdout.isatty()
        self.note = ""
        self.started = self.printed = time.monotonic()
        self.before = 0  # what was done when the present note began

    def progress(self, data: dict[str, Any]) -> None:
        done, total, note = data["done"], data["total"], data["note"]
        if not self.enabled or not note:
            return
        now = time.monotonic()
        if note != self.note:
            self.note, self.started, self.before = note, now, done
            fresh = True
        else:
            fresh = now - self.printed > _PLAIN_PERIOD
        left = self._left(done, total, now)
        if "seconds_left" in data and done < total:
            left = f", {words.left(data['seconds_left'], data.get('seconds_left_error'))}"
        text = f"    {note} {_share(done, total)}{left}"
        if self.terminal:
            click.echo(f"\r\x1b[2K{output.printable(text)[:78]}", nl=False)
        elif fresh:
            self.printed = now
            output.say(text.rstrip())

    def waits(self, what: str | None) -> None:
        if self.enabled and what is not None:
            self.clear()
            output.say(f"    waits for {what}")

    def clear(self) -> None:
        if self.enabled and self.terminal:
            click.echo("\r\x1b[2K", nl=False)

    def _left(self, done: int, total: int, now: float) -> str:
        elapsed = now - self.started
        since = done - self.before
        if since <= 0 or done >= total or elapsed < 1:
            return ""
        return f", {output.duration(elapsed * (total - done) / since)} left"


def _share(done: int, total: int) -> str:
    if not total:
        return ""
    filled = round(20 * done / total)
    return f"{'█' * filled}{'░' * (20 - filled)} {done}/{total}"
