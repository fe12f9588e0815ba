"""`tunesmith recipes`: what can be trained, and every setting of it with its reason."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from tui import output
from tui.verbs.options import as_json


@click.command("recipes", epilog="Example: tunesmith recipes dpo-lora")
@click.argument("name", required=False)
@as_json
def recipes_verb(name: str | None, as_json: bool) -> None:
    """List the recipes, or one recipe's settings: what they mean, their values, why, and cases."""
    from engine.plan import recipe

    if as_json:
        chosen = [recipe.load(each) for each in ([name] if name else recipe.names())]
        found = [_record(each, whole=bool(name)) for each in chosen]
        output.emit(found[0] if name else found)
    elif name:
        _print(recipe.load(name))
    else:
        for each in map(recipe.load, recipe.names()):
            output.say(f"{each.name}: {each.title}")
            output.say(f"    {each.purpose}")
            output.say(f"    Learns from {recipe.FORM_WORDS[each.form]}.")


def _record(chosen: Any, *, whole: bool) -> dict[str, Any]:
    """Return a recipe as plain data; without its settings unless the whole is asked for."""
    record = {
        "name": chosen.name,
        "title": chosen.title,
        "purpose": chosen.purpose,
        "trainer": chosen.trainer,
        "tuning": chosen.tuning,
        "form": chosen.form,
    }
    if whole:
        record["settings"] = {
            name: {
                **{key: getattr(knob, key) for key in ("what", "value", "why", "source")},
                "cases": [{**asdict(case), "when": case.when.words()} for case in knob.cases],
            }
            for name, knob in chosen.settings.items()
        }
    return record


def _print(chosen: Any) -> None:
    from engine.plan.recipe import FORM_WORDS

    output.say(f"{chosen.name}: {chosen.title}")
    output.say(f"{chosen.purpose} Learns from {FORM_WORDS[chosen.form]}.")
    for name, knob in chosen.settings.items():
        output.say()
        output.say(f"{name} = {_value(knob.value)}")
        output.say(f"    {knob.what}")
        output.say(f"    Why: {knob.why} ({knob.source})")
        for case in knob.cases:
            source = f" ({case.source})" if case.source else ""
            output.say(f"    {_value(case.value)} · {case.when.words()}: {case.why}{source}")


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
