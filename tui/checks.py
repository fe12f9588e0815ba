"""What is wrong with an answer of the wizard, and what is known about it, in one sentence."""

from __future__ import annotations

import re
from dataclasses import fields as fields_of
from dataclasses import replace
from pathlib import Path

from engine.base.errors import UsageError
from engine.base.objectives import metrics
from engine.base.project import Guardrails
from engine.base.settings import nearest_name
from engine.plan import models, recipe
from engine.plan.recipe import FORM_WORDS
from engine.ship.gguf import TYPES
from tui.columns import to_mapping, written
from tui.proposals import described, sample
from tui.question import Context, split


def share(answer: str) -> float:
    """Read `0.8` or `80 %`; NaN when it is neither, which lies in no range."""
    number, percent, _ = answer.strip().partition("%")
    try:
        return float(number) / (100 if percent else 1)
    except ValueError:
        return float("nan")


def project_name(answer: str, _: Context) -> str:
    """Check a project's name, of which run names are made."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,59}", answer.strip()):
        return ""
    return "Use 1 to 60 letters, digits, spaces, dots and dashes; begin with a letter or digit."


def sources(answer: str, context: Context) -> str:
    """Check that every example file or folder is there."""
    names = split(answer)
    if not names:
        return "Name a file of examples, such as JSONL or CSV: questions with their answers."
    return next((fault for name in names if (fault := _missing(name, context))), "")


def columns(answer: str, context: Context) -> str:
    """Check which column is what."""
    try:
        to_mapping(split(answer))
    except UsageError as error:
        return error.what
    about_columns(answer, context)  # read here, in the asker's thread, it is known on the screen
    return ""


def about_columns(_: str, context: Context) -> str:
    """Say how each of the example files is read."""
    told = []
    for name in context.parts("sources"):
        found = described(context.path(name), context["columns"])
        if found is not None:
            how = f"{found.format or 'no known format'}, {found.confidence:.0%} sure"
            parts = written(replace(found.mapping, format=""))
            told.append(f"{name}: {how}{f' ({parts})' if parts else ''}.")
    return " ".join(told)


def golden(answer: str, context: Context) -> str:
    """Check that the golden file is there and is no example file."""
    name = answer.strip()
    if name and name in context.parts("sources"):
        return "The golden rows must not be among the examples: no training may read them."
    return _missing(name, context) if name else ""


def fields(answer: str, _: Context) -> str:
    """Check the keys of the JSON answer."""
    names = split(answer)
    if not names:
        return "Name the keys of the JSON answer, by comma."
    twice = next((name for name in names if names.count(name) > 1), "")
    return f"{twice} stands there twice." if twice else ""


def labels(answer: str, _: Context) -> str:
    """Check the labels of a classification."""
    names = split(answer)
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        return f"{twice} stands there twice."
    return "One label leaves nothing to tell apart." if len(names) == 1 else ""


def metric(answer: str, context: Context) -> str:
    """Check that a metric can compare answers of the chosen form."""
    if answer == "field_f1" and context["output"] != "json":
        return "field_f1 compares the keys of JSON answers, and these are text."
    if answer == "call_match" and context["task"] != "tools":
        return "call_match compares tool calls; choose it with the task tools."
    return ""


def about_metric(answer: str, _: Context) -> str:
    """Say what a metric does not see."""
    known = metrics().get(answer)
    return known.blind if known else ""


def limits(text: str) -> dict[str, float]:
    """Read guardrails such as `answer_tokens=80, harmful=0.02`.

    Raises:
        UsageError: Says which one will not do.
    """
    known = [field.name for field in fields_of(Guardrails)]
    found = {}
    for part in split(text):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        number = share(value)
        if name not in known or not equals or not number >= 0:
            hint = nearest_name(name, known)
            raise UsageError(
                f"{part} will not do{hint}.", f"Write name=number with {', '.join(known)}."
            )
        found[name] = number
    return found


def guardrails(answer: str, _: Context) -> str:
    """Check the guardrails."""
    try:
        limits(answer)
    except UsageError as error:
        return f"{error.what} {error.fix}"
    return ""


def documents(answer: str, context: Context) -> str:
    """Check that every file or folder of documents is there."""
    return next((fault for name in split(answer) if (fault := _missing(name, context))), "")


def recipe_name(answer: str, context: Context) -> str:
    """Check that a recipe can learn from rows such as the examples are."""
    form = context.sample.form
    able = recipe.for_form(form)
    if not context.sample.rows or answer in able:
        return ""
    return f"The examples are {FORM_WORDS[form]}: choose one of {', '.join(able)}."


def positive_share(answer: str, _: Context) -> str:
    """Check a share that must not be zero."""
    return "" if 0 < share(answer) <= 1 else "Give a share above 0, up to 1 (or 100 %)."


def any_share(answer: str, _: Context) -> str:
    """Check a share."""
    return "" if 0 <= share(answer) <= 1 else "Give a share from 0 to 1 (or 100 %)."


def held_out(answer: str, context: Context) -> str:
    """Check a share of held-out rows: something must be left to train on."""
    if not 0 < share(answer) < 0.5:
        return "Give a share above 0 and below one half."
    both = share(context["test"]) + share(context["validation"])
    return "Test and validation together leave too little to train on." if both >= 0.6 else ""


def whole(answer: str, _: Context) -> str:
    """Check a whole number that is not negative."""
    return "" if answer.strip().isdecimal() else "Give a whole number."


def base_model(answer: str, _: Context) -> str:
    """Check a base model's name, without asking the network."""
    name = answer.strip()
    if name in models.catalogue() or re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name):
        return ""
    if name.startswith(("/", ".", "~")):
        return "" if Path(name).expanduser().is_dir() else f"There is no folder {name}."
    hint = nearest_name(name, list(models.catalogue()))
    return f"Give a catalogue name{hint}, owner/name from the Hugging Face hub, or a folder."


def settings(answer: str, _: Context) -> str:
    """Check settings that override the recipe's."""
    try:
        recipe.assignments(split(answer))
    except UsageError as error:
        return error.what
    return ""


def exports(answer: str, _: Context) -> str:
    """Check the GGUF types."""
    for name in split(answer):
        if name not in TYPES:
            hint = nearest_name(name.upper(), list(TYPES))
            return f"{name} is not among {', '.join(TYPES)}{hint}."
    return "" if split(answer) else "Name at least one type."


def about_sources(_: str, context: Context) -> str:
    """Say what the first rows of the examples look like."""
    found = context.sample
    if not found.rows:
        return ""
    if found.keys:
        return f"{found.rows} rows read; the answers are JSON with {', '.join(found.keys)}."
    return f"{found.rows} rows read; the answers are text."


def about_golden(answer: str, context: Context) -> str:
    """Say how many golden rows there are."""
    rows = sample([context.path(answer.strip())]).rows if answer.strip() else 0
    return f"{rows} golden rows." if rows else "Without one, the verdict rests on the test split."


def about_model(answer: str, _: Context) -> str:
    """Say what a base model is good for, and what its licence asks, in plain words."""
    known = models.catalogue().get(answer.strip())
    if known is None:
        return "Tunesmith does not know its licence: read it before you ship anything made from it."
    return f"Licence {known.licence}: {known.licence_means} {known.about}"


def about_exports(answer: str, _: Context) -> str:
    """Say how large the chosen GGUF types are."""
    known = [f"{name} {TYPES[name].bits:g}" for name in split(answer) if name in TYPES]
    return f"Bits a weight: {', '.join(known)}. Fewer bits, smaller file, more loss."


def _missing(name: str, context: Context) -> str:
    if name.startswith("hf:"):
        return ""
    path = context.path(name)
    try:
        found = path.exists()
    except OSError:  # a name too long for the system, or a folder without rights
        found = False
    return "" if found else f"There is no file {name} in {path.parent}."
