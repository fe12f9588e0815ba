"""`tunesmith data diff`: what differs between two datasets."""

from __future__ import annotations

from pathlib import Path

import click

from engine.base.errors import UsageError
from tui import output
from tui.verbs.options import Place, as_json, project_option


@click.command("diff", epilog="Example: tunesmith data diff --rows 5")
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Show the texts of the first N changed rows.",
)
@project_option
@as_json
def diff(
    old: str | None, new: str | None, rows: int, project_dir: Path | None, as_json: bool
) -> None:
    """Compare two datasets: rows, splits, scenarios, answers, settings.

    Without OLD and NEW the project's two newest are compared; without NEW, OLD and the newest.
    """
    from engine.data.dataset import latest, load
    from engine.data.diff import diff as compare
    from engine.data.diff_text import to_text

    place = Place(project_dir)
    new = new or latest(place.store, place.project_id)
    old = old or _before(place, new)
    found = compare(load(place.store, old), load(place.store, new), examples=rows)
    if as_json:
        output.emit(found.to_json())
    else:
        output.say(to_text(found))


def _before(place: Place, new: str) -> str:
    """Return the project's dataset before its newest."""
    from engine.data.dataset import latest

    try:
        return latest(place.store, place.project_id, but=new)
    except UsageError as error:
        raise UsageError(
            f"The project has one dataset only, {new}.",
            "Change its data and build again: `tunesmith data build`.",
        ) from error
