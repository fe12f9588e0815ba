"""Formats: what the keys of a record mean, for every format that the field uses."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from engine.base.project import Format, Mapping
from engine.data.load.column_names import (
    CHOSEN,
    CLASSIFIED,
    COMPLETIONS,
    CONVERSATIONS,
    INPUTS,
    LABELS,
    PROMPTS,
    REJECTED,
    SYSTEMS,
    TEXTS,
)
from engine.data.load.json_text import literal, mended
from engine.data.load.turns import is_turn

_SURE = {("prompt", "completion"): 0.99, ("question", "answer"): 0.95, ("q", "a"): 0.9}
_GOOD = frozenset(
    {"true", "1", "1.0", "good", "yes", "y", "desirable", "up", "positive", "thumbs_up"}
)
_BAD = frozenset(
    {"false", "0", "0.0", "bad", "no", "n", "undesirable", "down", "negative", "thumbs_down"}
)


@dataclass(frozen=True)
class Plan:
    """What each column of a record is; the names are those in the file, "" for none.

    Attributes:
        format: The records' format.
        confidence: How sure the detection is, 0 to 1.
        input: The column that Alpaca's instruction is about.
        history: The column of earlier exchanges, as Alpaca has it.
    """

    format: Format
    confidence: float = 1.0
    prompt: str = ""
    input: str = ""
    completion: str = ""
    rejected: str = ""
    label: str = ""
    messages: str = ""
    text: str = ""
    system: str = ""
    history: str = ""
    group: str = ""
    scenario: str = ""

    def used(self) -> frozenset[str]:
        """Return the columns that become something."""
        names = (self.prompt, self.input, self.completion, self.rejected, self.label)
        more = (self.messages, self.text, self.system, self.history, self.group, self.scenario)
        return frozenset({*names, *more} - {""})


def recognise(content: Any, mapping: Mapping) -> Plan | None:
    """Return how a record is to be read, or None where it fits no format.

    In the order that leaves no doubt: preference, KTO, messages and ShareGPT, Alpaca,
    prompt-completion with its synonyms, dialogue, raw text. A mapping goes before detection.
    """
    if isinstance(content, list):
        kind = conversation(content)
        return Plan(kind, 0.9) if kind else None
    if isinstance(content, str):
        return Plan("text", 0.6)
    if not isinstance(content, dict) or not content:
        return None
    content = {key: value for key, value in content.items() if key != ""}
    keys = {_plain(key): key for key in reversed(content)}
    wanted = mapping.format or _implied(mapping)
    for name, find in _FINDERS.items():
        if wanted and not (name == wanted or (name == "messages" and wanted == "sharegpt")):
            continue
        plan = find(content, keys, mapping)
        if plan is not None:
            return replace(
                plan,
                system=mapping.system or _first(keys, SYSTEMS),
                group=mapping.group or keys.get("group", ""),
                scenario=mapping.scenario or keys.get("scenario", ""),
            )
    return None


def conversation(value: Any) -> Format | None:
    """Return the format of a list of turns, or None where it is none."""
    if not isinstance(value, list) or not value:
        return None
    first = value[0]
    if isinstance(first, str):
        return "dialogue" if all(isinstance(item, str) for item in value) else None
    if not is_turn(first):
        return None
    return "sharegpt" if "from" in first and "value" in first else "messages"


def opened(value: Any) -> Any:
    """Return the list or dict that a cell holds as JSON or as Python printed it, else the cell."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text[:1] not in ("[", "{") or text[-1:] not in ("]", "}"):
        return value
    found = mended(text)
    return found if isinstance(found, list | dict) else literal(text) or value


def truth(value: Any) -> bool | None:
    """Return whether a label says good or bad; None where it says neither."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold() if isinstance(value, str | int | float) else ""
    return True if word in _GOOD else False if word in _BAD else None


def missing(keys: Iterable[Any], mapping: Mapping) -> Plan:
    """Return the plan by which a record that fits no format is told what it lacks."""
    plain = {_plain(key): key for key in keys}
    if mapping.format in {"messages", "sharegpt", "dialogue"}:
        return Plan(mapping.format, 0, messages=mapping.messages or "messages")
    if mapping.format == "text":
        return Plan("text", 0, text=mapping.text or "text")
    prompt = mapping.prompt or _first(plain, PROMPTS) or "prompt"
    completion = mapping.completion or _first(plain, COMPLETIONS) or "completion"
    if mapping.format == "preference":
        chosen = mapping.completion or "chosen"
        return Plan("preference", 0, completion=chosen, rejected=mapping.rejected or "rejected")
    return Plan(mapping.format or "prompt-completion", 0, prompt=prompt, completion=completion)


def _plain(key: Any) -> str:
    if key.__class__ is str and key.isascii() and key.islower() and key.isidentifier():
        return str(key)
    text = unicodedata.normalize("NFKC", str(key)[:200]).strip().casefold()
    return text.replace(" ", "_").replace("-", "_")


def _first(keys: dict[str, str], names: Iterable[str]) -> str:
    return next((keys[name] for name in names if name in keys), "")


def _implied(mapping: Mapping) -> str:
    """Return the format that the mapped columns leave no choice about."""
    if mapping.rejected:
        return "preference"
    if mapping.label:
        return "kto"
    if mapping.messages:
        return "messages"
    if mapping.prompt or mapping.completion:
        return "prompt-completion"
    return "text" if mapping.text else ""


Keys = dict[str, str]


def _preference(content: dict[str, Any], keys: Keys, mapping: Mapping) -> Plan | None:
    chosen = mapping.completion or _first(keys, CHOSEN)
    rejected = mapping.rejected or _first(keys, REJECTED)
    if chosen not in content or rejected not in content:
        return None
    prompt = mapping.prompt or _first(keys, PROMPTS)
    return Plan("preference", 0.99, prompt=prompt, completion=chosen, rejected=rejected)


def _kto(content: dict[str, Any], keys: Keys, mapping: Mapping) -> Plan | None:
    label = mapping.label or keys.get("label", "")
    plan = _pair(keys, mapping, ())
    if plan is None or not label:
        return None
    value = content.get(label)
    if truth(value) is None and not (mapping.format == "kto" or mapping.label):
        return None
    return replace(plan, format="kto", label=label, confidence=plan.confidence - 0.02)


def _messages(content: dict[str, Any], keys: Keys, mapping: Mapping) -> Plan | None:
    for name in (mapping.messages,) if mapping.messages else CONVERSATIONS:
        key = name if name in content else keys.get(name, "")
        kind = conversation(opened(content.get(key))) if key else None
        if kind and kind != "dialogue":
            return Plan(kind, 0.99 if name in {"messages", "conversations"} else 0.9, messages=key)
    if mapping.messages in content and mapping.messages:
        return Plan("messages", 0.5, messages=mapping.messages)
    return None


def _alpaca(_: dict[str, Any], keys: Keys, mapping: Mapping) -> Plan | None:
    prompt = mapping.prompt or _first(keys, ("instruction", "指令"))
    completion = mapping.completion or _first(keys, ("output", "response", "输出", "輸出", "回答"))
    if not prompt or not completion:
        return None
    more = _first({name: key for name, key in keys.items() if key != prompt}, INPUTS)
    history = keys.get("history", "")
    sure = 0.98 if keys.get("output") == completion else 0.93
    return Plan("alpaca", sure, prompt=prompt, input=more, completion=completion, history=history)


def _prompt_completion(_: dict[str, Any], keys: Keys, mapping: Mapping) -> Plan | None:
    return _pair(keys, mapping, LABELS)


def _pair(keys: Keys, mapping: Mapping, labels: tuple[str, ...]) -> Plan | None:
    prompt = mapping.prompt or _first(keys, PROMPTS)
    rest = {name: key for name, key in keys.items() if key != prompt}
    completion = mapping.completion or _first(rest, COMPLETIONS)
    sure = _SURE.get((_plain(prompt), _plain(completion)), 0.85)
    if not completion and _plain(prompt) in CLASSIFIED and labels:
        completion = _first(rest, labels)
        sure = 0.7 if _plain(completion) in {"label", "intent", "标签", "意图"} else 0.55
    if not prompt or not completion:
        return None
    if mapping.prompt and mapping.completion:
        sure = 1.0
    return Plan("prompt-completion", sure, prompt=prompt, completion=completion)


def _dialogue(content: dict[str, Any], keys: Keys, mapping: Mapping) -> Plan | None:
    for name in (mapping.messages,) if mapping.messages else CONVERSATIONS:
        key = name if name in content else keys.get(name, "")
        if key and conversation(opened(content.get(key))) == "dialogue":
            return Plan("dialogue", 0.9, messages=key)
    return None


def _text(content: dict[str, Any], keys: Keys, mapping: Mapping) -> Plan | None:
    column = mapping.text or _first(keys, TEXTS)
    if not column or not isinstance(content.get(column), str):
        return None
    return Plan("text", 0.9 if _plain(column) == "text" else 0.6, text=column)


_FINDERS = {
    "preference": _preference,
    "kto": _kto,
    "messages": _messages,
    "alpaca": _alpaca,
    "prompt-completion": _prompt_completion,
    "dialogue": _dialogue,
    "text": _text,
}
