"""`tunesmith advise` and `tunesmith plan`: what to do, and with what values."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from engine.base import jobs
from engine.base.errors import UsageError
from tui import output, words
from tui.verbs.jobs import follow
from tui.verbs.options import Place, as_json, project_option, settings_option

_ATTEMPT = (
    "change",
    "result",
    "predicted_peak_bytes",
    "peak_bytes",
    "limit_bytes",
    "tokens_per_second",
)


@click.command("advise", epilog="Example: tunesmith advise --trial")
@project_option
@click.option("--trial", is_flag=True, help="First measure the untuned base, told and shown how.")
@as_json
def advise_verb(project_dir: Path | None, trial: bool, as_json: bool) -> None:
    """Say whether to tune at all, argued from evidence."""
    place = Place(project_dir)
    if trial:
        job = jobs.submit(place.store, "trial", place.folder, {}, project_id=place.project_id)
        follow(place.store, job, quiet=as_json)
    advice = current_advice(place)
    if as_json:
        output.emit(asdict(advice))
    else:
        print_advice(advice)


@click.command("plan", epilog="Example: tunesmith plan --set epochs=2 --measure")
@project_option
@settings_option
@click.option("--recipe", help="A recipe's name; else the project's.")
@click.option(
    "--measure", is_flag=True, help="Really step the worst batch, and change what does not fit."
)
@click.option(
    "--export",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the plan as YAML, Markdown and a TRL script that trains without Tunesmith.",
)
@as_json
def plan_verb(
    project_dir: Path | None,
    settings: tuple[str, ...],
    recipe: str | None,
    measure: bool,
    target: Path | None,
    as_json: bool,
) -> None:
    """Resolve the recipe for this project on this box: every value, why, and what it will cost."""
    place = Place(project_dir)
    plan = make_plan(place, settings, recipe)
    outcome = measured(place, plan, quiet=as_json) if measure else None
    written = exported(place, outcome.plan if outcome else plan, target) if target else []
    if as_json:
        output.emit({**plan_json(plan, outcome), "files": [str(path) for path in written]})
        return
    print_plan(outcome.plan if outcome else plan)
    if outcome:
        print_attempts(outcome)
    for path in written:
        output.say(f"  wrote {path}")


def exported(place: Place, plan: Any, folder: Path) -> list[Path]:
    """Write a plan as a folder that trains without Tunesmith; return its files."""
    from engine.run.script import export

    return export(place.store, place.project, plan, folder.expanduser().resolve())


def measured(place: Place, plan: Any, *, quiet: bool) -> Any:
    """Let the fit gate measure a plan; return what it found."""
    from engine.run.fit.measured import outcome

    job = jobs.submit(
        place.store, "fit", place.folder, {"plan_id": plan.id}, project_id=place.project_id
    )
    follow(place.store, job, quiet=quiet)
    return outcome(place.store, job)


def plan_json(plan: Any, outcome: Any) -> dict[str, Any]:
    """Return a plan for machines, with what was measured where something was."""
    from engine.plan.document import record

    if outcome is None:
        return record(plan)
    made, last = outcome.plan, outcome.attempts[-1]
    found = {
        "peak_bytes": last["peak_bytes"],
        "tokens_per_second": last["tokens_per_second"],
        "seconds": round(made.seconds, 1),
    }
    attempts = [{key: row[key] for key in _ATTEMPT} for row in outcome.attempts]
    return {
        **record(made),
        "measured": found if outcome.fits else None,
        "attempts": attempts,
    }


def current_advice(place: Place) -> Any:
    """Return the advice that follows from the newest dataset and its trial."""
    from engine.data.dataset import latest
    from engine.plan.advice import advise

    dataset = latest(place.store, place.project_id)
    return advise(place.store, place.project, place.project_id, dataset)


def make_plan(place: Place, settings: tuple[str, ...], recipe: str | None = None) -> Any:
    """Resolve and record a plan for the newest dataset on this box."""
    from engine.plan.plan import save

    return save(place.store, place.project_id, _proposed(place, settings, recipe))


def plan_to_train(
    place: Place, settings: tuple[str, ...], recipe: str | None, plan_id: int | None
) -> Any:
    """Return the named plan; else one that the fit gate measured for these values; else a new one.

    Raises:
        UsageError: The named plan is not this project's, or values were given beside it.
    """
    from engine.plan.plan import load, save
    from engine.run.fit.measured import latest

    if plan_id is None:
        proposed = _proposed(place, settings, recipe)
        found = latest(place.store, place.project_id, proposed)
        if found and found.fits:
            return found.plan
        return save(place.store, place.project_id, proposed)
    if settings or recipe:
        raise UsageError(
            "A plan has all its values already.", "Leave --set and --recipe out.", "--plan"
        )
    owner = place.store.scalar("SELECT project_id FROM plans WHERE id = ?", (plan_id,))
    if owner is not None and owner != place.project_id:
        raise UsageError(
            f"Plan {plan_id} is another project's.", "Make one here: `tunesmith plan`.", "--plan"
        )
    return load(place.store, plan_id)


def _proposed(place: Place, settings: tuple[str, ...], recipe: str | None) -> Any:
    from engine.data.dataset import latest
    from engine.plan.plan import propose
    from engine.plan.recipe import assignments

    dataset = latest(place.store, place.project_id)
    chosen = replace(place.project, recipe=recipe) if recipe else place.project
    return propose(place.store, chosen, dataset, assignments(settings))


def print_advice(advice: Any) -> None:
    """Write the advice for people."""
    output.say(f"  advice: {advice.verdict}")
    for reason in advice.reasons:
        output.say(f"    · {reason}")
    if advice.change:
        output.say(f"    What would change it: {advice.change}")


def print_attempts(outcome: Any) -> None:
    """Write what the fit gate tried, and the speed that the time rests on."""
    output.say()
    output.table(
        ("tried", "result", "predicted", "measured", "limit"),
        [
            (
                f"  {row['change'] or 'as planned'}",
                row["result"],
                output.amount(row["predicted_peak_bytes"]),
                f"{'' if row['result'] == 'fits' else '> '}{output.amount(row['peak_bytes'])}",
                output.amount(row["limit_bytes"]),
            )
            for row in outcome.attempts
        ],
    )
    if outcome.fits:
        speed = outcome.plan["tokens_per_second"]
        output.say(f"  measured: {speed:.0f} tokens/s. Train it: `tunesmith train`.")


def print_plan(plan: Any, *, brief: bool = False) -> None:
    """Write a plan for people: its values with their reasons, and its predictions."""
    output.say(f"  plan {plan.id}: {plan.recipe} on {plan.model}, {plan.device}")
    shown = [
        (key, words.plain(item.value), item.why)
        for key, item in plan.values.items()
        if not brief or key in {"lora_rank", "learning_rate", "epochs", "micro_batch", "steps"}
    ]
    output.table(("setting", "value", "why"), [(f"  {k}", v, w) for k, v, w in shown])
    output.say(
        f"  predicted: {output.duration(plan.seconds)} (give or take {plan.seconds_error:.0%}), "
        f"{output.amount(plan.peak_bytes)} of memory (give or take {plan.peak_error:.0%}), "
        f"{plan.joules / 3600:.1f} Wh, {output.amount(plan.disk_bytes)} of disk"
    )
    output.gate(plan.gate.result, "fit", plan.gate.reasons)
