"""`tunesmith train`: from a plan to a run, in a process that no screen owns."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from engine.base.gates import enforce
from tui import output
from tui.verbs.jobs import watch
from tui.verbs.options import (
    Place,
    accept,
    after_option,
    as_json,
    hours_option,
    open_store,
    priority_option,
    project_option,
    settings_option,
    turn_of,
)
from tui.verbs.plan import plan_to_train


@click.command("train", epilog="Example: tunesmith train --set epochs=2 --watch")
@project_option
@settings_option
@click.option("--recipe", help="A recipe's name; else the project's.")
@click.option("--plan", "plan_id", type=int, metavar="ID", help="A plan that was made before.")
@click.option("--name", help="The run's name; else the project's name and a number.")
@click.option("--watch", "follow", is_flag=True, help="Follow the job.")
@click.option("--only", is_flag=True, help="Train only; else evaluation and export follow.")
@priority_option
@after_option
@hours_option
@accept
@as_json
def train_verb(
    project_dir: Path | None,
    settings: tuple[str, ...],
    recipe: str | None,
    plan_id: int | None,
    name: str | None,
    follow: bool,
    only: bool,
    priority: int,
    after: tuple[int, ...],
    hours: str | None,
    accept: str,
    as_json: bool,
) -> None:
    """Train: submits the job and returns; Ctrl-C while watching stops watching, never the job."""
    from engine.run.launch import submit

    place = Place(project_dir)
    turn = turn_of(place.store, priority, after, hours)
    plan = plan_to_train(place, settings, recipe, plan_id)
    enforce(plan.gate, accept)
    run, job = submit(
        place.store,
        place.folder,
        place.project_id,
        place.project,
        plan,
        name=name,
        then=() if only else ("eval", "export"),
        accept=accept,
        turn=turn,
    )
    if as_json and not follow:
        output.emit({"run": run, "job": job})
        return
    if not as_json:
        output.say(f"  run {run} trains as job {job}. `tunesmith watch {job}` follows it.")
    if follow:
        watch(place.store, job, as_json=as_json)


@click.command("rerun", epilog="Example: tunesmith rerun 1 --watch")
@click.argument("run")
@click.option("--watch", "follow", is_flag=True, help="Follow the job, and compare at its end.")
@as_json
def rerun_verb(run: str, follow: bool, as_json: bool) -> None:
    """Train a run once more from its recorded plan and rows; on the same box to the same bytes.

    RUN is an id or a name. What has changed since then is said before it begins.
    """
    from engine.run import rerun
    from engine.ship.history import resolve_run

    store = open_store()
    repetition = rerun.prepare(store, resolve_run(store, run))
    new, job = rerun.submit(store, repetition)
    if as_json:
        told = {"run": new, "job": job, "rerun_of": repetition.run["id"]}
        emit = output.emit_line if follow else output.emit
        emit({**told, "differences": list(repetition.differences)})
    else:
        for sentence in repetition.differences:
            output.say(f"  {sentence}")
        output.say(f"  run {new} repeats run {repetition.run['id']} as job {job}.")
    if not follow:
        if not as_json:
            output.say(f"  `tunesmith watch {job}` follows it, `tunesmith show {new}` compares.")
        return
    watch(store, job, as_json=as_json)
    found = rerun.compare(store, new)
    assert found is not None
    if as_json:
        output.emit_line({"event": "compared", **asdict(found)})
    else:
        output.say(f"  {rerun.sentence(found)}")
