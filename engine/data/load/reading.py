"""The content of one record, read by column."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from engine.base.project import Mapping
from engine.data.load import formats
from engine.data.load.cells import Cells, blank
from engine.data.load.draft import Draft
from engine.data.load.shown import listed, shown
from engine.data.load.turns import Complaint, FaultyError, said, turns
from engine.data.rows import Turn

MAP = "Say which column is what: --map prompt=COLUMN --map completion=COLUMN."


@dataclass(frozen=True)
class Reading:
    """The content of one record, read by column."""

    content: dict[str, Any]
    in_table: bool
    mapping: Mapping
    cells: Cells
    draft: Draft

    def value(self, column: str) -> Any:
        """Return what stands in a needed column.

        Raises:
            FaultyError: The column is not there, or empty.
        """
        value = self.content.get(column)
        if value is None:
            if column in self.content and self.in_table:
                raise FaultyError(f"`{shown(column)}` is empty.", "Fill it, or remove the row.")
            keys = self.content
            have = f"the record has {listed(keys)}" if keys else "the object is empty"
            raise FaultyError(f"There is no `{shown(column)}`; {have}.", MAP)
        if self.in_table and self.cells.empty(column, value):
            word = str(value).strip()
            told = f" (`{word}` is what a table writes for it)" if word else ""
            raise FaultyError(f"`{shown(column)}` is empty{told}.", "Fill it, or remove the row.")
        return value

    def text(self, column: str) -> str:
        """Return the text of a needed column; JSON in it is written in one form.

        Raises:
            FaultyError: There is none.
        """
        value = self.value(column)
        if isinstance(value, str):
            if not value.strip():
                raise FaultyError(f"`{shown(column)}` is empty.", "Fill it, or remove the row.")
            return value
        if isinstance(value, bool | int | float):
            try:
                text = json.dumps(value, allow_nan=False)
            except ValueError as error:
                told = f"`{shown(column)}` is no number that can be written."
                raise FaultyError(told, "Put it in quotes.") from error
            if not self.in_table:
                what = f"`{shown(column)}` is {kind_of(value)}, not text."
                self.draft.complaints.append(Complaint(what, "Put it in quotes.", mended=True))
            return text
        raise FaultyError(f"`{shown(column)}` is {kind_of(value)}, not text.", "Put it in quotes.")

    def answer(self, column: str) -> str:
        """Return the answer of a needed column; an object or a list is written as JSON.

        Raises:
            FaultyError: There is none.
        """
        value = self.value(column)
        if not isinstance(value, dict | list):
            return self.text(column)
        try:
            return json.dumps(value, ensure_ascii=False, allow_nan=False)
        except (ValueError, TypeError, RecursionError) as error:
            told = f"`{shown(column)}` cannot be written as JSON."
            raise FaultyError(told, "Write it as text.") from error

    def optional(self, column: str) -> str:
        """Return the text of a column that may be empty or absent."""
        value = self.content.get(column)
        if isinstance(value, dict) and "parts" in value:
            value = said(value["parts"])
        if not isinstance(value, str) or (self.in_table and blank(value)):
            return ""
        return value if value.strip() else ""

    def talk(self, column: str) -> list[Turn] | None:
        """Return the turns in a column, or None where it holds no conversation."""
        value = self.content.get(column)
        value = formats.opened(value) if self.in_table else value
        if isinstance(value, dict):
            value = value.get("messages")
        kind = formats.conversation(value)
        if kind is None or kind == "dialogue":
            return None
        return turns(value, self.mapping.roles)


def kind_of(value: Any) -> str:
    """Return what kind of value it is, in words."""
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", str: "text"}
    return names.get(type(value), "an object" if isinstance(value, dict) else "of a kind apart")
