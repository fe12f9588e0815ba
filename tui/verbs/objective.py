"""`tunesmith objective`: what the model shall do, how it is judged, and what to confirm first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from engine.base import objectives
from engine.base.errors import UsageError
from engine.base.objectives import Template
from engine.base.project import Objective
from engine.base.settings import nearest_name
from tui import output
from tui.verbs.options import Place, as_json, project_option

_ALL = "all"
_WIDTH = 96  # columns of text for people


@click.command("objective", epilog="Example: tunesmith objective --templates extraction")
@project_option
@click.option(
    "--templates",
    is_flag=False,
    flag_value=_ALL,
    metavar="[TASK]",
    help="Show the kinds of task, or all about one.",
)
@as_json
def objective_verb(project_dir: Path | None, templates: str | None, as_json: bool) -> None:
    """Show the objective in plain words, the test rows it needs, and what to confirm."""
    if templates is not None:
        _templates(templates, as_json)
        return
    found = record(Place(project_dir))
    if as_json:
        output.emit(found)
    else:
        print_objective(found)


def record(place: Place) -> dict[str, Any]:
    """Return a project's objective as plain data, with what follows from it."""
    from engine.base.hardware import machine
    from engine.plan.assumptions import assumptions, remarks
    from engine.plan.device import choose

    objective = place.project.objective
    usual = objectives.template(objective.task)
    metrics = objectives.metrics()
    names = dict.fromkeys((objective.metric, *usual.secondary))
    return {
        "task": objective.task,
        "title": usual.title,
        "what": usual.what,
        "answer": _answer(objective),
        "instruction": objective.instruction,
        "metric": objective.metric,
        "metrics": {name: asdict(metrics[name]) for name in names},
        "threshold": objective.threshold,
        "minimum_effect": objective.minimum_effect,
        "guardrails": objectives.guardrails(objective),
        "sample": _sample(place),
        "failure_categories": objectives.failure_categories(objective),
        "assumptions": [
            asdict(item) for item in assumptions(place.project, choose(machine.read()))
        ],
        "remarks": remarks(objective),
    }


def print_objective(found: Mapping[str, Any]) -> None:
    """Write an objective for people."""
    metric = found["metrics"][found["metric"]]
    output.say(f"  {found['title']}: {found['what']}")
    _pairs(
        {
            "answer": found["answer"],
            "decides": f"{metric['title']}. {metric['what']}",
            "is blind": metric["blind"],
            "good enough": f"{found['threshold']:.0%} on the test rows",
            "least gain": f"{100 * found['minimum_effect']:g} points over the prompted base",
        }
    )
    output.say("  guardrails")
    _points(found["guardrails"].values())
    output.say("  test rows")
    _points(found["sample"]["sentences"])
    output.say("  to confirm")
    for item in found["assumptions"]:
        mark = f" ! {item['concern']}" if item["concern"] else ""
        _pairs({item["name"]: f"{item['answer']}{mark}", "": item["ask"]})
    if found["remarks"]:
        output.say("  not as usual")
        _points(found["remarks"])


def _sample(place: Place) -> dict[str, Any]:
    """Return the test rows that are needed and at hand, and what these can show."""
    from engine.data.dataset import latest
    from engine.plan import power

    objective = place.project.objective
    try:
        dataset_id = latest(place.store, place.project_id)
    except UsageError:
        dataset_id = ""
    spread = power.observed(place.store, dataset_id) if dataset_id else None
    needed = power.required(objective, spread)
    at_hand = place.store.scalar("SELECT test FROM datasets WHERE id = ?", (dataset_id,))
    graded = objectives.metrics()[objective.metric].kind == "graded"
    smallest = power.detectable(
        at_hand or 0, needed.spread.discordant, needed.spread.deviation if graded else None
    )
    sentences = [needed.sentence]
    if at_hand is None:
        sentences.append("There is no dataset yet: `tunesmith data build`.")
    else:
        enough = "enough" if needed.rows and at_hand >= needed.rows else "not enough for that"
        sentences.append(
            f"Dataset {dataset_id} has {at_hand:,}, {enough}: they show gains from "
            f"{100 * smallest:.0f} points up."
        )
    return {
        "required": needed.rows,
        "at_hand": at_hand,
        "detectable": smallest if at_hand else None,
        "measured": bool(needed.spread.rows),
        "sentences": sentences,
    }


def _answer(objective: Objective) -> str:
    if objective.output == "text":
        return "text of its schema" if objective.schema else "text"
    if objective.schema:
        return "JSON of its schema" + (
            f", with {', '.join(objective.fields)}" if objective.fields else ""
        )
    return f"JSON with {', '.join(objective.fields)}" if objective.fields else "JSON"


def _templates(name: str, as_json: bool) -> None:
    every: dict[str, Template] = {task: objectives.template(task) for task in objectives.TASKS}
    shown = {task: item for task, item in every.items() if name in (_ALL, task)}
    if not shown:
        raise UsageError(
            f"There is no kind of task {output.one_line(name, 40)}"
            f"{nearest_name(name, list(every))}.",
            f"Choose from {', '.join(every)}.",
            "--templates",
        )
    if as_json:
        output.emit({task: asdict(item) for task, item in shown.items()})
    elif name == _ALL:
        output.table(
            ("task", "decided by", "what"),
            [(f"  {task}", item.metric, item.what) for task, item in shown.items()],
        )
        output.say("  All about one: tunesmith objective --templates TASK")
    else:
        print_template(every[name])


def print_template(item: Template) -> None:
    """Write a template for people."""
    import json

    metrics = objectives.metrics()
    output.say(f"  {item.title}: {item.what}")
    meaning = metrics[item.metric]
    _pairs(
        {"fits": item.fits, "fits not": item.not_fits, "input": item.input, "answer": item.answer}
        | ({"schema": json.dumps(item.schema)} if item.schema else {})
        | {"decided by": f"{meaning.title} ({item.metric}). {meaning.what} {item.metric_why}"}
        | {f"or {name}": why for name, why in item.other_metrics.items()}
        | {f"also {name}": why for name, why in item.secondary.items()}
        | {"threshold": f"{item.threshold.value:g}. {item.threshold.why}"}
        | {"least gain": f"{item.minimum_effect.value:g}. {item.minimum_effect.why}"}
    )
    output.say("  guardrails")
    limits = asdict(item.guardrails)
    _pairs({name: f"{limit['value']:g}. {limit['why']}" for name, limit in limits.items()})
    output.say("  kinds of wrong answers")
    _pairs(item.failure_categories)
    for title, lines in (("labelling", item.guidelines), ("edge cases", item.edge_cases)):
        output.say(f"  {title}")
        _points(lines)
    output.say("  to confirm")
    _pairs({name.replace("_", " "): text for name, text in asdict(item.confirm).items()})


def _pairs(pairs: Mapping[str, str]) -> None:
    width = max(12, *map(len, pairs)) if pairs else 0
    for name, text in pairs.items():
        _wrapped(f"    {name:<{width}} ", text)


def _points(lines: Iterable[str]) -> None:
    for line in lines:
        _wrapped("    · ", line)


def _wrapped(start: str, text: str) -> None:
    follow = " " * len(start)
    for line in textwrap.wrap(text, _WIDTH, initial_indent=start, subsequent_indent=follow):
        output.say(line)
