"""Conversations: from turns of any make to exchanges in order, with what had to be mended."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as Map
from contextlib import suppress
from typing import Any, NamedTuple

from engine.base.settings import nearest_name
from engine.data.load.shown import shown
from engine.data.rows import Turn

ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "customer": "user",
    "client": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "observation": "tool",
    "function": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "ipython": "tool",
    "用户": "user",
    "助手": "assistant",
    "系统": "system",
}


_ROLE_KEYS = ("role", "from", "speaker")
_CONTENT_KEYS = ("content", "value", "parts", "text", "utterance", "message")
_TEXT_PARTS = ("text", "input_text", "output_text")
_SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")


class Complaint(NamedTuple):
    """One thing that is wrong with a record.

    Attributes:
        what: What is wrong, as a sentence.
        fix: How to mend it.
        mended: Whether the record as returned is mended.
    """

    what: str
    fix: str
    mended: bool = False


class FaultyError(Exception):
    """A record that cannot be read at all; holds the complaint."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.complaint = Complaint(what, fix)


class Talk(NamedTuple):
    """A conversation in order.

    Attributes:
        system: Its system prompt.
        turns: The turns, the first of the user, the last of the assistant.
    """

    system: str
    turns: list[Turn]


def turns(value: Any, roles: Map[str, str]) -> list[Turn]:
    """Return the turns of a list in any known form, as they stand.

    Args:
        value: Objects with role and content (or from and value), or texts that take turns.
        roles: What the file's own roles are.

    Raises:
        FaultyError: An item is no turn, or its role is unknown.
    """
    if not isinstance(value, list):
        raise FaultyError("The conversation is not a list.", "Write a list of turns.")
    if value and all(isinstance(item, str) for item in value):
        return [Turn(("user", "assistant")[n % 2], text) for n, text in enumerate(value)]
    return [
        turn
        for number, item in enumerate(value, start=1)
        for turn in (_pair(item, roles) or [_turn(item, number, roles)])
    ]


def is_turn(item: Any) -> bool:
    """Say whether an object is a turn, or a pair of them as `{"human": ..., "assistant": ...}`."""
    if not isinstance(item, dict):
        return False
    named = any(isinstance(item.get(key), str) for key in _ROLE_KEYS)
    said = any(key in item for key in (*_CONTENT_KEYS, "tool_calls"))
    return (named and said) or bool(_pair(item, {}))


def _pair(item: Any, roles: Map[str, str]) -> list[Turn]:
    """Return the turns of an object whose keys are the two roles; none where they are not."""
    if not isinstance(item, dict) or len(item) != 2:
        return []
    found = [
        Turn(roles.get(name) or ROLES.get(str(name).casefold(), ""), text)
        for name, text in item.items()
        if isinstance(text, str)
    ]
    return found if [turn.role for turn in found] == ["user", "assistant"] else []


def transcript(text: str) -> list[Turn] | None:
    """Return the turns of a text in which `Human:` and `Assistant:` begin paragraphs, or None."""
    parts = _SPEAKER.split(text)
    if len(parts) < 5 or parts[0].strip():
        return None
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return [Turn(ROLES[name.casefold()], said.strip()) for name, said in pairs]


def _turn(item: Any, number: int, roles: Map[str, str]) -> Turn:
    if not isinstance(item, dict):
        raise FaultyError(f"Turn {number} is no object.", "Give it a role and content.")
    name = next((item[key] for key in _ROLE_KEYS if key in item), None)
    if not isinstance(name, str):
        raise FaultyError(f"Turn {number} has no role.", "Add user, assistant or system.")
    plain = name.strip()
    role = roles.get(plain) or ROLES.get(plain.casefold())
    if role is None:
        raise FaultyError(
            f"Turn {number} has the unknown role `{shown(name)}`"
            f"{nearest_name(plain.casefold()[:40], list(ROLES))}.",
            f"Say what it is: --map role.{shown(name)}=user (or assistant, system, tool).",
        )
    content = next((item[key] for key in _CONTENT_KEYS if key in item), None)
    text = said(content, number)
    calls = item.get("tool_calls")
    if isinstance(calls, list) and calls:
        text = f"{text}\n{_calls(calls)}".lstrip("\n")
    return Turn(role, text)


def said(value: Any, number: int = 1) -> str:
    """Return the text of a turn's content, which may be in parts.

    Raises:
        FaultyError: It is no text, or a part is none.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise FaultyError(f"Turn {number} is not text.", "Put its content in quotes.")
    parts = []
    for part in value:
        if isinstance(part, str):
            parts.append(part)
            continue
        kind = part.get("type", "text") if isinstance(part, dict) else "of no type"
        text = part.get("text") if isinstance(part, dict) else None
        if kind not in _TEXT_PARTS or not isinstance(text, str):
            name = shown(kind)
            raise FaultyError(
                f"Turn {number} has a part that is no text ({name}).",
                "Only texts can be learnt; remove the part or the row.",
            )
        parts.append(text)
    return "".join(parts)


def _calls(calls: list[Any]) -> str:
    """Return tool calls as a model writes them: an object, or one a line."""
    found = []
    for call in calls:
        function = call.get("function", call) if isinstance(call, dict) else {}
        arguments = function.get("arguments", {}) if isinstance(function, dict) else {}
        if isinstance(arguments, str):
            with suppress(ValueError, RecursionError):
                arguments = json.loads(arguments)
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str):
            raise FaultyError("A tool call has no name.", "Add it, or remove the row.")
        found.append(json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False))
    return "\n".join(found)


def ordered(found: list[Turn], complaints: list[Complaint]) -> Talk:
    """Return the turns in an order that can be learnt; each change adds a complaint.

    Raises:
        FaultyError: Nothing is left that a model could learn.
    """
    system = _system(found, complaints)
    rest = _merged([turn for turn in found if turn.role != "system"], complaints)
    roles = {turn.role for turn in rest if turn.role != "tool"}
    if len(roles) < 2:
        who = next(iter(roles), "system" if system else "nobody")
        raise FaultyError(
            f"The conversation has turns of one role only ({who}).",
            "Add the other side, or remove the row.",
        )
    rest = _whole(rest, complaints)
    while rest and rest[0].role != "user":
        _once(complaints, "The conversation begins with the assistant.", "Leave out its beginning.")
        rest = rest[1:]
    while rest and rest[-1].role != "assistant":
        _once(complaints, "The conversation ends without an answer.", "Leave out its end.")
        rest = rest[:-1]
    if len(rest) < 2:
        raise FaultyError(
            "The conversation has no question with an answer.", "Add one, or remove the row."
        )
    return Talk(system, rest)


def _once(complaints: list[Complaint], what: str, fix: str) -> None:
    if all(item.what != what for item in complaints):
        complaints.append(Complaint(what, fix, mended=True))


def _system(found: list[Turn], complaints: list[Complaint]) -> str:
    places = [place for place, turn in enumerate(found) if turn.role == "system"]
    if not places:
        return ""
    if places[0] > 0:
        _once(complaints, "The system prompt is not first.", "Put it first.")
    if len(places) > 1:
        _once(complaints, "There is more than one system prompt.", "Join them.")
    texts = [found[place].content for place in places]
    return texts[0] if len(texts) == 1 else "\n\n".join(text for text in texts if text.strip())


def _merged(found: list[Turn], complaints: list[Complaint]) -> list[Turn]:
    rest: list[Turn] = []
    for turn in found:
        if rest and rest[-1].role == turn.role and turn.role != "tool":
            name = "user" if turn.role == "user" else "assistant"
            _once(complaints, f"Two turns of the {name} follow each other.", "Join them.")
            parts = [part for part in (rest[-1].content, turn.content) if part.strip()]
            rest[-1] = Turn(turn.role, "\n\n".join(parts))
        else:
            rest.append(turn)
    return rest


def _whole(found: list[Turn], complaints: list[Complaint]) -> list[Turn]:
    """Leave out every exchange, from the user's turn to the next, in which a turn is empty."""
    if all(turn.content.strip() for turn in found):
        return found
    empty = next(turn.role for turn in found if not turn.content.strip())
    _once(complaints, f"A turn of the {empty} is empty.", "Leave out that exchange.")
    exchanges: list[list[Turn]] = [[]]
    for turn in found:
        if turn.role == "user":
            exchanges.append([])
        exchanges[-1].append(turn)
    kept = [part for part in exchanges if all(turn.content.strip() for turn in part)]
    return [turn for part in kept for turn in part]
