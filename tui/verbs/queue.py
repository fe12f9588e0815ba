"""Verbs about the line of jobs: move, pause."""

from __future__ import annotations

import click

from engine.base import turns
from tui import output
from tui.verbs.jobs import ask
from tui.verbs.options import as_json, open_store


@click.command("move", epilog="Example: tunesmith move 7 first")
@click.argument("job_id", type=int, metavar="ID")
@click.argument("where", type=click.Choice(turns.MOVES))
@as_json
def move_verb(job_id: int, where: str, as_json: bool) -> None:
    """Change a waiting job's place in line; past others it takes their priority."""
    place = turns.move(open_store(), job_id, where)
    if as_json:
        output.emit(
            {"job": job_id, "position": place.position, "of": place.waiting}
            | {"priority": place.priority}
        )
    else:
        output.say(f"  {turns.said(job_id, place)}")


@click.command("pause", epilog="Example: tunesmith pause 3")
@click.argument("job_id", type=int, metavar="ID")
@as_json
def pause_verb(job_id: int, as_json: bool) -> None:
    """Ask a job to save its work and free the device; what needs it keeps waiting."""
    ask(job_id, "pause", as_json)
