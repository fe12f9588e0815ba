"""`tunesmith sweep`: a few values tried one by one, and which of them was best."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from engine.base.errors import UsageError
from engine.base.store import Store
from tui import output, words
from tui.verbs.jobs import watch
from tui.verbs.options import (
    Place,
    accept,
    as_json,
    open_store,
    project_option,
    settings_option,
)

_WORSE = 0.01  # a loss this share above the lowest has risen


@click.group(
    "sweep",
    invoke_without_command=True,
    epilog="Example: tunesmith sweep --over learning_rate=1e-4,3e-4,1e-3 --over lora_rank=8,16",
)
@project_option
@click.option(
    "--over",
    multiple=True,
    metavar="KEY=A,B,C",
    help="Values to try, or a range KEY=LOW..HIGH; again for another setting.",
)
@click.option("--trials", type=int, metavar="N", help="How many trials at most; else 12.")
@settings_option
@click.option("--recipe", help="A recipe's name; else the project's.")
@click.option("--watch", "follow", is_flag=True, help="Follow the job.")
@accept
@as_json
@click.pass_context
def sweep_verb(
    ctx: click.Context,
    project_dir: Path | None,
    over: tuple[str, ...],
    trials: int | None,
    settings: tuple[str, ...],
    recipe: str | None,
    follow: bool,
    accept: str,
    as_json: bool,
) -> None:
    """Try a few values, each in a run of its own; the hopeless are stopped early.

    All combinations are tried where they fit into --trials; else Optuna's TPE chooses.
    """
    if ctx.invoked_subcommand:
        return
    from engine.run.sweep.submit import submit

    if not over:
        raise UsageError(
            "There is nothing to try.", "Name it: `--over learning_rate=1e-4,3e-4,1e-3`.", "--over"
        )
    place = Place(project_dir)
    prepared = _prepared(place, over, settings, recipe, trials, accept)
    sweep_id, job = submit(place.store, place.folder, place.project_id, prepared, accept)
    begun = {
        "sweep": sweep_id,
        "job": job,
        "sampler": prepared.sampler,
        "trials": prepared.trials,
        "predicted_seconds": prepared.seconds,
    }
    if as_json and not follow:
        output.emit(begun)
        return
    if not as_json:
        _announce(begun)
    if follow:
        watch(place.store, job, as_json=as_json)
        if not as_json:
            print_sweep(place.store, sweep_id)


@sweep_verb.command("show", epilog="Example: tunesmith sweep show 1 --json")
@click.argument("sweep_id", type=int, metavar="[ID]", required=False)
@as_json
def show_verb(sweep_id: int | None, as_json: bool) -> None:
    """Show a sweep, else the newest: its trials, their losses, and the best values."""
    from engine.run.sweep import records
    from engine.run.sweep.report import show

    store = open_store()
    chosen = records.newest(store) if sweep_id is None else sweep_id
    if as_json:
        output.emit(show(store, chosen))
    else:
        print_sweep(store, chosen)


def print_sweep(store: Store, sweep_id: int) -> None:
    """Write a sweep for people."""
    from engine.run.sweep.report import show

    found = show(store, sweep_id)
    over = "; ".join(found["over"])
    output.say(f"  sweep {sweep_id} over {over}: {words.state(found['state'])}")
    names = [item.partition("=")[0] for item in found["over"]]
    best = found["best"]
    output.table(
        ("trial", *names, "run", "state", "took", "lowest", "at step", "validation losses"),
        [_row(trial, names, best) for trial in found["trials"]],
    )
    for trial in found["trials"]:
        if trial["error"]:
            output.say(f"  ! trial {trial['number']}: {trial['error']}")
    output.say(
        f"  {len(found['trials'])} of {found['planned']} trials were at work for "
        f"{output.duration(found['seconds'])}; "
        f"{output.duration(found['predicted_seconds'])} was predicted for all, none stopped early."
    )
    if best:
        _print_best(found)
    if found["state"] in ("stopped", "failed", "lost"):
        output.say(f"  It goes on with `tunesmith resume {found['job']}`.")


def _print_best(found: dict[str, Any]) -> None:
    best = found["best"]
    output.say(f"  best: {best['words']}")
    output.say(f"  {found['caution']}")
    output.say(f"  How good it is: `tunesmith eval {best['run']}`. Its adapter is kept.")
    if (best["last_loss"] or math.inf) > best["loss"] * (1 + _WORSE):
        output.say(
            f"  ! Its loss was lowest at step {best['step']} and rose to step "
            f"{best['last_step']}, where its weights are from: add `--set max_steps={best['step']}`"
            " to train it anew."
        )


def _prepared(
    place: Place,
    over: tuple[str, ...],
    settings: tuple[str, ...],
    recipe: str | None,
    trials: int | None,
    accept: str,
) -> Any:
    from engine.data.dataset import latest
    from engine.plan.recipe import assignments
    from engine.run.sweep.submit import prepare

    chosen = replace(place.project, recipe=recipe) if recipe else place.project
    dataset = latest(place.store, place.project_id)
    return prepare(place.store, chosen, dataset, over, assignments(settings), trials, accept)


def _announce(begun: dict[str, Any]) -> None:
    how = {"grid": "every combination", "tpe": "chosen by Optuna's TPE"}[begun["sampler"]]
    output.say(
        f"  sweep {begun['sweep']}: {begun['trials']} trials, {how}, as job {begun['job']}; "
        f"predicted {output.duration(begun['predicted_seconds'])} if none is stopped early."
    )
    output.say(
        f"  `tunesmith watch {begun['job']}` follows it, "
        f"`tunesmith sweep show {begun['sweep']}` shows the trials."
    )


def _row(trial: dict[str, Any], names: list[str], best: Any) -> tuple[output.Cell, ...]:
    mark = " *" if best and best["trial"] == trial["number"] else ""
    return (
        f"  {trial['number']}{mark}",
        *(words.plain(trial["values"][name]) for name in names),
        trial["run"],
        trial["state"],
        output.duration(trial["seconds"]),
        "–" if trial["loss"] is None else f"{trial['loss']:.4f}",
        trial["step"],
        " ".join(_loss(point["loss"]) for point in trial["losses"]),
    )


def _loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
