"""`tunesmith data preview`: what the model learns of a row, and of all of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.base.errors import GateError, UsageError
from tui import output
from tui.verbs.options import Place, as_json, project_option

if TYPE_CHECKING:
    from engine.data.dataset import Dataset
    from engine.data.rows import Row

_WIDEST = 100  # columns; longer lines are hard to read


@click.command("preview", epilog="Example: tunesmith data preview --row tickets.jsonl:7")
@click.option(
    "--row", "place", default="", metavar="FILE:N", help="Which row; else the first to train on."
)
@click.option(
    "--max-length",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="The longest example; else what the model can read.",
)
@project_option
@as_json
def preview(place: str, max_length: int | None, project_dir: Path | None, as_json: bool) -> None:
    """Show a row of the newest dataset as the model reads it, and what of it is learnt."""
    from engine.base import model
    from engine.data.chat import preview as previews
    from engine.data.chat.template import ChatTemplate
    from engine.data.dataset import latest, load

    here = Place(project_dir)
    data = load(here.store, latest(here.store, here.project_id))
    row = _row(data, place)
    template = ChatTemplate.load(model.locate(here.project.base_model))
    instruction = here.project.objective.instruction
    shown = previews.preview(template, instruction, row, max_length)
    every = previews.summary(template, instruction, data.rows("train"), max_length)
    if as_json:
        output.emit({"row": shown.to_json(), "train": every.to_json()})
    else:
        output.say(shown.to_text(min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)))
        output.say()
        output.say(f"The training rows: {every.to_text()}")
    if shown.result == "fail":
        failed = " ".join(check.what for check in shown.checks if check.result == "fail")
        raise GateError(
            f"The model would learn nothing here: {failed}", "Mend the row.", row.source
        )


def _row(data: Dataset, place: str) -> Row:
    """Return the row that came from a place; of a file its last part is enough."""
    from engine.data.dataset import SPLITS

    if not place:
        return next(iter(data.rows("train")))
    for split in SPLITS:
        for row in data.rows(split):
            if row.source == place or row.source.endswith(f"/{place}"):
                return row
    raise UsageError(
        f"Dataset {data.id} has no row from there.",
        "Write FILE as project.yaml does; `tunesmith data show --json` tells what was left out.",
        place,
    )
