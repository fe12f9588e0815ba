"""Masking: personal data and secrets become placeholders, the same ones in prompt and answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from engine.data import pii, rows, secrets
from engine.data.pii import Span
from engine.data.rows import Row


class Masked(NamedTuple):
    """A row with its finds replaced; `pii` and `secrets` name the kinds that were found."""

    row: Row
    pii: tuple[str, ...]
    secrets: tuple[str, ...]


def mask(row: Row) -> Masked:
    """Replace personal data and secrets by `<EMAIL_1>`, `<PHONE_1>`, `<SECRET_1>` and so on.

    One value has one placeholder in the whole row, however it is written, so that an answer which
    repeats a value of the prompt repeats its placeholder. A JSON answer stays JSON.
    """
    names = _Names(row)
    prompt = names.replace(row.prompt)
    completion = _in_answer(row.completion, names)
    if not names.used:
        return Masked(row, (), ())
    group = "" if row.group == row.id else row.group
    changed = rows.make(prompt, completion, group=group, scenario=row.scenario, source=row.source)
    return Masked(changed, tuple(sorted(names.pii)), tuple(sorted(names.secrets)))


class _Names:
    """The placeholders of one row."""

    def __init__(self, row: Row) -> None:
        self.used: dict[tuple[str, str], str] = {}
        self._spellings: dict[str, str] = {}
        self.pii: set[str] = set()
        self.secrets: set[str] = set()
        self._taken = f"{row.prompt}\n{row.completion}"

    def replace(self, text: str) -> str:
        """Return the text with every find, and every value found earlier, replaced."""
        for value, name in self._spellings.items():
            text = text.replace(value, name)
        private = secrets.find(text)
        for span in private:
            self.secrets.add(span.kind)
        spans = [Span("SECRET", span.start, span.end) for span in private]
        for span in pii.find(text):
            if all(span.end <= other.start or other.end <= span.start for other in spans):
                self.pii.add(span.kind.lower())
                spans.append(span)
        parts, place = [], 0
        for span in sorted(spans, key=lambda span: span.start):
            name = self._name(span.kind, text[span.start : span.end])
            parts += [text[place : span.start], name]
            place = span.end
        return "".join(parts) + text[place:]

    def known(self, value: str) -> str | None:
        """Return the placeholder of a value that was found in the prompt."""
        for kind in ("EMAIL", "PHONE", "CARD", "IBAN", "SECRET"):
            name = self.used.get((kind, pii.key(kind, value)))
            if name:
                return name
        return None

    def _name(self, kind: str, value: str) -> str:
        key = (kind, pii.key(kind, value))
        if key not in self.used:
            number = 1 + sum(other == kind for other, _ in self.used)
            while f"<{kind}_{number}>" in self._taken:
                number += 1
            self.used[key] = f"<{kind}_{number}>"
            self._taken += self.used[key]
        self._spellings[value] = self.used[key]
        return self.used[key]


def _in_answer(completion: str, names: _Names) -> str:
    replaced = names.replace(completion)
    if completion.lstrip()[:1] not in ("{", "["):
        return replaced
    if not names.used and "\\" not in completion:
        return completion  # nothing to find, not even behind an escape
    try:
        content = json.loads(completion)
        changed = _leaves(content, names.replace, names.known)
    except (ValueError, RecursionError):
        return replaced
    return completion if changed == content else json.dumps(changed, ensure_ascii=False)


def _leaves(value: Any, replace: Callable[[str], str], known: Callable[[str], str | None]) -> Any:
    if isinstance(value, dict):
        return {replace(key): _leaves(item, replace, known) for key, item in value.items()}
    if isinstance(value, list):
        return [_leaves(item, replace, known) for item in value]
    if isinstance(value, str):
        return known(value) or replace(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return known(str(value)) or value
    return value
