"""Settles every setting: the recipe, then the user's wishes, then the data, the box, the memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from engine.base.errors import UsageError
from engine.base.project import Project
from engine.base.store import Row
from engine.plan import fit, processes, recipe
from engine.plan.architectures import carries_state
from engine.plan.device import Device
from engine.plan.dimensions import Dimensions
from engine.plan.memory import HALF, Correction
from engine.plan.recipe import Recipe, Scalar, Situation, Value

BY_YOU, BY_PROJECT = "Set by you.", "Set in project.yaml."
_ALPHA_CAP = 64
_PAIRS = ("dpo", "orpo")
_KTO_LEAST = 2  # its distance to the reference is estimated from one answer under another's prompt

Dataset = Row | Mapping[str, Any]


def settle(
    chosen: Recipe,
    project: Project,
    dataset: Dataset,
    dimensions: Dimensions,
    device: Device,
    overrides: Mapping[str, Scalar],
    correction: Correction | None = None,
) -> dict[str, Value]:
    """Return every setting, and the steps and tokens that follow, each with its reason.

    Args:
        chosen: The recipe.
        project: Its settings win over the recipe's.
        dataset: A row of the table `datasets`.
        dimensions: The base model's shape.
        device: Where the training will run.
        overrides: Settings that the user gave; they win over all others.
        correction: What this box's own runs have taught of its memory, or None.

    Raises:
        UsageError: A setting has an unknown name or a wrong value, or does not apply to the recipe.
    """
    given = {
        **_reasons(
            recipe.overrides(project.settings, "project.yaml: settings", chosen), BY_PROJECT
        ),
        **_reasons(recipe.overrides(overrides, "--set", chosen), BY_YOU),
    }
    situation = Situation(
        dataset["train"],
        dimensions.parameters,
        device.kind,
        bf16=device.bf16,
        memory=device.free,
        flash_attention=device.flash_attention and find_spec("flash_attn") is not None,
    )
    values = {**recipe.resolve(chosen, situation), **given}
    values |= _completed(values, project, device)
    values["max_length"] = _length(chosen, values["max_length"], dataset, dimensions.context)
    values["longest"] = _longest(chosen, values["max_length"], dataset)
    values["answer_share"] = _answer_share(dataset)
    if "packing" in values and "packing" not in given:
        values["packing"] = _packing(values["packing"], dimensions)
    if chosen.trainer == "kto":
        _require_two(values["micro_batch"])
    values = fit.bend(
        values,
        frozenset(given),
        dimensions,
        device,
        chosen.trainer,
        chosen.tuning,
        correction,
    )
    if "processes" in values:
        _require_shares(values, device)
    return values | _schedule(chosen, values, dataset)


def _require_shares(values: Mapping[str, Value], device: Device) -> None:
    count, micro, turns = (
        int(values[name].value) for name in ("processes", "micro_batch", "accumulation")
    )
    processes.require(count, str(values["sharding"].value), micro, turns, device.kind)


def _reasons(settings: Mapping[str, Scalar], why: str) -> dict[str, Value]:
    return {name: Value(value, why) for name, value in settings.items()}


def _completed(values: Mapping[str, Value], project: Project, device: Device) -> dict[str, Value]:
    """The settings that the recipe leaves to the rank, the box and the project."""
    completed = {}
    if "lora_alpha" in values and not values["lora_alpha"].value:
        alpha = min(2 * int(values["lora_rank"].value), _ALPHA_CAP)
        completed["lora_alpha"] = Value(alpha, values["lora_alpha"].why)
    if not values["threads"].value:
        completed["threads"] = Value(device.cores, values["threads"].why)
    if not values["seed"].value:
        completed["seed"] = Value(project.seed, values["seed"].why)
    return completed


def _length(chosen: Recipe, asked: Value, dataset: Dataset, context: int) -> Value:
    """The longest example: no longer than the rows are, where the user does not say."""
    if asked.why in (BY_YOU, BY_PROJECT):
        return asked
    cap, longest = min(int(asked.value), context), int(dataset["tokens_longest"])
    room = min(cap, _room(chosen, dataset))
    if chosen.trainer == "cpt":
        return Value(room, asked.why)
    if chosen.trainer in _PAIRS:
        why = f"The longest better answer makes {longest} tokens; a worse one may be twice as long."
        return Value(room, why)
    why = (
        f"The longest row has {longest} tokens; nothing is cut."
        if longest <= cap
        else f"{asked.why} The longest row has {longest} tokens."
    )
    return Value(room, why)


def _longest(chosen: Recipe, limit: Value, dataset: Dataset) -> Value:
    """What a row takes at most: a limit that no row reaches costs nothing."""
    room = _room(chosen, dataset)
    if int(limit.value) < room:
        return Value(int(limit.value), "The longest row, cut at max_length.")
    return Value(room, "No row is longer, so a greater max_length takes no memory.")


def _room(chosen: Recipe, dataset: Dataset) -> int:
    """The tokens of the longest example as the recipe makes them."""
    if chosen.trainer == "cpt":
        return _eighths(dataset["tokens_train"])
    longest = int(dataset["tokens_longest"])
    return _eighths(2 * longest if chosen.trainer in _PAIRS else longest)


def _eighths(tokens: int) -> int:
    """Return a length rounded up to what devices like."""
    return 8 * math.ceil(max(tokens, 16) / 8)


def _packing(recipes: Value, dimensions: Dimensions) -> Value:
    """Packing where the recipe wants it and attention alone connects the tokens."""
    if recipes.value and carries_state(dimensions.kind):
        return Value(False, "Its layers carry a state from row to row, which packing would mix.")
    return recipes


def _require_two(micro_batch: Value) -> None:
    """Keep KTO from a micro-batch of 1, within which it could estimate no distance.

    Raises:
        UsageError: The user asked for it.
    """
    if int(micro_batch.value) < _KTO_LEAST:
        raise UsageError(
            "KTO compares the answers of a micro-batch with each other, so it takes at least "
            f"{_KTO_LEAST}.",
            f"Set micro_batch to {_KTO_LEAST} or more.",
            "micro_batch",
        )


def _answer_share(dataset: Dataset) -> Value:
    """The share of the tokens that enter the loss: a part of the memory depends on it."""
    answers = dataset["tokens_answers"]
    if not answers:
        return Value(HALF, "Not counted for this dataset; half is assumed.")
    share = round(answers / max(1, dataset["tokens_train"]), 3)
    return Value(share, f"{answers} of the training rows' tokens are answers.")


def blocks(tokens: int, length: int) -> int:
    """Return into how many blocks raw text is cut, each beginning with the last token of another.

    Args:
        tokens: Of all texts, with the end mark of each.
        length: Of a block.
    """
    return max(1, math.ceil((tokens - 1) / (length - 1)))


def _schedule(chosen: Recipe, values: Mapping[str, Value], dataset: Dataset) -> dict[str, Value]:
    """Steps, tokens, and the steps between measurements, from the epochs and the batch."""
    examples, seen = dataset["train"], f"{dataset['train']} rows"
    tokens, counted = dataset["tokens_train"], f"{dataset['tokens_train']} tokens"
    if chosen.trainer == "cpt":
        examples = blocks(tokens, int(values["max_length"].value))
        seen = f"{examples} blocks of {values['max_length'].value} tokens"
    elif chosen.trainer in _PAIRS:
        tokens, counted = (
            2 * tokens,
            f"{counted} with the better answers, and about twice with both",
        )
    batches = math.ceil(examples / int(values["micro_batch"].value))
    a_pass = max(1, math.ceil(batches / int(values["accumulation"].value)))
    by_epochs = math.ceil(a_pass * float(values["epochs"].value))
    steps = int(values["max_steps"].value) or by_epochs
    schedule = {
        "steps": Value(steps, f"{a_pass} steps see the {seen} once."),
        "tokens": Value(round(tokens * steps / a_pass), f"The training rows have {counted}."),
    }
    for name in ("validate_every", "checkpoint_every"):
        every = float(values[name].value)
        schedule[name] = Value(max(1, int(every * steps if every < 1 else every)), values[name].why)
    return schedule
