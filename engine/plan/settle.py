"""Settles every setting: the recipe, then the user's wishes, then the data, the box, the memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.base.project import Project
from engine.base.store import Row
from engine.plan import fit, recipe
from engine.plan.device import Device
from engine.plan.models import Dimensions
from engine.plan.recipe import Recipe, Scalar, Situation, Value

BY_YOU, BY_PROJECT = "Set by you.", "Set in project.yaml."
_ALPHA_CAP = 64

Dataset = Row | Mapping[str, Any]


def settle(
    chosen: Recipe,
    project: Project,
    dataset: Dataset,
    dimensions: Dimensions,
    device: Device,
    overrides: Mapping[str, Scalar],
) -> dict[str, Value]:
    """Return every setting, and the steps and tokens that follow, each with its reason.

    Args:
        chosen: The recipe.
        project: Its settings win over the recipe's.
        dataset: A row of the table `datasets`.
        dimensions: The base model's shape.
        device: Where the training will run.
        overrides: Settings that the user gave; they win over all others.

    Raises:
        UsageError: A setting has an unknown name or a wrong value.
    """
    given = {
        **_reasons(recipe.overrides(project.settings, "project.yaml: settings"), BY_PROJECT),
        **_reasons(recipe.overrides(overrides, "--set"), BY_YOU),
    }
    situation = Situation(dataset["train"], dimensions.parameters, device.kind, bf16=device.bf16)
    values = {**recipe.resolve(chosen, situation), **given}
    values |= _completed(values, project, dataset, dimensions, device)
    values["answer_share"] = _answer_share(dataset)
    values = fit.bend(values, frozenset(given), dimensions, device)
    return values | _schedule(values, dataset)


def _reasons(settings: Mapping[str, Scalar], why: str) -> dict[str, Value]:
    return {name: Value(value, why) for name, value in settings.items()}


def _completed(
    values: Mapping[str, Value],
    project: Project,
    dataset: Dataset,
    dimensions: Dimensions,
    device: Device,
) -> dict[str, Value]:
    """The settings that the recipe leaves to the rank, the data, the box and the project."""
    completed = {}
    if not values["lora_alpha"].value:
        alpha = min(2 * int(values["lora_rank"].value), _ALPHA_CAP)
        completed["lora_alpha"] = Value(alpha, values["lora_alpha"].why)
    if not values["threads"].value:
        completed["threads"] = Value(device.cores, values["threads"].why)
    if not values["seed"].value:
        completed["seed"] = Value(project.seed, values["seed"].why)
    if values["max_length"].why not in (BY_YOU, BY_PROJECT):
        longest = dataset["tokens_longest"]
        cap = min(int(values["max_length"].value), dimensions.context)
        why = (
            f"The longest row has {longest} tokens; nothing is cut."
            if longest <= cap
            else f"{values['max_length'].why} The longest row has {longest} tokens."
        )
        completed["max_length"] = Value(min(cap, 8 * math.ceil(max(longest, 16) / 8)), why)
    return completed


def _answer_share(dataset: Dataset) -> Value:
    """The share of the tokens that enter the loss: a part of the memory depends on it."""
    answers = dataset["tokens_answers"]
    if not answers:
        return Value(fit.HALF, "Not counted for this dataset; half is assumed.")
    share = round(answers / max(1, dataset["tokens_train"]), 3)
    return Value(share, f"{answers} of the training rows' tokens are answers.")


def _schedule(values: Mapping[str, Value], dataset: Dataset) -> dict[str, Value]:
    """Steps, tokens, and the steps between measurements, from the epochs and the batch."""
    batches = math.ceil(dataset["train"] / int(values["micro_batch"].value))
    a_pass = max(1, math.ceil(batches / int(values["accumulation"].value)))
    by_epochs = math.ceil(a_pass * float(values["epochs"].value))
    steps = int(values["max_steps"].value) or by_epochs
    schedule = {
        "steps": Value(steps, f"{a_pass} steps see the {dataset['train']} rows once."),
        "tokens": Value(
            round(dataset["tokens_train"] * steps / a_pass),
            f"The training rows have {dataset['tokens_train']} tokens.",
        ),
    }
    for name in ("validate_every", "checkpoint_every"):
        every = float(values[name].value)
        schedule[name] = Value(max(1, int(every * steps if every < 1 else every)), values[name].why)
    return schedule
