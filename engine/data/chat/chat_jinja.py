"""The Jinja of chat templates: a sandbox like the one that transformers gives them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple, NoReturn

from engine.base.errors import TunesmithError

_STRIPS = {"strip", "lstrip", "rstrip", "trim"}
_SEARCHES = {"in", "notin"}


def compiled(source: str) -> Any:
    """Return a template ready to render; `strftime_now` tells the moment of this call.

    Raises:
        TunesmithError: The source is not valid.
    """
    import jinja2

    moment = datetime.now().astimezone()

    def raise_exception(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    def tojson(value: Any, indent: int | None = None, **options: Any) -> str:
        return json.dumps(value, indent=indent, **{"ensure_ascii": False, **options})

    environment = _environment()
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = moment.strftime
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise TunesmithError(
            f"The model's chat template is not valid ({error.message}).",
            "Use the tokenizer files of the model's publisher.",
            f"chat_template:{error.lineno}",
        ) from error


class Reactions(NamedTuple):
    """What a template may treat in a way of its own when a message's content has it.

    Attributes:
        within: Texts that it looks for anywhere in a content.
        ends: Texts that it compares with a content, or with its start or end.
        strips: Whether it removes blanks around a content.
    """

    within: frozenset[str]
    ends: frozenset[str]
    strips: bool


def reactions(source: str) -> Reactions:
    """Read from a template's code what it may react to; rather too much than too little."""
    from jinja2 import nodes

    within: set[str] = set()
    ends: set[str] = set()
    strips = False
    for node in _environment().parse(source).find_all((nodes.Call, nodes.Filter, nodes.Compare)):
        found = _texts(node)
        if isinstance(node, nodes.Compare):
            if not _is_role(node.expr):
                searches = any(operand.op in _SEARCHES for operand in node.ops)
                (within if searches else ends).update(found)
            continue
        name = node.name if isinstance(node, nodes.Filter) else getattr(node.node, "attr", "")
        if name in _STRIPS:
            strips = True
        elif name:
            within |= found
    return Reactions(frozenset(within), frozenset(ends - within), strips)


def _texts(node: Any) -> set[str]:
    """Return the texts in a piece of a template's code, but for the keys of messages."""
    from jinja2 import nodes

    keys = {id(item.arg) for item in node.find_all(nodes.Getitem)}
    return {
        item.value
        for item in node.find_all(nodes.Const)
        if isinstance(item.value, str) and item.value and id(item) not in keys
    }


def _is_role(node: Any) -> bool:
    """Say whether a piece of code is a message's role, which no content can change."""
    from jinja2 import nodes

    if isinstance(node, nodes.Getattr):
        return bool(node.attr == "role")
    return isinstance(node, nodes.Getitem) and getattr(node.arg, "value", "") == "role"


def _environment() -> Any:
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks the trained part for other trainers; here it is transparent."""

        tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
