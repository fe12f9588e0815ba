"""What the model answered as it trained: one look for the screen, and its words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.base import jobs
from engine.base.errors import UsageError
from engine.base.store import Row, Store
from engine.run import watched
from engine.run.watched import Answer, Asked
from tui.widgets.canvas import Line, Part, spread
from tui.widgets.canvas import cells as cell_width
from tui.widgets.changes import shown
from tui.widgets.page import wrapped
from tui.words import literal, state, tone

_ROOM = 10  # cells for a name before a text


class Answers(NamedTuple):
    """One look.

    Attributes:
        run: The run.
        job: Its training; None for a run that was never submitted.
        rows: The rows it was asked.
    """

    run: Row
    job: Row | None
    rows: Sequence[Asked]


class Reader:
    """Reads a run's answers, anew only when there are others."""

    def __init__(self, run_id: int) -> None:
        self.run_id = run_id
        self._seen: tuple[object, ...] = ()

    def __call__(self, store: Store) -> Answers | None:
        """Return a look, or None when nothing changed."""
        run = store.row("SELECT * FROM runs WHERE id = ?", (self.run_id,))
        if run is None:
            raise UsageError(f"There is no run {self.run_id}.", "See `tunesmith runs`.")
        job = store.row("SELECT * FROM jobs WHERE id = ?", (run["job_id"],))
        newest = store.row(
            "SELECT count(*) AS number, max(at) AS at FROM samples WHERE run_id = ?", (self.run_id,)
        )
        seen = (newest and tuple(newest), job and job["state"])
        if seen == self._seen:
            return None
        self._seen = seen
        return Answers(run, job, watched.answers(store, self.run_id))


def header(found: Answers, width: int) -> Line:
    """Return the first line of the screen."""
    run, job = found.run, found.job
    said: list[Part] = [(state(job["state"]), tone(job["state"])), (" ", "")] if job else []
    return spread(
        [
            (" tunesmith", "accent"),
            (" › ", "faint"),
            (literal(run["name"]), "strong"),
            (f"  run {run['id']}", "quiet"),
            (" › ", "faint"),
            ("answers", "strong"),
        ],
        said,
        width,
    )


def steps(answer: Answer) -> str:
    """Return when the model answered that: `step 40`, or `steps 40 to 120`."""
    if answer.step == answer.last:
        return f"step {answer.step:,}"
    return f"steps {answer.step:,} to {answer.last:,}"


def same(row: Asked, answer: Answer) -> bool:
    """Say whether an answer is the expected one, to the letter."""
    return answer.text.strip() == row.expected.strip()


def cells(row: Asked) -> list[Part]:
    """Return a row of the table: whether the newest answer is the expected one, and the texts."""
    newest = row.answers[0]
    return [
        ("✓ same", "good") if same(row, newest) else ("differs", "quiet"),
        (literal(row.asked), ""),
        (literal(row.expected), "quiet"),
        (literal(newest.text), ""),
    ]


def detail(row: Asked, width: int) -> list[Line]:
    """Return a row in full: the question, the expected answer, and the answers, newest first."""
    lines = _named("asked", row.asked, width)
    lines += _named("expected", row.expected, width, "strong")
    for answer in row.answers:
        head: list[Part] = [(f"{steps(answer)} ", "strong")]
        if same(row, answer):
            head.append(("✓ same ", "good"))
        lines.append([*head, ("─" * max(0, width - cell_width(head)), "faint")])
        text = shown(answer.text)
        lines += wrapped(text if text.strip() else "(nothing)", width)
    return lines


def nothing(found: Answers, width: int) -> list[Line]:
    """Return why there are no answers, and how to get them."""
    lines: list[Line] = [[("No answers yet", "strong")], ()]
    if found.job is not None and found.job["state"] in jobs.OPEN:
        return lines + wrapped(
            "As it trains, the model is asked a few validation rows each time it is validated. "
            "The first answers come with the first validation; this screen shows them by itself.",
            width,
        )
    return [
        *lines,
        *wrapped(
            "This run asked its model no validation row as it trained. What the trained model "
            "answers to held-out rows stands in the evaluation:",
            width,
        ),
        (),
        [("$ ", "faint"), (f"tunesmith eval {found.run['id']}", "quiet")],
    ]


def _named(name: str, text: str, width: int, to: str = "") -> list[Line]:
    first: list[Part] = [(f"{name:<{_ROOM}}", "quiet")]
    return wrapped(shown(text) or "(nothing)", width, to, first=first, indent=_ROOM)
