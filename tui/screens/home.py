"""Home: the runs, the jobs at work, the box, and what to do next."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.screen import Screen

from engine.base.errors import TunesmithError
from engine.base.store import Row
from tui.feed import Broken, Fresh
from tui.follow import RunReader
from tui.keys import bindings
from tui.looks import WINDOW, Home, HomeReader, waiting_job
from tui.widgets.canvas import Line, Lines, spread
from tui.widgets.gauges import MachineStrip, bar
from tui.widgets.keybar import KeyBar
from tui.widgets.table import Column, Entry, Table
from tui.words import KINDS, ago, duration, figure, left, literal, share, size, state, tone

if TYPE_CHECKING:
    from textual.widgets import Input

    from tui.app import TunesmithApp

_COLUMNS = (
    Column("id", 5, right=True),
    Column("name", 14, grow=True),
    Column("model", 21, room=95),
    Column("method", 8, room=86),
    Column("state", 9),
    Column("steps", 13, right=True, room=120),
    Column("loss", 6, right=True),
    Column("score", 6, right=True),
    Column("begun", 10, right=True),
)
WIDE = 120  # cells from which the selected run is shown beside the list
_JOB_LINES = 4
_WELCOME: tuple[Line, ...] = (
    [("Nothing has been trained here yet.", "strong")],
    [],
    [("  n  ", "key"), ("make your first model from a file of examples, step by step", "")],
    [("  r  ", "key"), ("decide about the rows that your last data build suspects", "")],
    [("  q  ", "key"), ("leave, and see the whole journey on the data that comes with it:", "")],
    [("     ", ""), ("tunesmith demo", "accent")],
    [],
    [
        (
            "A run is one training and all that comes of it: curve, scores, files.",
            "quiet",
        )
    ],
)


class HomeScreen(Screen[None]):
    """The first screen.

    Args:
        shown: What to paint first; read before the screen exists, so that it never opens empty.
        reader: What the feed reads for this screen.
    """

    app: TunesmithApp
    PLACE = "home"
    BINDINGS = bindings("home")

    def __init__(self, shown: Home, reader: HomeReader) -> None:
        super().__init__()
        self._home = shown
        self._reader = reader

    def compose(self) -> ComposeResult:
        """Lay the screen out; what is not there at every start is mounted when it is wanted."""
        yield Lines(id="header")
        yield MachineStrip(id="machine", classes="panel")
        jobs = Lines(id="jobs", classes="panel")
        jobs.border_title = "Jobs"
        yield jobs
        empty = "No run matches the filter; esc shows all."
        table = Table(_COLUMNS, empty=empty, id="runs", classes="panel")
        table.border_title = "Runs"
        yield table
        yield KeyBar()

    def on_mount(self) -> None:
        """Paint what was read before, then follow the store."""
        self._show(self._home)
        self.query_one(Table).focus()

    def on_screen_resume(self) -> None:
        """Follow the store while the screen is shown."""
        self.app.feed.watch(self, self._reader)

    def on_screen_suspend(self) -> None:
        """Rest while another screen lies above."""
        self.app.feed.release(self)

    @on(Fresh)
    def take(self, message: Fresh) -> None:
        """Show what the feed read."""
        if isinstance(message.value, Home):
            self._show(message.value)

    @on(Broken)
    def complain(self, message: Broken) -> None:
        """Say that the store could not be read."""
        self.app.complain(message.error)

    def on_resize(self) -> None:
        """Show the selected run beside the list where there is room."""
        wide = self.app.size.width >= WIDE
        if wide and not self.query("#detail"):
            from tui.screens.detail import Detail

            self.mount(Detail(id="detail"), after="#header")
        self._show(self._home)
        self.moved()

    @on(Table.Moved)
    def moved(self) -> None:
        """Ask for the rows around the cursor, and for the selected run where there is room."""
        table = self.query_one(Table)
        reader = self._reader
        if not reader.offset <= table.top <= reader.offset + WINDOW - table.page:
            reader.offset = max(0, table.top + table.page // 2 - WINDOW // 2)
        run_id = self._selected()
        if self.app.size.width < WIDE or run_id is None:
            reader.detail = None
        elif reader.detail is None or reader.detail.run_id != run_id:
            reader.detail = RunReader(run_id)
        self.app.feed.look()

    @on(Table.Chosen)
    def action_open(self) -> None:
        """Open the selected run."""
        self._open("run")

    def action_new(self) -> None:
        """Open the wizard."""
        self.app.open("new")

    def action_results(self) -> None:
        """Open the selected run's results."""
        self._open("score")

    def action_export(self) -> None:
        """Open the selected run's files."""
        self._open("ship")

    def action_review(self) -> None:
        """Open the review of the rows that the last data build suspects."""
        from tui.screens.review import ReviewScreen

        self.app.push_screen(ReviewScreen())

    def action_copy_command(self) -> None:
        """Copy the command for the selected run."""
        run_id = self._selected()
        self.app.copy_command(f"show {run_id}" if run_id else "runs")

    @work(thread=True, group="line")
    def action_in_line(self, where: str) -> None:
        """Move the selected run's job, which waits, among those that wait with it."""
        from engine.base import turns  # with psutil, for which the first frame does not wait

        row = next((row for row in self._home.runs if row["id"] == self._selected()), None)
        if row is None:
            return
        try:
            place = turns.move(self.app.store, waiting_job(self.app.store, row), where)
        except TunesmithError as error:
            self.app.call_from_thread(self.app.complain, error)
            return
        said = f"{literal(row['name'])}: number {place.position} of {place.waiting} in line."
        self.app.call_from_thread(self.app.notify, said, markup=False)

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        self.query_one(Table).move(rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        table = self.query_one(Table)
        table.move(pages * table.page)

    def action_end(self, direction: int) -> None:
        """Move the cursor to the first or the last run."""
        table = self.query_one(Table)
        table.move(direction * table.total)

    async def action_filter(self) -> None:
        """Open the filter's line."""
        from textual.widgets import Input

        if not self.query("#filter"):
            field = Input(placeholder="name, model, method or state", id="filter", compact=True)
            await self.mount(field, before="#runs")
        self.query_one("#filter").focus()

    async def action_clear_filter(self) -> None:
        """Close the filter's line and show every run."""
        await self.query("#filter").remove()
        self._filter("")
        self.query_one(Table).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the user types."""
        self._filter(event.value.strip())

    def on_input_submitted(self) -> None:
        """Go to the runs that were found."""
        self.query_one(Table).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that do something now."""
        del parameters
        if action in ("open", "results", "export"):
            return bool(self._home.matching)
        if action == "filter":
            typing = self.focused is not None and self.focused.id == "filter"
            return bool(self._home.total) and not typing
        if action == "clear_filter":
            return bool(self.query("#filter"))
        return True

    def _open(self, kind: str) -> None:
        if run_id := self._selected():
            self.app.open(f"{kind}:{run_id}")

    def _filter(self, text: str) -> None:
        self._reader.words, self._reader.offset = text, 0
        self.app.feed.look()

    def _selected(self) -> int | None:
        key = self.query_one(Table).key
        return key if isinstance(key, int) else None

    def _show(self, home: Home) -> None:
        before, self._home = self._home, home
        width = self.app.size.width
        self.query_one("#header", Lines).show(_header(home, str(self.app.workspace), width))
        machine = self.query_one(MachineStrip)
        machine.show(home.load)
        # the selected run takes 44 % of a wide screen; app.tcss says so too
        lines = job_lines(home.jobs, (width if width < WIDE else width * 56 // 100) - 4)
        jobs = self.query_one("#jobs", Lines)
        jobs.show(*lines)
        _set_height(jobs, len(lines) + 2)
        _set_height(machine, 2 + (len(home.load.gpus) if home.load and home.load.gpus else 2))
        self.set_class(not home.total, "-empty")
        if not home.total and not self.query("#welcome"):
            self.mount(Lines(_WELCOME, id="welcome"), before="KeyBar")
        elif home.total and self.query("#welcome"):
            self.query("#welcome").remove()
        self.query_one(Table).show(
            [Entry(row["id"], _cells(row)) for row in home.runs],
            offset=home.offset,
            total=home.matching,
        )
        if home.detail is not None and self.query("#detail"):
            from tui.screens.detail import Detail

            score = next((r["score"] for r in home.runs if r["id"] == home.detail.run["id"]), None)
            self.query_one(Detail).show(home.detail, score)
        if (before.total, before.matching) != (home.total, home.matching):
            self.refresh_bindings()


def _set_height(widget: Lines | MachineStrip, height: int) -> None:
    if widget.styles.height is None or widget.styles.height.value != height:
        widget.styles.height = height


def _header(home: Home, workspace: str, width: int) -> Line:
    runs = f"{home.total:,} run{'s' if home.total != 1 else ''}"
    disk = f"   disk {size(home.load.disk_free)} free" if home.load else ""
    return spread(
        [(" tunesmith", "accent"), (f"   {literal(workspace)}", "quiet")],
        [(f"{runs}{disk} ", "quiet")],
        width,
    )


def job_lines(jobs: Sequence[Row], width: int) -> list[Line]:
    """Return a line for each job at work, and for each that failed of late."""
    if not jobs:
        return [[("No job is at work.", "quiet")]]
    shown = jobs if len(jobs) <= _JOB_LINES else jobs[: _JOB_LINES - 1]
    lines: list[Line] = [_job_line(job, width) for job in shown]
    if len(shown) < len(jobs):
        lines.append([(f"and {len(jobs) - len(shown)} more: tunesmith jobs", "quiet")])
    return lines


def _job_line(job: Row, width: int) -> Line:
    what = literal(job["run"] or job["project"] or f"job {job['id']}")
    head = [
        (f"{state(job['state']):<10}", tone(job["state"])),
        (f"{KINDS.get(job['kind'], job['kind']):<9}", ""),
        (f"{what}  ", "strong"),
    ]
    if job["state"] in ("failed", "lost"):
        return spread([*head, (literal(job["error"] or ""), "quiet")], [], width)
    if job["state"] != "running":
        waits = job["waits_for"] or job["device"] or "a worker"
        return spread([*head, (f"waits for {literal(waits)}", "quiet")], [], width)
    done = share(job["done"], job["total"])
    if job["kind"] == "train" and job["seconds_left"] is not None:
        clock = left(job["seconds_left"])
    else:
        clock = f"for {duration(time.time() - (job['started'] or job['created']))}"
    return spread(
        [*head, (literal(job["note"]), "quiet")],
        [
            *bar(done, max(8, min(40, width // 7))),
            (f" {100 * done:3.0f} %  ", ""),
            (clock, "quiet"),
        ],
        width,
    )


def _cells(row: Row) -> list[tuple[str, str]]:
    return [
        (str(row["id"]), "quiet"),
        (literal(row["name"]), "strong"),
        (literal(row["model"]), "quiet"),
        (literal(row["method"]), "quiet"),
        (state(row["status"]), tone(row["status"])),
        (f"{row['step']:,}/{row['steps']:,}", "quiet"),
        ("–" if row["loss"] is None else figure(row["loss"]), ""),
        ("–" if row["score"] is None else f"{100 * row['score']:.1f}%", ""),
        (ago(row["created"]), "quiet"),
    ]
