"""The run under the cursor, beside home's list on a wide terminal."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from tui.follow import Run
from tui.widgets.canvas import Line, Lines
from tui.widgets.chart import LineChart
from tui.words import duration, literal, size


class Detail(Vertical):
    """A run's curve and its main facts."""

    def compose(self) -> ComposeResult:
        """Lay the panel out."""
        with Vertical(classes="panel") as panel:
            panel.border_title = "Selected run"
            yield LineChart("loss", "No points yet.", id="detail-loss")
            yield Lines(id="detail-facts")

    def show(self, run: Run, score: float | None) -> None:
        """Take a run, and its exact match on the test rows (0 to 1) where it was measured."""
        self.query_one(LineChart).show(
            run.series.get("loss", ()), run.series.get("validation_loss", ())
        )
        self.query_one(Lines).show(*_facts(run, score))


def _facts(look: Run, score: float | None) -> list[Line]:
    run = look.run
    facts = (
        ("run", f"{run['id']}  {literal(run['name'])}"),
        ("model", literal(run["model"])),
        ("method", literal(run["method"])),
        ("data", f"{run['train']:,} rows for training"),
        ("steps", f"{run['step']:,} of {run['steps']:,}"),
        ("took", duration(run["seconds"]) if run["seconds"] else "–"),
        ("peak memory", size(run["peak_bytes"]) if run["peak_bytes"] else "–"),
        ("exact match", "–" if score is None else f"{100 * score:.1f} % on the test rows"),
    )
    return [[(f"{name:<13}", "quiet"), (value, "")] for name, value in facts]
