"""A run's results: base, few-shot base and tuned on the same rows, and the rows that changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll

from engine.base import jobs
from engine.base.errors import TunesmithError
from tui.keys import bindings
from tui.results import SHOWN, Changed, Reader, Results
from tui.screens.ask import ask_why
from tui.screens.followed import FollowedScreen
from tui.screens.stage import NEVERTHELESS, gate_lines, job_lines, refused, run_header, submit
from tui.widgets.canvas import Line, Lines, Part
from tui.widgets.intervals import Measured, compared
from tui.widgets.keybar import KeyBar
from tui.widgets.page import Page, keyed, wrapped
from tui.widgets.table import Column, Entry, Table
from tui.words import literal

_COLUMNS = (
    Column("change", 8),
    Column("set", 6),
    Column("message", 20, grow=True),
    Column("expected", 34, room=150),
)
_NAMES = {"base": "base", "few_shot": "few-shot", "tuned": "tuned"}
_ROOM = 12  # cells for the name of an answer
_SPLITS = {"test": "Test rows", "golden": "Golden rows", "validation": "Validation rows"}
_ABOUT = (
    "The tuned model, the base model told how, and the base model shown examples answer the same "
    "rows, which no training saw. The difference comes with a 95 % interval: only one that "
    "excludes zero counts."
)


class ScoreScreen(FollowedScreen[Results]):
    """The evaluation of one run.

    Args:
        run_id: The run.
    """

    PLACE = "score"
    BINDINGS = bindings("score")
    CSS = """
    ScoreScreen VerticalScroll {
        scrollbar-size-vertical: 1; scrollbar-background: $background; scrollbar-color: $faint;
    }
    ScoreScreen #results { height: auto; max-height: 13; padding: 0 1; }
    ScoreScreen #rows { height: 1fr; border-top: solid $faint; border-title-color: $quiet; }
    ScoreScreen #changed { height: 1fr; min-height: 3; }
    ScoreScreen #row { height: 5; padding: 0 1; border-top: solid $faint; }
    ScoreScreen #row:focus { border-top: solid $secondary; }
    ScoreScreen.-tall #results { max-height: 60%; padding: 1 2; }
    ScoreScreen.-tall #row { height: 12; }
    ScoreScreen.-whole #results { display: none; }
    ScoreScreen.-whole #row { height: 45%; }
    ScoreScreen.-empty #rows { display: none; }
    ScoreScreen.-empty #results { height: 1fr; max-height: 100%; padding: 2 3; }
    """

    def __init__(self, run_id: int) -> None:
        super().__init__(run_id, Reader(run_id))
        self._shown = SHOWN[0]

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Lines(id="header")
        with VerticalScroll(id="results"):
            yield Page(id="figures")
        with Vertical(id="rows"):
            yield Table(_COLUMNS, empty="No row is of this kind.", id="changed")
            with VerticalScroll(id="row"):
                yield Page(id="row-text")
        yield KeyBar()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that do something now."""
        del parameters
        found = self.look
        if action == "evaluate":
            return found is not None and not (found.job and found.job["state"] in jobs.OPEN)
        if action == "accept":
            return found is not None and refused(found.job)
        if action in ("filter", "expand", "export"):
            return found is not None and bool(found.table)
        return True

    def action_filter(self) -> None:
        """Show the next kind of rows."""
        self._shown = SHOWN[(SHOWN.index(self._shown) + 1) % len(SHOWN)]
        self._show_rows()

    def action_expand(self) -> None:
        """Give the rows the whole screen, or the figures back."""
        self.toggle_class("-whole")

    def action_copy_command(self) -> None:
        """Copy the command that shows the same, or that evaluates."""
        done = self.look is not None and self.look.table
        self.app.copy_command(f"{'show' if done else 'eval'} {self.run_id}")

    def action_export(self) -> None:
        """Make and show the run's files."""
        self.app.open(f"ship:{self.run_id}")

    def action_evaluate(self) -> None:
        """Evaluate the run."""
        self._evaluate()

    def action_accept(self) -> None:
        """Ask why to go on although the verdict gate says no."""

        def take(reason: str | None) -> None:
            if reason:
                self._evaluate(reason, "export")

        self.app.push_screen(ask_why(), take)

    @work(thread=True, group="submit")
    def _evaluate(self, accept: str = "", *then: str) -> None:
        try:
            submit(self.app.store, "eval", self.run_id, accept=accept, then=then)
        except (TunesmithError, OSError) as error:
            self.app.call_from_thread(self.app.complain, error)
        self.app.feed.look()

    def _show(self) -> None:
        found = self.look
        if found is None:
            return
        width = self.app.size.width
        self.query_one("#header", Lines).show(run_header(found.run, "results", found.job, width))
        self.set_class(not found.table, "-empty")
        self.query_one("#figures", Page).show(lambda room: figures(found, self.run_id, room))
        self._show_rows()

    def _show_rows(self) -> None:
        if self.look is None:
            return
        rows = self.look.of(self._shown)
        kinds = "  ".join(
            f"{'▸ ' if kind == self._shown else ''}{len(self.look.of(kind)):,} {kind}"
            for kind in SHOWN
        )
        self.query_one("#rows").border_title = f"Rows: {kinds}"
        self.query_one(Table).show([Entry(row.key, _cells(row)) for row in rows])
        self._show_row()

    def _show_row(self) -> None:
        key = self.query_one(Table).key
        rows = self.look.changed if self.look else ()
        row = next((row for row in rows if row.key == key), None)
        fault = self.look.fault if self.look else ""
        self.query_one("#row-text", Page).show(
            lambda width: _row(row, width) if row else wrapped(literal(fault), width, "bad")
        )


def figures(found: Results, run_id: int, width: int) -> list[Line]:
    """Return the figures of a run with the verdict, or how to get them."""
    lines: list[Line] = []
    if found.job is not None and not refused(found.job) and found.job["state"] != "done":
        lines += [*job_lines(found.job, width, [("e", "key"), (" evaluates it again.", "")]), ()]
    if not found.table and found.job is None:
        lines += [[("Not evaluated yet", "strong")], (), *wrapped(_ABOUT, width), ()]
        lines += [[("e", "key"), (" starts it", "")], ()]
        lines += [[("$ ", "faint"), (f"tunesmith eval {run_id}", "quiet")]]
    symbol, tone = _RESULTS.get(found.result, ("·", "strong"))
    splits = list(dict.fromkeys(row["split"] for row in found.table))
    for split in splits:
        rows = [row for row in found.table if row["split"] == split]
        title = f"{_SPLITS.get(split, split)}, {rows[0]['n']:,}"
        measured = [_measured(row, tone) for row in rows if row["metric"] in row["metrics"]]
        lines += compared(
            measured, width, found.threshold, title=title, labelled=split == splits[-1]
        )
    if found.sentence:
        lines += wrapped(literal(found.sentence), width, tone, first=[(f"{symbol} ", tone)])
    return [*lines, *gate_lines(found.gates, width, NEVERTHELESS if refused(found.job) else ())]


_RESULTS = {"better": ("✓", "good"), "worse": ("✗", "bad"), "can't tell": ("!", "warn")}


def _measured(row: Mapping[str, Any], tone: str) -> Measured:
    score, valid = row["metrics"][row["metric"]], row["metrics"].get("valid_json")
    subject = str(row["subject"])
    return Measured(
        _NAMES.get(subject, subject),
        score["value"],
        score["low"],
        score["high"],
        valid["value"] if valid else None,
        tone=tone if subject == "tuned" else "active",
        strong=subject == "tuned",
    )


def _cells(row: Changed) -> list[Part]:
    change = {"fixed": ("✓ fixed", "good"), "broken": ("✗ broken", "bad")}
    return [
        change.get(row.change, (row.change, "quiet")),
        (row.split, "quiet"),
        (literal(row.message), ""),
        (literal(row.expected), "quiet"),
    ]


def _row(row: Changed, width: int) -> list[Line]:
    lines = keyed("expected", literal(row.expected), width, room=_ROOM, tone="strong")
    for subject, (answer, exact) in row.answers.items():
        mark, tone = ("✓", "good") if exact else ("✗", "bad")
        first: Line = [
            (f"{_NAMES.get(subject, subject):<{_ROOM - 2}}", "quiet"),
            (f"{mark} ", tone),
        ]
        lines += wrapped(literal(answer) or "(nothing)", width, first=first)
    return [*lines, *keyed("message", literal(row.message), width, room=_ROOM)]
