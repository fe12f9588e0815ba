"""Tool calls: the right tools with the right arguments, in any order.

A call is what the data stage writes, one JSON object a line with `name` and `arguments`. Models
write it in other coats too, and these are read alike: a list, OpenAI's `function` object (whose
arguments are JSON within JSON), and `<tool_call>` tags.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.base import answer_form
from engine.score.metrics import objects

_TAG = re.compile(r"</?tool_call>")
_LISTS = ("tool_calls", "calls")


class Call(NamedTuple):
    """One call of a tool."""

    name: str
    arguments: Any


def read(text: str) -> list[Call] | None:
    """Return the calls that a text is, in order; None when it is, or also holds, anything else."""
    bare = _TAG.sub("\n", text).strip()
    if not bare:
        return None
    decoder = json.JSONDecoder(parse_constant=objects.refuse, object_pairs_hook=objects.once)
    found: list[Call] = []
    at = 0
    try:
        while at < len(bare):
            value, at = decoder.raw_decode(bare, at)
            found += _calls(value)
            while at < len(bare) and (bare[at].isspace() or bare[at] == ";"):
                at += 1
    except (ValueError, RecursionError):
        return None
    return found


def matched(expected: str, answer: str) -> float:
    """Say whether an answer makes the expected calls: same tools, same arguments, in any order.

    Where the expected answer is no call but words, an answer without a call is right: whether the
    words are is another metric's matter.
    """
    wanted, said = read(expected), read(answer)
    if wanted is None or said is None:
        return float(wanted is None and said is None and not _tries(answer))
    return float(_bag(wanted) == _bag(said))


def named(expected: str, answer: str) -> float:
    """Say whether an answer calls the expected tools, whatever their arguments."""
    wanted, said = read(expected), read(answer)
    if wanted is None or said is None:
        return float(wanted is None and said is None and not _tries(answer))
    return float(Counter(call.name for call in wanted) == Counter(call.name for call in said))


def valid(schema: Mapping[str, Any], expected: str, answer: str) -> bool:
    """Say whether an answer is calls, each of the schema, or is words where words are expected."""
    said = read(answer)
    if said is None:
        return bool(answer.strip()) and read(expected) is None and not _tries(answer)
    return not schema or all(answer_form.fits(schema, call._asdict()) for call in said)


def _tries(answer: str) -> bool:
    """Say whether an answer begins a call that cannot be read."""
    start = answer.strip()
    return start.startswith("<tool_call>") or bool(re.match(r'[\[{]\s*\{?\s*"', start))


def _calls(value: Any) -> list[Call]:
    if isinstance(value, list):
        return [call for item in value for call in _calls(item)]
    if not isinstance(value, dict):
        raise ValueError("no call")
    inner = next((value[name] for name in _LISTS if isinstance(value.get(name), list)), None)
    if inner is not None:
        return _calls(inner)
    function = value.get("function", value)
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        raise ValueError("a call without a name")
    arguments = function.get("arguments", function.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = objects.read(arguments)
    return [Call(name, {} if arguments is None else _known(arguments))]


def _known(arguments: Any) -> Any:
    if arguments is objects.NOTHING:
        raise ValueError("arguments that are no JSON")
    return arguments


def _bag(found: list[Call]) -> Counter[tuple[str, str]]:
    return Counter((call.name, objects.key(call.arguments)) for call in found)
