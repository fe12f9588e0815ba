"""`tunesmith launch` and `fetch`: train on other machines, and bring home what came of it."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from engine.base.gates import enforce
from tui import output, words
from tui.verbs.options import Place, accept, as_json, open_store, project_option, settings_option

_LAUNCHERS = ("slurm", "skypilot", "ray")


@click.command(
    "launch", epilog="Example: tunesmith launch --to slurm --gpu 'A100 80GB' --nodes 2 --gpus 4"
)
@click.option("--to", "launcher", type=click.Choice(_LAUNCHERS), required=True, help="Who runs it.")
@click.option("--nodes", type=click.IntRange(1, 10_000), default=1, help="Machines; else one.")
@click.option("--gpus", type=click.IntRange(1, 64), default=1, help="GPUs of each; else one.")
@click.option("--gpu", default="", metavar="NAME", help="Which GPU, as `tunesmith fits` has it.")
@click.option("--bucket", default="", metavar="URL", help="SkyPilot: keep checkpoints there.")
@project_option
@settings_option
@click.option("--recipe", help="A recipe's name; else the project's.")
@click.option("--name", help="The run's name; else the project's name and a number.")
@click.option(
    "--out",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A new folder; else one named after the run.",
)
@accept
@as_json
def launch_verb(
    launcher: Any,
    nodes: int,
    gpus: int,
    gpu: str,
    bucket: str,
    project_dir: Path | None,
    settings: tuple[str, ...],
    recipe: str | None,
    name: str | None,
    target: Path | None,
    accept: str,
    as_json: bool,
) -> None:
    """Write a folder that trains this project elsewhere: with Slurm, SkyPilot or Ray.

    It holds the rows, the plan and the program, and can be copied anywhere. Nothing is started.
    """
    from engine.run.bundle.export import require_new, write
    from engine.run.bundle.machines import Machines
    from engine.run.bundle.submission import minutes, slug
    from engine.run.launch import default_name

    place = Place(project_dir)
    chosen = replace(place.project, recipe=recipe) if recipe else place.project
    machines = Machines(launcher, nodes, gpus, gpu, bucket)
    called = name or default_name(place.store, place.project_id, place.project)
    folder = (target or Path(f"{slug(called)}-{launcher}")).expanduser().resolve()
    require_new(folder)
    plan = _planned(place, chosen, settings, machines, accept)
    written = write(place.store, chosen, plan, machines, folder, name=called, accept=accept)
    if as_json:
        output.emit(_record(written, plan, machines))
        return
    output.say(f"  {folder} trains {output.one_line(called)} on {_words(machines)}")
    asked = f"; the job asks for {output.duration(60 * minutes(plan))}" * (launcher == "slurm")
    output.say(
        f"  predicted: {output.duration(plan.seconds)} (give or take {plan.seconds_error:.0%}), "
        f"{output.amount(plan.peak_bytes)} of memory{asked}"
    )
    output.gate(plan.gate.result, "fit", plan.gate.reasons)
    output.say(f"  Copy it there, then: cd {shlex.quote(folder.name)} && {written.command}")
    output.say(f"  And bring it home:   tunesmith fetch {shlex.quote(str(target or folder.name))}")


@click.command("fetch", epilog="Example: tunesmith fetch desk-1-slurm")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--no-checkpoints", is_flag=True, help="Leave checkpoints there; what is trained comes."
)
@as_json
def fetch_verb(folder: Path, no_checkpoints: bool, as_json: bool) -> None:
    """Bring home what the folder of a launch has trained so far; it can be repeated."""
    from engine.run.bundle.fetch import fetch

    store = open_store()
    fetched = fetch(store, folder.expanduser().absolute(), with_checkpoints=not no_checkpoints)
    if as_json:
        output.emit([asdict(run) for run in fetched])
        return
    for run in fetched:
        brought = (
            "is new here" if run.new else "is up to date" if run.changed else "has nothing new"
        )
        output.say(
            f"  run {run.run} {output.one_line(run.name)} {brought}: {words.state(run.state)}, "
            f"step {run.step} of {run.steps}"
        )
        if run.state == "done":
            output.say(f"  Next: tunesmith eval {run.run}")
        else:
            output.say(f"  See it: tunesmith show {run.run}. Fetch again to see it go on.")


def _words(machines: Any) -> str:
    nodes = "one machine" if machines.nodes == 1 else f"{machines.nodes} machines"
    return f"{nodes} with {machines.gpus} x {machines.device().title}"


def _planned(
    place: Place, project: Any, settings: tuple[str, ...], machines: Any, accept: str
) -> Any:
    """Resolve and record the plan for those machines, once its gate lets it through."""
    from engine.data.dataset import latest
    from engine.plan.plan import save
    from engine.plan.recipe import assignments
    from engine.run.bundle.machines import propose

    dataset = latest(place.store, place.project_id)
    plan = propose(place.store, project, dataset, assignments(settings), machines)
    enforce(plan.gate, accept)
    return save(place.store, place.project_id, plan)


def _record(written: Any, plan: Any, machines: Any) -> dict[str, Any]:
    from engine.plan.document import record
    from engine.run.bundle.submission import minutes

    return {
        "folder": str(written.folder),
        "bundle": written.label.id,
        "submit": written.command,
        "asked_minutes": minutes(plan),
        "machines": asdict(machines),
        "plan": record(plan),
    }
