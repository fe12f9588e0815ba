"""The training plan and the evaluation plan as Markdown, both written before the training."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from engine.base import objectives
from engine.base.files import sha256, write_text
from engine.base.objectives import Meaning
from engine.base.project import Project
from engine.base.settings import dump
from engine.base.store import Row, Store
from engine.plan import advice, cost, memory, models, power, recipe
from engine.plan.memory import Setup, split
from engine.plan.plan import Plan, text
from engine.plan.power import detectable
from engine.plan.recipe import Recipe
from engine.plan.settle import BY_YOU
from engine.plan.story import story
from engine.plan.words import count, duration

_MANY_EPOCHS = 3
_DERIVED = {
    "longest": "Tokens of the longest row as it is trained, for the memory.",
    "answer_share": "The share of the training tokens that are answers, for the memory.",
    "steps": "Steps of the whole run.",
    "tokens": "Tokens trained on, all passes together.",
    "tokens_per_second": "The speed that the time rests on.",
    "watts": "The power that the energy rests on.",
}


def record(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain data, with the keys of `tunesmith plan --json`."""
    return {
        "id": plan.id,
        "recipe": plan.recipe,
        "method": plan.method,
        "model": plan.model,
        "dataset": plan.dataset_id,
        "device": plan.device,
        "values": {key: asdict(value) for key, value in plan.values.items()},
        "predicted": {
            "peak_bytes": plan.peak_bytes,
            "seconds": round(plan.seconds, 1),
            "joules": round(plan.joules),
            "disk_bytes": plan.disk_bytes,
        },
        "gate": {"result": plan.gate.result, "reasons": list(plan.gate.reasons)},
        "command": command(plan),
    }


def command(plan: Plan) -> str:
    """Return the command that starts this plan's training from its project folder."""
    sets = (
        f" --set {shlex.quote(f'{key}={text(value.value)}')}"
        for key, value in plan.values.items()
        if value.why == BY_YOU
    )
    return f"tunesmith train --recipe {plan.recipe}{''.join(sets)}"


def write(store: Store, project: Project, plan: Plan, folder: Path) -> None:
    """Write plan.yaml, training-plan.md and eval-plan.md, and note the folder in the store."""
    write_text(folder / "plan.yaml", dump(record(plan)))
    write_text(folder / "training-plan.md", training_plan(store, project, plan))
    write_text(folder / "eval-plan.md", eval_plan(store, project, plan))
    if plan.id is not None:
        store.update("plans", plan.id, {"path": str(folder)})


def training_plan(store: Store, project: Project, plan: Plan) -> str:
    """Return what will be trained, on what, how, why, and what it will take."""
    dataset, model, chosen = (
        _dataset(store, plan),
        models.find(plan.model),
        recipe.load(plan.recipe),
    )
    objective = project.objective
    shape = f" with the fields {', '.join(objective.fields)}" if objective.fields else ""
    happens = _lines(*(f"- {sentence}" for sentence in story(plan, dataset)))
    return f"""# Training plan: {project.name}

## Objective

- Task: {objective.task}, answers as {objective.output}{shape}
- Success: a score of at least {objective.threshold:.2f} on the test split, and at least
  {objective.minimum_effect:.2f} above the prompted base model
- Score: {_metric(project)}
- What decides between equals: {project.goal}; it will run on {project.target}

## What will happen

{happens}

## Baselines

{_baselines(store, project, plan)}

## Data

{_data(store, dataset)}

## Base model

- {model.name}: {count(model.dimensions.parameters)} parameters, {model.dimensions.context} tokens
  of context. {model.about}
- Licence: {model.licence}. {model.licence_means}

## Method

{chosen.title}. {chosen.purpose}

| setting | value | what it is | why this value |
|---|---|---|---|
{_values(plan, chosen)}

## Predictions

{_predictions(store, plan)}

## Stop rules

- The run ends after {plan["steps"]} steps.
- Stop it when the loss is no number, or when the validation loss has risen twice in a row: the
  model then learns rows by heart. A stopped run can be resumed.

## Risks

{_risks(plan, dataset)}

## Start it

    {command(plan)}
"""


def eval_plan(store: Store, project: Project, plan: Plan) -> str:
    """Return how the result will be judged, fixed before the training begins."""
    dataset, objective = _dataset(store, plan), project.objective
    guardrails = _lines(*(f"- {limit}" for limit in objectives.guardrails(objective).values()))
    needed = power.required(objective, power.observed(store, plan.dataset_id))
    test = "permutation test" if _meaning(project).kind == "graded" else "exact test by McNemar"
    return f"""# Evaluation plan: {project.name}

Written before the training, so that the result cannot choose its own yardstick.

## Question

Is the tuned model better at {objective.task} than the base model, prompted as well as we can: full
instructions, with examples?

## Measures

- Primary metric, the only one that decides: {_metric(project)}
- Good enough to ship from: {objective.threshold:.2f}
- Smallest gain worth a model of its own: {objective.minimum_effect:.2f}

Guardrails, none of which may be broken. The verdict gate judges form and length; the others are
limits for what is measured where the model will run, and for a general and a safety test:

{guardrails}

## Sets

Dataset {dataset["id"]}.

| set | used for | rows | sha256 |
|---|---|---|---|
{_sets(store, dataset)}

## Test

- Paired: every model answers the same rows, and the difference is taken row by row.
- Two-sided, alpha {power.ALPHA}: a 95% interval of the difference by paired bootstrap, with an
  {test} beside it.
- Decoding: greedy (always the likeliest token), one answer per row, the same limit of new tokens
  and the same chat template for all models.
- {needed.sentence}
- The {dataset["test"]} rows at hand can show a difference of {_detectable(project, dataset):.2f} or
  more with the same power.

## Outcome

- **better**: the whole interval lies above 0. **worse**: the whole interval lies below 0.
- **can't tell**: the interval contains 0. This does not count as better. {needed.rows} test rows
  would show the smallest gain worth having: collect more, or change the training and compare on the
  same rows.
- Any verdict but better, or a broken guardrail, closes the verdict gate.
"""


def _dataset(store: Store, plan: Plan) -> Row:
    row = store.row("SELECT * FROM datasets WHERE id = ?", (plan.dataset_id,))
    assert row is not None  # the plan's foreign key
    return row


def _metric(project: Project) -> str:
    meaning = _meaning(project)
    return f"{meaning.title}. {meaning.what} It does not see everything: {meaning.blind}"


def _detectable(project: Project, dataset: Row) -> float:
    spread = power.Spread()
    graded = _meaning(project).kind == "graded"
    return power.detectable(dataset["test"], deviation=spread.deviation if graded else None)


def _meaning(project: Project) -> Meaning:
    return objectives.metrics()[project.objective.metric]


def _baselines(store: Store, project: Project, plan: Plan) -> str:
    metric = project.objective.metric
    lines = [
        f"- {advice.describe(subject, metric, scores[metric])}"
        for subject, scores in advice.baselines(store, plan.dataset_id).items()
        if metric in scores
    ]
    return _lines(*lines) or "- Not measured yet; `tunesmith advise --trial` does it."


def _data(store: Store, dataset: Row) -> str:
    sources = store.rows(
        "SELECT file, sha256, rows FROM dataset_sources WHERE dataset_id = ?", (dataset["id"],)
    )
    return _lines(
        f"- Dataset {dataset['id']}: {dataset['train']} training, {dataset['validation']} "
        f"validation and {dataset['test']} test rows; {dataset['golden']} golden rows, which no "
        "training reads",
        f"- {dataset['tokens_train']} training tokens; the longest row has "
        f"{dataset['tokens_longest']}",
        *(f"- Source {s['file']}: {s['rows']} rows, sha256 {s['sha256']}" for s in sources),
    )


def _values(plan: Plan, chosen: Recipe) -> str:
    meanings = {key: knob.what for key, knob in chosen.settings.items()} | _DERIVED
    return _lines(
        *(
            f"| {key} | {text(value.value)} | {meanings.get(key, '')} | {value.why} |"
            for key, value in plan.values.items()
        )
    )


def _predictions(store: Store, plan: Plan) -> str:
    parts = _estimate(plan).parts.items()
    return _lines(
        f"- Peak memory {plan.peak_bytes / 1e9:.2f} GB; "
        + _off(store, "peak_bytes", plan.peak_error),
        f"- Its parts: {', '.join(f'{name} {size / 1e9:.2f}' for name, size in parts)} GB",
        f"- Time {duration(plan.seconds)} at {plan['tokens_per_second']} tokens a second; "
        + _off(store, "seconds", plan.seconds_error),
        f"- Energy {plan.joules / 1000:.1f} kJ ({plan.joules / 3.6e6:.3f} kWh) at an assumed "
        f"{plan['watts']:g} W; not measured",
        f"- Disk {plan.disk_bytes / 1e9:.1f} GB: checkpoints, adapter, merged model and exports",
        f"- Fit gate: {plan.gate.result}. {' '.join(plan.gate.reasons)}".rstrip(),
    )


def _estimate(plan: Plan) -> memory.Estimate:
    settings = plan.settings
    return memory.estimate(
        models.find(plan.model).dimensions, _kind(plan), Setup.of(settings, *split(plan.method))
    )


def _kind(plan: Plan) -> Literal["cpu", "gpu"]:
    return "cpu" if plan.device == "cpu" else "gpu"


def _off(store: Store, quantity: str, expected: float) -> str:
    usual = cost.usual_error(store, quantity)
    if usual is None:
        return f"expected to be off by up to {expected:.0%}"
    return f"on this box such predictions were off by {usual:.0%} on average"


def _risks(plan: Plan, dataset: Row) -> str:
    smallest = detectable(dataset["test"])
    risks = [
        f"- {dataset['test']} test rows show differences from {smallest:.2f} up, and none smaller.",
        "- The model learns the rows' faults too, and may forget a little of what it knew besides.",
    ]
    if dataset["tokens_longest"] > plan["max_length"]:
        risks.append(f"- Rows above {plan['max_length']} tokens lose their end.")
    if plan["epochs"] > _MANY_EPOCHS:
        risks.append("- Many passes over few rows: the model may learn them by heart.")
    return _lines(*risks)


def _sets(store: Store, dataset: Row) -> str:
    folder = store.workspace / dataset["path"]
    uses = {
        "validation": "the trial before, the loss curve during training",
        "test": "the verdict, once",
        "golden": "hard rows, reported apart",
    }
    lines = []
    for name, use in uses.items():
        file = folder / f"{name}.jsonl"
        digest = sha256(file) if file.is_file() else "-"
        lines.append(f"| {name} | {use} | {dataset[name]} | {digest} |")
    return _lines(*lines)


def _lines(*lines: str) -> str:
    return "\n".join(lines)
