"""`tunesmith models`: the base models of the catalogue, and what one may do with them."""

from __future__ import annotations

from typing import Any

import click

from tui import output
from tui.verbs.options import as_json

_LICENCE = {"yes": "yes", "conditions": "with limits", "no": "no"}


@click.command("models", epilog="Example: tunesmith models --commercial --max-billions 4")
@click.argument("name", required=False)
@click.option("--commercial", is_flag=True, help="Only those that a product may use freely.")
@click.option("--max-billions", type=click.FloatRange(0), help="Only those up to so many weights.")
@as_json
def models_verb(
    name: str | None, commercial: bool, max_billions: float | None, as_json: bool
) -> None:
    """List the base models that are known, or say everything of one.

    A model that is not listed works too: name its folder or its Hugging Face id.
    """
    from engine.plan import models

    if name:
        found = _record(models.find(name))
        if as_json:
            output.emit(found)
        else:
            _print(found)
        return
    shown = [
        _record(model)
        for model in models.catalogue().values()
        if (not commercial or model.commercial == "yes")
        and (max_billions is None or model.dimensions.parameters <= max_billions * 1e9)
    ]
    if as_json:
        output.emit(shown)
        return
    output.table(
        ("model", "parameters", "context", "licence", "in products", "on request"),
        [
            (
                model["name"],
                f"{model['parameters'] / 1e9:.2f} B",
                f"{model['context']:,}",
                model["licence"],
                _LICENCE[model["commercial"]],
                "yes" if model["gated"] else "",
            )
            for model in shown
        ],
    )
    output.say("Will one fit? `tunesmith fits MODEL`. More of one: `tunesmith models MODEL`.")


def _record(model: Any) -> dict[str, Any]:
    chat = model.chat
    return {
        "name": model.name,
        "hub": model.hub,
        "about": model.about,
        "parameters": model.dimensions.parameters,
        "active_parameters": model.dimensions.active_parameters,
        "context": model.dimensions.context,
        "licence": model.licence,
        "licence_means": model.licence_means,
        "licence_url": model.licence_url,
        "commercial": model.commercial,
        "gated": model.gated,
        "chat": None
        if chat is None
        else {key: getattr(chat, key) for key in ("trained", "system", "tools", "thinking", "end")},
    }


def _print(model: dict[str, Any]) -> None:
    output.say(f"{model['name']}: {model['about'] or 'not in the catalogue'}")
    output.say(f"  Hugging Face: {model['hub'] or 'a folder'}")
    active = model["active_parameters"]
    used = f", {active / 1e9:.2f} billion a token" if active < model["parameters"] else ""
    output.say(
        f"  {model['parameters'] / 1e9:.2f} billion parameters{used}; "
        f"{model['context']:,} tokens of context"
    )
    output.say(f"  licence {model['licence']}: {model['licence_means']} {model['licence_url']}")
    if model["gated"]:
        output.say("  The hub asks for a consent before it hands the weights out.")
    chat = model["chat"]
    if chat is None:
        output.say("  chat template: nobody has looked yet; the plan does")
    elif not chat["trained"]:
        output.say("  not taught to chat: for raw text (recipes cpt-lora, cpt-full)")
    else:
        takes = [word for word in ("system", "tools") if chat[word]]
        output.say(
            f"  chat template: takes {' and '.join(takes) or 'neither system nor tools'}; "
            f"thinks aloud: {chat['thinking']}; ends with {output.one_line(chat['end'], 40)}"
        )
