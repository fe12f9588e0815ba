"""The run's monitor: its curve, its figures and its log, live; and the keys that steer it."""

from __future__ import annotations

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
from tui.monitoring import AFTER, ENDED, about, banner, changed, header, now, progress
from tui.widgets.canvas import Line, Lines
from tui.widgets.chart import LineChart
from tui.widgets.keybar import KeyBar
from tui.widgets.log import LogTail
from tui.words import size

if TYPE_CHECKING:
    from tui.app import TunesmithApp


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
        yield Lines(id="changed")
        yield Lines(id="banner")
        with Horizontal(id="body"):
            yield LineChart("loss", "No points yet: the first comes soon.", named=True, id="loss")
            with Vertical(id="side"):
                panel = Lines(id="now", classes="panel")
                panel.border_title = "Now"
                yield panel
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
        self.query_one("#header", Lines).show(header(run, width))
        self.query_one("#about", Lines).show(about(run, width))
        self.query_one("#progress", Lines).show(progress(run, width))
        self._show_if("#changed", changed(run, width))
        self._show_if("#banner", banner(run))
        self.call_after_refresh(self._show_now)  # the lines above may take some of its room
        for chart in self.query(LineChart):
            loss = chart.id == "loss"
            chart.show(
                run.series.get(chart.id or "", ()),
                run.series.get("validation_loss", ()) if loss else (),
                run.run["best_step"] if loss else None,
            )
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
                "resume": job["state"] in ENDED,
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

        what = "training" if job["kind"] == "train" else AFTER.get(job["kind"], job["kind"])
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

    def action_answers(self) -> None:
        """Read what the model answered as it trained."""
        self.app.open(f"answers:{self.run_id}")

    def action_copy_command(self) -> None:
        """Copy the command that shows the same."""
        job = self._run.at_work if self._run else None
        if job is None or job["state"] == "done":
            self.app.copy_command(f"show {self.run_id}")
        else:
            self.app.copy_command(f"{'resume' if job['state'] in ENDED else 'watch'} {job['id']}")

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

    def _show_now(self) -> None:
        if self._run is not None:
            panel = self.query_one("#now", Lines)
            panel.show(*now(self._run, *panel.size))

    def _show_if(self, place: str, lines: list[Line]) -> None:
        """Show lines, or take no room where there is nothing to say."""
        shown = self.query_one(place, Lines)
        shown.show(*lines)
        shown.display = bool(lines)
        if lines:
            shown.styles.height = len(lines)


def _states(run: Run) -> tuple[object, ...]:
    job = run.at_work
    return (run.state, job and (job["id"], job["state"]))
