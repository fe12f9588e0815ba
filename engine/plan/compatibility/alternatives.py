"""What would work instead: models of the catalogue of like size, and other names for the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from difflib import SequenceMatcher

from engine.base import catalogue
from engine.plan import models
from engine.plan.compatibility.lists import lists
from engine.plan.compatibility.subject import Subject
from engine.plan.dimensions import Dimensions
from engine.plan.models import Model

_BLOCK = 256  # weights of a K-quant's block
_LIKE = 4.0  # a model up to so many times larger or smaller is of like size
_SAME = 1.05  # counts of one model by two people
_SMALL = 600_000_000  # a model so small is offered for the tiniest
_USUAL = 1_500_000_000  # the size that is looked for where that of the model is unknown

Wish = Callable[[Model], bool]


def model(subject: Subject, *wishes: Wish) -> str:
    """Return the catalogue's model nearest in size that does what this subject needs.

    It can chat where the rows are chats, takes their roles and their length, runs where the
    project wants it, may go into the product; and it fulfils the wishes. It is never much larger,
    unless the catalogue has none so small. Empty if there is none.
    """
    size = _size(subject)
    close = sorted(catalogue.entries(), key=lambda entry: _far(entry.parameters, size))
    for entry in close:
        too_large = entry.parameters > max(_LIKE * size, _SMALL)
        if too_large or subject.name in (entry.name, entry.hub):
            continue
        found = models.find(entry.name)
        if _suits(found, subject) and all(wish(found) for wish in wishes):
            return found.name
    return ""


def instead(subject: Subject, *wishes: Wish, otherwise: str) -> str:
    """Return the sentence that names such a model, or what to do where there is none."""
    found = model(subject, *wishes)
    if not found:
        return otherwise
    return f"Use {found}, {size_words(subject, found)}."


def size_words(subject: Subject, name: str) -> str:
    """Say how a catalogue's model compares in size."""
    entry = catalogue.find(name)
    like = entry is not None and _far(entry.parameters, _size(subject)) <= math.log(_LIKE)
    known = subject.dimensions is not None
    return "which is of like size" if like and known else "the nearest in size that does"


def original(subject: Subject) -> str:
    """Return the catalogue's model that this one was before it was quantised; empty if none.

    It has the same shape, and of those the name most like this one's.
    """
    own = subject.dimensions
    if own is None:
        return ""
    plain = subject.name.rpartition("/")[2].lower()
    alike = [
        entry.name
        for entry in catalogue.entries()
        if entry.name != subject.name
        and _far(entry.parameters, own.parameters) < math.log(_SAME)
        and _shape(models.find(entry.name).dimensions) == _shape(own)
    ]
    return max(alike, key=lambda name: SequenceMatcher(None, name, plain).ratio(), default="")


def chats(found: Model) -> bool:
    """Wish for a model that was taught to chat."""
    return found.chat is not None and found.chat.trained


def dense(found: Model) -> bool:
    """Wish for a model without experts."""
    return found.dimensions.expert_parameters == 0


def product(found: Model) -> bool:
    """Wish for a model whose licence lets any product use it."""
    return found.commercial == "yes"


def takes_system(found: Model) -> bool:
    """Wish for a template with a system role."""
    return chats(found) and found.chat is not None and found.chat.system


def takes_tools(found: Model) -> bool:
    """Wish for a template with a tool role."""
    return chats(found) and found.chat is not None and found.chat.tools


def blocks(found: Model) -> bool:
    """Wish for a model whose rows are whole K-quant blocks."""
    return broken_share(found.dimensions) == 0.0


def reads(tokens: int) -> Wish:
    """Wish for a model that reads so many tokens."""
    return lambda found: found.dimensions.context >= tokens


def broken_share(dimensions: Dimensions) -> float:
    """Return the share of the linear maps' weights whose rows are no multiple of 256."""
    sizes = [
        (block.layers * inputs * outputs, inputs)
        for block in dimensions.blocks
        for inputs, outputs in block.linears
    ]
    whole = sum(size for size, _ in sizes)
    return sum(size for size, inputs in sizes if inputs % _BLOCK) / whole if whole else 0.0


def listed(names: Iterable[str]) -> str:
    """Return names as a phrase: `a`, `a and b`, `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _size(subject: Subject) -> int:
    return subject.dimensions.parameters if subject.dimensions else _USUAL


def _far(one: int, other: int) -> float:
    return abs(math.log(max(one, 1) / max(other, 1)))


def _suits(found: Model, subject: Subject) -> bool:
    lists_ = lists()
    name = lists_.causal.get(found.dimensions.kind, "")
    rows = subject.rows
    needs = [
        name != "",
        chats(found) or rows.form == "text",
        found.dimensions.context >= rows.longest,
        takes_tools(found) or not rows.tools,
        product(found) or not subject.product,
        found.commercial != "no" or subject.commercial == "no",
        dense(found) or not subject.quantised,
    ]
    if subject.target in ("llama.cpp", "ollama"):
        needs.append(name in lists_.gguf)
    if subject.target == "vllm":
        needs.append(name in lists_.vllm)
    return all(needs)


def _shape(dimensions: Dimensions) -> tuple[object, ...]:
    return dimensions.layers, dimensions.hidden, dimensions.ffn, dimensions.vocab, dimensions.kind
