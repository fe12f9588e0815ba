"""`tunesmith rates`: a learning rate from a short climb, in place of a guess."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click

from engine.base import jobs
from engine.base.gates import enforce
from tui import output
from tui.verbs.jobs import follow
from tui.verbs.options import (
    Place,
    accept,
    as_json,
    open_store,
    project_option,
    settings_option,
)
from tui.verbs.plan import make_plan

_WIDTH, _HEIGHT = 78, 12


@click.group("rates", invoke_without_command=True, epilog="Example: tunesmith rates --json")
@project_option
@settings_option
@click.option("--recipe", help="A recipe's name; else the project's.")
@click.option(
    "--steps", type=click.IntRange(30, 1000), default=84, show_default=True, help="Of the climb."
)
@accept
@as_json
@click.pass_context
def rates_verb(
    ctx: click.Context,
    project_dir: Path | None,
    settings: tuple[str, ...],
    recipe: str | None,
    steps: int,
    accept: str,
    as_json: bool,
) -> None:
    """Find a learning rate: train for a few steps at a rising rate and see where the loss falls.

    Takes the device for some minutes and keeps no weights.
    """
    if ctx.invoked_subcommand:
        return
    from engine.run.rates.records import of_job

    place = Place(project_dir)
    plan = make_plan(place, settings, recipe)
    enforce(plan.gate, accept)
    job = jobs.submit(
        place.store,
        "rates",
        place.folder,
        {"plan_id": plan.id, "steps": steps, "device": plan.device},
        project_id=place.project_id,
    )
    if not as_json:
        rows = plan["micro_batch"] * plan["accumulation"]
        output.say(
            f"  range test as job {job}: up to {steps} steps of {rows} training rows, predicted "
            f"{output.duration(plan.seconds / plan['steps'] * steps)} at most."
        )
    follow(place.store, job, quiet=as_json)
    _write(of_job(place.store, job), as_json=as_json)


@rates_verb.command("show", epilog="Example: tunesmith rates show 1 --json")
@click.argument("test_id", type=int, metavar="[ID]", required=False)
@as_json
def show_verb(test_id: int | None, as_json: bool) -> None:
    """Show a range test, else the newest: its curve and its proposal."""
    from engine.run.rates.records import show

    _write(show(open_store(), test_id), as_json=as_json)


def _write(test: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.emit(test)
        return
    from tui import rate_chart

    output.say(
        f"  range test {test['id']}: {test['recipe']} on {test['model']}, {test['steps']} steps "
        f"over {test['rows']} rows ({_passes(test)}), {output.duration(test['seconds'])}"
    )
    width = min(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns)
    marks = {"○": test["own_rate"], "◆": test["proposal"]}
    output.say()
    for line in rate_chart.lines(test["points"], marks, width, _HEIGHT):
        output.say(line)
    output.say("        smoothed loss over the learning rate; ◆ proposed, ○ the plan's own")
    output.say()
    output.say(f"  {test['why']}")
    own = f"The plan's own rate is {test['own_rate']:g}"
    if test["proposal"] is None:
        output.say(f"  can't tell: keep the plan's rate. {own}.")
        return
    sure = {"clear": "clear", "rough": "rough: take it as an order of magnitude"}
    output.say(f"  proposed: --set learning_rate={test['proposal']:g} ({sure[test['certainty']]})")
    output.say(f"  {own}{_compared(test['proposal'] / test['own_rate'])}.")


def _passes(test: dict[str, Any]) -> str:
    passes = test["rows"] / test["train_rows"]
    return f"{passes:.1f} passes over the {test['train_rows']} training rows"


def _compared(times: float) -> str:
    """Say how the proposal lies to the plan's rate; a factor of two is within the test's error."""
    if 0.5 <= times <= 2:
        return ", which is the same within the test's error"
    way = "higher" if times > 1 else "lower"
    return f"; the proposal is {way} by a factor of {max(times, 1 / times):.1f}"
