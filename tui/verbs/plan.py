"""`tunesmith advise` and `tunesmith plan`: what to do, and with what values."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from engine.base import jobs
from tui import output
from tui.verbs.jobs import watch
from tui.verbs.options import Place, as_json, project_option, settings_option


@click.command("advise", epilog="Example: tunesmith advise --trial")
@project_option
@click.option("--trial", is_flag=True, help="First measure the untuned base, told and shown how.")
@as_json
def advise_verb(project_dir: Path | None, trial: bool, as_json: bool) -> None:
    """Say whether to tune at all, argued from evidence."""
    place = Place(project_dir)
    if trial:
        job = jobs.submit(place.store, "trial", place.folder, {}, project_id=place.project_id)
        watch(place.store, job, as_json=False)
    advice = current_advice(place)
    if as_json:
        output.emit(asdict(advice))
    else:
        print_advice(advice)


@click.command("plan", epilog="Example: tunesmith plan --set epochs=2 --json")
@project_option
@settings_option
@click.option("--recipe", help="A recipe's name; else the project's.")
@as_json
def plan_verb(
    project_dir: Path | None, settings: tuple[str, ...], recipe: str | None, as_json: bool
) -> None:
    """Resolve the recipe for this project on this box: every value, why, and what it will cost."""
    place = Place(project_dir)
    plan = make_plan(place, settings, recipe)
    if as_json:
        from engine.plan.document import record

        output.emit(record(plan))
    else:
        print_plan(plan)


def current_advice(place: Place) -> Any:
    """Return the advice that follows from the newest dataset and its trial."""
    from engine.data.dataset import latest
    from engine.plan.advice import advise

    dataset = latest(place.store, place.project_id)
    return advise(place.store, place.project, place.project_id, dataset)


def make_plan(place: Place, settings: tuple[str, ...], recipe: str | None = None) -> Any:
    """Resolve and record a plan for the newest dataset on this box."""
    from engine.data.dataset import latest
    from engine.plan.plan import propose, save
    from engine.plan.recipe import assignments

    dataset = latest(place.store, place.project_id)
    chosen = replace(place.project, recipe=recipe) if recipe else place.project
    return save(
        place.store, place.project_id, propose(place.store, chosen, dataset, assignments(settings))
    )


def print_advice(advice: Any) -> None:
    """Write the advice for people."""
    output.say(f"  advice: {advice.verdict}")
    for reason in advice.reasons:
        output.say(f"    · {reason}")
    if advice.change:
        output.say(f"    What would change it: {advice.change}")


def print_plan(plan: Any, *, brief: bool = False) -> None:
    """Write a plan for people: its values with their reasons, and its predictions."""
    output.say(f"  plan {plan.id}: {plan.recipe} on {plan.model}, {plan.device}")
    shown = [
        (key, str(item.value), item.why)
        for key, item in plan.values.items()
        if not brief or key in {"lora_rank", "learning_rate", "epochs", "micro_batch", "steps"}
    ]
    output.table(("setting", "value", "why"), [(f"  {k}", v, w) for k, v, w in shown])
    output.say(
        f"  predicted: {output.duration(plan.seconds)}, {plan.joules / 3600:.1f} Wh, "
        f"{output.amount(plan.peak_bytes)} of memory, {output.amount(plan.disk_bytes)} of disk"
    )
    output.gate(plan.gate.result, "fit", plan.gate.reasons)
