"""Training examples: rows as token ids, with labels on the answers only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from engine.base.errors import TunesmithError
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Row

IGNORED = -100  # the label that torch's cross entropy leaves out

_HELD = {
    "preference": "preference pairs",
    "feedback": "answers with a word on whether they are good",
    "text": "raw text without questions",
}


class Examples(NamedTuple):
    """Rows ready for the trainer.

    Attributes:
        rows: One dict a row: `input_ids`, and `labels` of the same length.
        cut: How many rows lost their end to the limit.
        dropped: How many rows were left out because nothing learnt is within the limit.
    """

    rows: list[dict[str, list[int]]]
    cut: int
    dropped: int

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(row["input_ids"]) for row in self.rows]


def tokenise(
    template: ChatTemplate, instruction: str, rows: Iterable[Row], max_length: int
) -> Examples:
    """Turn rows into examples; the loss counts the answers and their end-of-turn tokens only.

    Args:
        template: The base model's chat template.
        instruction: The system prompt that the model is trained and served with.
        rows: The rows of one split.
        max_length: The longest example in tokens; what is longer loses its end.

    Raises:
        TunesmithError: No row is left, or the rows are not questions with their right answers.
    """
    examples: list[dict[str, list[int]]] = []
    cut = dropped = 0
    for row in rows:
        if row.form != "answer":
            raise _other_form(row)
        example = template.example(instruction, row)
        if example.prompt >= max_length:
            dropped += 1
            continue
        cut += len(example.ids) > max_length
        labels = [IGNORED] * len(example.ids)
        for start, end in example.spans:
            labels[start:end] = example.ids[start:end]
        examples.append({"input_ids": example.ids[:max_length], "labels": labels[:max_length]})
    if dropped and not examples:
        raise TunesmithError(
            f"Every prompt is longer than {max_length} tokens, so nothing is left to learn.",
            "Raise max_length, or shorten the instruction.",
            "max_length",
        )
    return Examples(examples, cut, dropped)


def _other_form(row: Row) -> TunesmithError:
    return TunesmithError(
        f"The dataset holds {_HELD[row.form]}; this training learns from right answers.",
        "Map its columns to prompt and completion (`data: mapping:` in project.yaml), and build "
        "it again.",
        row.source,
    )
