"""Rows: one example in the one form that every later stage reads."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, fields
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

Form = Literal["answer", "preference", "feedback", "text"]


class Turn(NamedTuple):
    """An earlier turn of a conversation; `role` is user, assistant or tool."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Row:
    """One example.

    Attributes:
        id: 16 hex characters of a hash of everything the model sees; equal for equal content.
        prompt: The last message to the model; empty in a raw text, and where the answer replies to
            a tool, whose result is then the last of `history`.
        completion: The answer it shall give; of a preference the chosen one, or the raw text.
        group: Rows of one group (a customer, a document) never spread over two splits.
        scenario: The kind of case, for stratifying and for results per scenario; may be empty.
        source: Where it came from, as `file:row`.
        form: What is learnt from it: an `answer`; a `preference` of `completion` over `rejected`;
            `feedback`, whether `completion` is good (`label`); or raw `text`.
        system: The row's own system prompt; empty where the project's instruction holds.
        history: The turns before the prompt, oldest first.
        rejected: The answer of a preference that is not wanted.
        label: The word of a feedback on its completion.
    """

    id: str
    prompt: str
    completion: str
    group: str
    scenario: str
    source: str
    form: Form = "answer"
    system: str = ""
    history: tuple[Turn, ...] = ()
    rejected: str = ""
    label: bool = True


@dataclass(frozen=True)
class Problem:
    """A record that is no row: where, what is wrong and how to mend it. It never quotes content.

    Attributes:
        file: The file, as the user named it.
        row: The line or record in it, from 1.
        what: What is wrong.
        fix: How to mend it.
        repaired: The row that the fix makes, where it can be made without asking.
    """

    file: str
    row: int
    what: str
    fix: str
    repaired: Row | None = None

    def to_json(self) -> dict[str, str | int | bool]:
        """Return the problem for machines; `fixable` says whether `--fix` mends it."""
        fixable = self.repaired is not None
        return {
            "file": self.file,
            "row": self.row,
            "what": self.what,
            "fix": self.fix,
            "fixable": fixable,
        }


def make(
    prompt: str,
    completion: str,
    *,
    group: str = "",
    scenario: str = "",
    source: str = "",
    form: Form = "answer",
    system: str = "",
    history: tuple[Turn, ...] = (),
    rejected: str = "",
    label: bool = True,
) -> Row:
    """Build a row with its id; a row without a group is a group of its own."""
    seen = [prompt, completion]
    if form != "answer" or system or history:
        more = [form, system, rejected, "" if label else "bad"]
        seen += [*more, *(part for turn in history for part in turn)]
    digest = blake2b("\0".join(seen).encode(), digest_size=8).hexdigest()
    return Row(
        digest,
        prompt,
        completion,
        group or digest,
        scenario,
        source,
        form,
        system,
        history,
        rejected,
        label,
    )


def changed(row: Row, **parts: Any) -> Row:
    """Return the row with other texts and so another id; its own group stays its own."""
    names = [item.name for item in fields(Row) if item.name != "id"]
    values = {name: getattr(row, name) for name in names} | parts
    if row.group == row.id and "group" not in parts:
        values["group"] = ""
    return make(**values)


def to_json(row: Row) -> str:
    """Return a row as one line of JSON, keys in a fixed order, without the line's end.

    A key that holds what most rows have (no history, no system prompt) is left out.
    """
    return json.dumps({k: v for k, v in asdict(row).items() if v != _USUAL[k]}, ensure_ascii=False)


def from_json(line: str) -> Row:
    """Read a row that `to_json` wrote."""
    content = json.loads(line)
    if "history" in content:
        content["history"] = tuple(Turn(*turn) for turn in content["history"])
    return Row(**content)


_USUAL = {item.name: None if item.default is MISSING else item.default for item in fields(Row)}
