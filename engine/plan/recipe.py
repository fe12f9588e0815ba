"""Recipes: a method and its settings, declared in `recipes/*.yaml`, resolved by plain conditions.

`recipes/common.yaml` says for every setting what it means, its value, why, and the source of that
judgement; `cases` name the situations that want another value, and the first that holds wins:

    epochs:
      what: How often the training sees every row.
      value: 3
      why: ...
      source: ...
      cases:
        - when: {rows_from: 10000}
          value: 2
          why: ...

A recipe is a file of its own with the trainer, the tuning and those settings for which it wants
other values. A setting that it names has its value, reason, source and cases from there alone;
what the setting means is told once, in common.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.base import paths
from engine.base.errors import UsageError
from engine.base.settings import nearest_name, parse, read_yaml
from engine.data.rows import Form
from engine.plan.setting import (
    SETTINGS,
    TRAINERS,
    Scalar,
    Setting,
    Trainer,
    Tuning,
    faults,
    misplaced,
    of,
    typed,
)
from engine.plan.when import Situation, When

__all__ = ["SETTINGS", "Scalar", "Setting", "Situation", "When"]

COMMON = "common.yaml"
DEFAULT = "sft-lora"

# What each trainer learns from.
FORMS: Mapping[Trainer, Form] = {
    "sft": "answer",
    "dpo": "preference",
    "orpo": "preference",
    "kto": "feedback",
    "cpt": "text",
}
FORM_WORDS: Mapping[str, str] = {
    "answer": "questions with their right answers",
    "preference": "pairs of a better and a worse answer",
    "feedback": "answers with a word on whether they are good",
    "text": "raw text",
}


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
    """One `recipes/*.yaml`, together with what it has from common.yaml.

    Attributes:
        name: The name of the file, without `.yaml`.
        trainer: What kind of training it is.
        tuning: Whether an adapter is trained or all weights.
        title: The method in the field's words.
        purpose: What it is for, in plain words.
        settings: For each setting that such a training has, what the recipe says of it.
    """

    name: str
    trainer: Trainer
    tuning: Tuning
    title: str
    purpose: str
    settings: Mapping[str, Knob]

    @property
    def form(self) -> Form:
        """The form of the rows that it learns from."""
        return FORMS[self.trainer]


def names() -> list[str]:
    """Return the names of the shipped recipes, the default first."""
    kinds = list(TRAINERS)
    found = [path.stem for path in paths.recipes().glob("*-*.yaml") if _first(path.stem) in kinds]
    return sorted(found, key=lambda name: (kinds.index(_first(name)), name != DEFAULT, name))


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
    """Read a recipe from a file, and what it does not say from common.yaml.

    Raises:
        UsageError: Lists every wrong key, type and range, and every setting it cannot have.
    """
    file = parse({**read_yaml(path), "name": path.stem}, _File, str(path))
    trainer, tuning = file.trainer, file.tuning
    common = _common()
    problems, settings = [], {}
    for name, changed in file.settings.items():
        if name not in SETTINGS:
            problems.append(f"unknown setting {name}{nearest_name(name, list(SETTINGS))}")
        elif absent := misplaced(name, trainer, tuning):
            problems.append(absent)
        else:
            whole = {"what": common[name].what, **changed} if isinstance(changed, dict) else changed
            settings[name] = _knob(name, whole, f"{path}: {name}", problems)
    if problems:
        raise UsageError("; ".join(problems) + ".", "Mend these and try again.", str(path))
    return Recipe(
        file.name,
        trainer,
        tuning,
        file.title,
        file.purpose,
        {name: settings.get(name, common[name]) for name in of(trainer, tuning)},
    )


def for_form(form: str) -> list[str]:
    """Return the names of the shipped recipes that learn from rows of a form, the usual first.

    Args:
        form: answer, preference, feedback or text.
    """
    able = [name for name in names() if FORMS[_first(name)] == form]
    return sorted(able, key=lambda name: not name.endswith("-lora"))


def require_form(chosen: Recipe, form: str, dataset_id: str) -> None:
    """Refuse a dataset that a recipe cannot learn from.

    Raises:
        UsageError: Names the recipes that can.
    """
    if form == chosen.form:
        return
    able = ", ".join(f"`--recipe {name}`" for name in for_form(form))
    raise UsageError(
        f"Dataset {dataset_id} holds {FORM_WORDS[form]}; {chosen.name}, which is "
        f"{TRAINERS[chosen.trainer]}, learns from {FORM_WORDS[chosen.form]}.",
        f"Choose {able}; or map its columns to another form (`data: mapping:` in project.yaml) "
        "and build it again.",
        "recipe",
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


def overrides(
    given: Mapping[str, Scalar], where: str, chosen: Recipe | None = None
) -> dict[str, Scalar]:
    """Return settings with the right types, from texts or from YAML.

    Args:
        given: Setting names and values.
        where: The place they come from, for the message.
        chosen: The recipe they are for; without one, any recipe's settings are accepted.

    Raises:
        UsageError: Lists every unknown name, with the nearest known one, every setting that does
            not apply to the recipe, and every wrong value.
    """
    known = list(chosen.settings) if chosen else list(SETTINGS)
    problems, values = [], {}
    for name, value in given.items():
        if name not in SETTINGS:
            problems.append(f"unknown setting {name}{nearest_name(name, known)}")
        elif chosen and (absent := misplaced(name, chosen.trainer, chosen.tuning)):
            problems.append(absent)
        else:
            values[name] = typed(name, value)
            problems += faults(name, value)
    if problems:
        fix = f"`tunesmith recipes {chosen.name if chosen else 'NAME'}` lists the settings."
        raise UsageError("; ".join(problems) + ".", fix, where)
    return values


@dataclass(frozen=True)
class _File:
    name: str
    trainer: Trainer
    tuning: Tuning
    title: str
    purpose: str
    settings: dict[str, Any]


@cache
def _common() -> Mapping[str, Knob]:
    """Read common.yaml, which must say everything of every setting."""
    path = paths.recipes() / COMMON
    content = read_yaml(path)
    problems = [f"{name} is missing" for name in SETTINGS if name not in content]
    problems += [f"unknown setting {name}" for name in content if name not in SETTINGS]
    knobs = {
        name: _knob(name, knob, f"{path}: {name}", problems)
        for name, knob in content.items()
        if name in SETTINGS
    }
    if problems:
        raise UsageError("; ".join(problems) + ".", "Mend these and try again.", str(path))
    return knobs


def _knob(name: str, content: Any, where: str, problems: list[str]) -> Knob:
    knob = parse(content, Knob, where)
    for value in (knob.value, *(case.value for case in knob.cases)):
        problems += faults(name, value)
    return knob


def _choose(knob: Knob, name: str, situation: Situation) -> Value:
    choice = next((case for case in knob.cases if case.when.holds(situation)), knob)
    source = f" ({choice.source})" if choice.source else ""
    return Value(typed(name, choice.value), f"{choice.why.removesuffix('.')}{source}.")


def _first(name: str) -> Any:
    """Return the trainer that a recipe's name begins with."""
    return name.partition("-")[0]
