"""Recipes: a method and its settings, declared in `recipes/*.yaml`, resolved by plain conditions.

A recipe says for every setting what it means, its value, why, and the source of that judgement;
`cases` name the situations that want another value, and the first that holds wins:

    epochs:
      what: How often the training sees every row.
      value: 3
      why: ...
      source: ...
      cases:
        - when: {rows_from: 10000}
          value: 2
          why: ...
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.base import paths
from engine.base.errors import UsageError
from engine.base.settings import nearest_name, parse, read_yaml

Scalar = str | int | float | bool


@dataclass(frozen=True)
class Setting:
    """The type and the range of one setting.

    Attributes:
        kind: int, float, bool or str.
        low: The least value; for a number only.
        high: The greatest value; for a number only.
        choices: The allowed texts; empty when any text will do.
    """

    kind: type[Scalar]
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()


_SCHEDULERS = ("cosine", "linear", "constant", "constant_with_warmup")
_OPTIMIZERS = ("adamw_torch_fused", "adamw_torch", "adamw_8bit", "paged_adamw_8bit")

# Every recipe sets all of these and nothing else; the order is that of every listing.
SETTINGS: Mapping[str, Setting] = {
    "lora_rank": Setting(int, 1, 1024),
    "lora_alpha": Setting(int, 0, 4096),
    "lora_dropout": Setting(float, 0, 0.9),
    "lora_targets": Setting(str),
    "learning_rate": Setting(float, 1e-8, 1),
    "scheduler": Setting(str, choices=_SCHEDULERS),
    "warmup": Setting(float, 0, 0.9),
    "epochs": Setting(float, 0.01, 1000),
    "max_steps": Setting(int, 0, 10**9),
    "micro_batch": Setting(int, 1, 4096),
    "accumulation": Setting(int, 1, 4096),
    "max_length": Setting(int, 16, 10**6),
    "weight_decay": Setting(float, 0, 1),
    "clip": Setting(float, 0, 1000),
    "optimizer": Setting(str, choices=_OPTIMIZERS),
    "precision": Setting(str, choices=("bf16", "fp32")),
    "gradient_checkpointing": Setting(bool),
    "group_by_length": Setting(bool),
    "log_every": Setting(int, 1, 10**6),
    "validate_every": Setting(float, 0.001, 10**9),
    "checkpoint_every": Setting(float, 0.001, 10**9),
    "keep_checkpoints": Setting(int, 1, 1000),
    "threads": Setting(int, 0, 4096),
    "seed": Setting(int, 0, 2**32 - 1),
}


@dataclass(frozen=True)
class When:
    """A condition; every part that is given must hold.

    Attributes:
        rows_from: Training rows, at least.
        rows_below: Training rows, fewer than.
        billions_from: Parameters of the base model in billions, at least.
        billions_below: Parameters of the base model in billions, fewer than.
        device: Where the training runs.
        lacks: What the device cannot do.
    """

    rows_from: float = 0
    rows_below: float = math.inf
    billions_from: float = 0
    billions_below: float = math.inf
    device: Literal["any", "cpu", "gpu"] = "any"
    lacks: Literal["nothing", "bf16"] = "nothing"


@dataclass(frozen=True)
class Situation:
    """What a recipe bends to.

    Attributes:
        rows: Training rows.
        parameters: Parameters of the base model.
        device: cpu or gpu.
        bf16: Whether the device calculates in bfloat16 itself.
    """

    rows: int
    parameters: int
    device: Literal["cpu", "gpu"]
    bf16: bool


@dataclass(frozen=True)
class Case:
    """Another value for the situations in which `when` holds."""

    when: When
    value: Any
    why: str
    source: str = ""


@dataclass(frozen=True)
class Knob:
    """One setting of a recipe: what it means, its value, why, and the source of that."""

    what: str
    value: Any
    why: str
    source: str
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True)
class Value:
    """A resolved setting and the reason for it."""

    value: Scalar
    why: str


@dataclass(frozen=True)
class Recipe:
    """One `recipes/*.yaml`.

    Attributes:
        name: The name of the file, without `.yaml`.
        method: The method's name in the store and in reports.
        title: The method in the field's words.
        purpose: What it is for, in plain words.
        settings: For every name of `SETTINGS` what the recipe says of it.
    """

    name: str
    method: str
    title: str
    purpose: str
    settings: Mapping[str, Knob]


def names() -> list[str]:
    """Return the names of the shipped recipes; each is `method-adapter`."""
    return sorted(path.stem for path in paths.recipes().glob("*-*.yaml"))


def load(name: str) -> Recipe:
    """Read a shipped recipe.

    Raises:
        UsageError: There is no such recipe, or the file has a fault; names the nearest name.
    """
    if name not in names():
        raise UsageError(
            f"There is no recipe {name}{nearest_name(name, names())}.",
            f"Choose one of: {', '.join(names())}.",
            "recipe",
        )
    return read(paths.recipes() / f"{name}.yaml")


def read(path: Path) -> Recipe:
    """Read a recipe from a file and check every key, type and range."""
    content = read_yaml(path)
    knobs = content.get("settings")
    recipe = parse({**content, "settings": knobs, "name": path.stem}, _File, str(path))
    problems = [f"{name} is missing" for name in SETTINGS if name not in recipe.settings]
    settings = {}
    for name, knob in recipe.settings.items():
        if name not in SETTINGS:
            problems.append(f"unknown setting {name}{nearest_name(name, list(SETTINGS))}")
            continue
        settings[name] = parse(knob, Knob, f"{path}: {name}")
        for value in (settings[name].value, *(case.value for case in settings[name].cases)):
            problems += _faults(name, value)
    if problems:
        raise UsageError("; ".join(problems) + ".", "Mend these and try again.", str(path))
    return Recipe(
        recipe.name,
        recipe.method,
        recipe.title,
        recipe.purpose,
        {name: settings[name] for name in SETTINGS},
    )


def resolve(recipe: Recipe, situation: Situation) -> dict[str, Value]:
    """Return every setting's value in a situation: that of the first case which holds."""
    return {name: _choose(knob, name, situation) for name, knob in recipe.settings.items()}


def assignments(texts: Iterable[str]) -> dict[str, Scalar]:
    """Return the settings of `--set key=value` texts, checked.

    Raises:
        UsageError: A text without `=`, an unknown key or a wrong value.
    """
    pairs = [text.partition("=") for text in texts]
    bad = [text for text, equals, _ in pairs if not equals]
    if bad:
        raise UsageError(f"{bad[0]!r} has no value.", "Write it as key=value.", "--set")
    return overrides({key.strip(): value.strip() for key, _, value in pairs}, "--set")


def overrides(given: Mapping[str, Scalar], where: str) -> dict[str, Scalar]:
    """Return settings with the right types, from texts or from YAML.

    Args:
        given: Setting names and values.
        where: The place they come from, for the message.

    Raises:
        UsageError: Lists every unknown name, with the nearest known one, and every wrong value.
    """
    problems = [
        f"unknown setting {name}{nearest_name(name, list(SETTINGS))}"
        for name in given
        if name not in SETTINGS
    ]
    values = {name: _typed(name, value) for name, value in given.items() if name in SETTINGS}
    for name, value in values.items():
        problems += _faults(name, value)
    if problems:
        raise UsageError(
            "; ".join(problems) + ".", "`tunesmith plan` lists the settings and values.", where
        )
    return values


@dataclass(frozen=True)
class _File:
    name: str
    method: str
    title: str
    purpose: str
    settings: dict[str, Any]


def _choose(knob: Knob, name: str, situation: Situation) -> Value:
    choice = next((case for case in knob.cases if _holds(case.when, situation)), knob)
    source = f" ({choice.source})" if choice.source else ""
    return Value(_typed(name, choice.value), f"{choice.why.removesuffix('.')}{source}.")


def _holds(when: When, situation: Situation) -> bool:
    return (
        when.rows_from <= situation.rows < when.rows_below
        and when.billions_from <= situation.parameters / 1e9 < when.billions_below
        and when.device in ("any", situation.device)
        and not (when.lacks == "bf16" and situation.bf16)
    )


_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _typed(name: str, value: Any) -> Any:
    """Return the value in the setting's type where that is possible, else as it is."""
    kind = SETTINGS[name].kind
    if kind is bool:
        return _WORDS.get(value.lower(), value) if isinstance(value, str) else value
    try:
        if isinstance(value, str) and kind is not str:
            return kind(value)
    except ValueError:
        return value
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if kind is float and whole else value


def _faults(name: str, value: Any) -> list[str]:
    setting, value = SETTINGS[name], _typed(name, value)
    if type(value) is not setting.kind:
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        return [f"{name} must be {words[setting.kind]}, not {value!r}"]
    if setting.choices and value not in setting.choices:
        return [f"{name} must be one of {', '.join(setting.choices)}, not {value!r}"]
    if isinstance(value, int | float) and not setting.low <= value <= setting.high:
        return [f"{name} must lie between {setting.low:g} and {setting.high:g}, not {value!r}"]
    return []
