"""The run's monitor: its curve, its figures and its log, live; and the keys that steer it."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen

from engine.base import jobs
from engine.base.errors import TunesmithError
from tui.feed import Broken, Fresh
from tui.follow import Run, RunReader
from tui.keys import bindings
from tui.widgets.canvas import Line, Lines, Part, spread
from tui.widgets.chart import LineChart
from tui.widgets.gauges import bar
from tui.widgets.keybar import KeyBar
from tui.widgets.log import LogTail
from tui.widgets.spark import spark
from tui.words import ago, duration, figure, literal, share, size, state, tone

if TYPE_CHECKING:
    from tui.app import TunesmithApp

_ENDED = ("failed", "stopped", "paused", "lost")
_ASKED = {"stop": "Stops", "pause": "Pauses", "checkpoint": "Saves a checkpoint"}
_AFTER = {"eval": "evaluation", "export": "export"}


class RunScreen(Screen[None]):
    """One run, from its first step to its last.

    Args:
        run_id: The run.
    """

    app: TunesmithApp
    PLACE = "run"
    BINDINGS = bindings("run")

    def __init__(self, run_id: int) -> None:
        super().__init__()
        self.run_id = run_id
        self._run: Run | None = None
        self._reader = RunReader(run_id)

    def compose(self) -> ComposeResult:
        """Lay the screen out; the small charts show where there is room."""
        yield Lines(id="header")
        yield Lines(id="about")
        yield Lines(id="progress")
        yield Lines(id="banner")
        with Horizontal(id="body"):
            yield LineChart("loss", "No points yet: the first comes soon.", named=True, id="loss")
            with Vertical(id="side"):
                now = Lines(id="now", classes="panel")
                now.border_title = "Now"
                yield now
                yield LineChart(
                    "learning rate", "", averaged=False, id="learning_rate", classes="small"
                )
                yield LineChart("tokens per second", "", id="tokens_per_second", classes="small")
                yield LineChart(
                    "memory", "", averaged=False, unit=size, id="memory_bytes", classes="small"
                )
        log = LogTail(id="log", classes="panel")
        log.border_title = "Log"
        yield log
        yield KeyBar()

    def on_screen_resume(self) -> None:
        """Follow the run while the screen is shown."""
        self._reader.columns = max(40, self.app.size.width)
        self.app.feed.watch(self, self._reader)

    def on_screen_suspend(self) -> None:
        """Rest while another screen lies above."""
        self.app.feed.release(self)

    @on(Fresh)
    def take(self, message: Fresh) -> None:
        """Show what the feed read."""
        if not isinstance(message.value, Run):
            return
        before, self._run = self._run, message.value
        run = message.value
        width = self.app.size.width
        self.query_one("#header", Lines).show(_header(run, width))
        self.query_one("#about", Lines).show(_about(run, width))
        self.query_one("#progress", Lines).show(_progress(run, width))
        now = self.query_one("#now", Lines)
        now.show(*_now(run, now.size.width))
        self._show_banner(_banner(run))
        for chart in self.query(LineChart):
            marks = run.series.get("validation_loss", ()) if chart.id == "loss" else ()
            chart.show(run.series.get(chart.id or "", ()), marks)
        self.query_one(LogTail).show(run.log)
        if before is None or _states(before) != _states(run):
            self.refresh_bindings()

    @on(Broken)
    def complain(self, message: Broken) -> None:
        """Say that the store could not be read."""
        self.app.complain(message.error)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that do something now."""
        del parameters
        job = self._run.at_work if self._run else None
        if action in ("stop", "pause", "checkpoint", "resume", "results", "export"):
            if self._run is None or job is None:
                return False
            at_work = job["state"] in jobs.OPEN
            trained = self._run.state == "done"
            return {
                "stop": at_work,
                "pause": at_work,
                "checkpoint": at_work and job["kind"] == "train",
                "resume": job["state"] in _ENDED,
                "results": trained,
                "export": trained,
            }[action]
        return True

    def action_back(self) -> None:
        """Go home; the run goes on."""
        self.app.pop_screen()

    def action_stop(self) -> None:
        """Stop the job at work, once confirmed."""
        job = self._run.at_work if self._run else None
        if job is None:
            return
        from tui.screens.confirm import Confirm

        what = "training" if job["kind"] == "train" else _AFTER.get(job["kind"], job["kind"])
        self.app.push_screen(
            Confirm(
                f"Stop this {what}?",
                "It ends after this step and keeps its work; r goes on from there.",
            ),
            self._stop_if,
        )

    def _stop_if(self, yes: bool | None) -> None:
        if yes:
            self._ask("stop")

    def action_checkpoint(self) -> None:
        """Ask for a checkpoint at the next step."""
        self._ask("checkpoint")

    def action_pause(self) -> None:
        """Ask the job to free the device after this step."""
        self._ask("pause")

    def action_results(self) -> None:
        """Compare the tuned model with the base."""
        self.app.open(f"score:{self.run_id}")

    def action_export(self) -> None:
        """Make and show the run's files."""
        self.app.open(f"ship:{self.run_id}")

    def action_copy_command(self) -> None:
        """Copy the command that shows the same."""
        job = self._run.at_work if self._run else None
        if job is None or job["state"] == "done":
            self.app.copy_command(f"show {self.run_id}")
        else:
            self.app.copy_command(f"{'resume' if job['state'] in _ENDED else 'watch'} {job['id']}")

    def action_log_scale(self) -> None:
        """Draw the loss on an even or a logarithmic scale."""
        self.query_one("#loss", LineChart).toggle_scale()

    def action_scroll(self, rows: int) -> None:
        """Read the log."""
        self.query_one(LogTail).scroll_by(rows)

    @work(thread=True, group="request")
    def _ask(self, what: str) -> None:
        job = self._run.at_work if self._run else None
        if job is None:
            return
        try:
            jobs.request(self.app.store, job["id"], what)
        except TunesmithError as error:
            self.app.call_from_thread(self.app.complain, error)
            return
        does = {"stop": "stops", "pause": "pauses", "checkpoint": "saves"}[what]
        said = f"It {does} after this step."
        self.app.call_from_thread(self.app.notify, said, markup=False)

    @work(thread=True, group="request")
    def action_resume(self) -> None:
        """Start a new worker that goes on from the last checkpoint."""
        job = self._run.at_work if self._run else None
        if job is None:
            return
        try:
            jobs.restart(self.app.store, job["id"])
        except TunesmithError as error:
            self.app.call_from_thread(self.app.complain, error)

    def _show_banner(self, lines: list[Line]) -> None:
        banner = self.query_one("#banner", Lines)
        banner.show(*lines)
        banner.display = bool(lines)
        if lines:
            banner.styles.height = len(lines)


def _states(run: Run) -> tuple[object, ...]:
    job = run.at_work
    return (run.state, job and (job["id"], job["state"]))


def _header(run: Run, width: int) -> Line:
    row, job = run.run, run.job
    parts: list[Part] = [(state(run.state), tone(run.state))]
    if run.after is not None:
        name = _AFTER.get(run.after["kind"], run.after["kind"])
        parts += [
            ("   ", ""),
            (f"{state(run.after['state'])} {name}", tone(run.after["state"])),
        ]
    if job is not None and job["state"] == "running" and job["started"]:
        parts += [(f"  {duration(time.time() - job['started'])}", "quiet")]
    elif job is not None and job["ended"] and run.after is None:
        parts += [(f"  {ago(job['ended'])}", "quiet")]
    return spread(
        [
            (" tunesmith", "accent"),
            (" › ", "faint"),
            (literal(row["name"]), "strong"),
            (f"  run {row['id']}", "quiet"),
        ],
        [*parts, (" ", "")],
        width,
    )


def _about(run: Run, width: int) -> Line:
    row = run.run
    facts = [
        literal(row["model"]),
        literal(row["method"]),
        f"{row['train']:,} rows",
        literal((run.job and run.job["device"]) or row["device"]),
    ]
    saved = row["checkpoint"]
    right = f"checkpoint {saved:,} " if saved is not None else "no checkpoint yet "
    return spread([(" " + " · ".join(facts), "quiet")], [(right, "quiet")], width)


def _progress(run: Run, width: int) -> Line:
    row, job = run.run, run.at_work
    if run.after is not None and job is not None and job["state"] in jobs.OPEN:
        part = share(job["done"], job["total"])
        return [
            (" ", ""),
            *bar(part, max(10, width - 46)),
            (f"  {literal(job['note']) or 'starting'}", ""),
        ]
    part = share(row["step"], row["steps"])
    colour = {"done": "good", "failed": "bad", "lost": "bad", "stopped": "warn", "paused": "warn"}
    text = f"  {row['step']:,} of {row['steps']:,} steps  {100 * part:3.0f} %"
    left = run.latest.get("seconds_left")
    if run.state == "running" and left is not None:
        text += f"   {duration(left)} left"
    elif run.state == "done" and row["seconds"]:
        text += f"   took {duration(row['seconds'])}"
    return [
        (" ", ""),
        *bar(part, max(10, width - 50), colour.get(run.state or "", "active")),
        (text, ""),
    ]


def _banner(run: Run) -> list[Line]:
    """Say what went wrong, or what a job that has not begun waits for."""
    job = run.at_work
    if job is None:
        return [[(" This run was never submitted.", "warn")]]
    if job["state"] in ("failed", "lost"):
        what = " ".join(filter(None, (job["error_where"], job["error"])))
        return [
            [(f" {state(job['state'])[0]} ", "bad"), (literal(what), "bad")],
            [("   ", ""), (literal(job["fix"] or ""), "")],
        ]
    if job["state"] in ("stopped", "paused"):
        said = f" {state(job['state'])}; its work is saved. "
        return [[(said, "warn"), ("r", "key"), (" goes on.", "")]]
    if job["state"] == "waiting" and not job["request"]:
        return [[(f" ○ Waits for {literal(job['waits_for'] or job['device'])}.", "quiet")]]
    if job["request"]:
        return [[(f" ○ {_ASKED[job['request']]} at the next step.", "quiet")]]
    return []


def _now(run: Run, width: int) -> list[Line]:
    latest, row = run.latest, run.run
    room = max(0, width - 22)

    def line(name: str, value: str, series: str = "") -> list[Part]:
        past = [band.mean for band in run.series.get(series, ())][-room * 2 :]
        return [
            (f"{name:<14}", "quiet"),
            (f"{value:<8}", ""),
            (spark(past, room) if past else "", "active"),
        ]

    def known(name: str) -> str:
        return figure(latest[name]) if name in latest else "–"

    checks = [band for band in run.series.get("validation_loss", ()) if math.isfinite(band.mean)]
    best = min(checks, key=lambda band: band.mean, default=None)
    memory = latest.get("memory_bytes")
    return [
        line("loss", known("loss"), "loss"),
        line("validation", known("validation_loss"), "validation_loss"),
        line("  best", "–" if best is None else f"{figure(best.mean)} at {best.step:,.0f}"),
        line("learning rate", known("learning_rate"), "learning_rate"),
        line("gradient", known("grad_norm"), "grad_norm"),
        line("tokens/s", known("tokens_per_second"), "tokens_per_second"),
        line("memory", "–" if memory is None else size(memory), "memory_bytes"),
        line("  planned", size(row["predicted_peak_bytes"])),
        line("epoch", known("epoch")),
    ]
