"""Training examples: rows as token ids, in the shape that each trainer learns from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, takewhile
from typing import Any, NamedTuple

from engine.base.errors import TunesmithError
from engine.data.chat.example import Example
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Row
from engine.plan.recipe import FORM_WORDS, FORMS
from engine.plan.setting import TRAINERS, Trainer

IGNORED = -100  # the label that torch's cross entropy leaves out


class Examples(NamedTuple):
    """Rows ready for the trainer.

    Attributes:
        rows: One dict a row: `input_ids` and `labels` of the same length; of a pair `prompt_ids`,
            `chosen_ids` and `rejected_ids`; of a feedback `prompt_ids`, `completion_ids`, `label`.
        cut: How many rows lost their end to the limit.
        dropped: How many rows were left out because nothing learnt is within the limit.
    """

    rows: list[dict[str, Any]]
    cut: int
    dropped: int

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row; of a pair those of the longer half."""
        return [_length(row) for row in self.rows]

    @property
    def prefix(self) -> int:
        """Tokens that all rows share at their beginning; neither they nor the next one are learnt.

        The next one stays with its row: it predicts the row's own first answer token.
        """
        if not self.rows or "labels" not in self.rows[0]:
            return 0
        ids = [row["input_ids"] for row in self.rows]
        outermost = zip(min(ids), max(ids), strict=False)  # what these two share, all between do
        shared = len(list(takewhile(lambda pair: pair[0] == pair[1], outermost)))
        unlearnt = min(
            next((place for place, label in enumerate(row["labels"]) if label != IGNORED), 0)
            for row in self.rows
        )
        return max(0, min(shared, unlearnt - 1))


def tokenise(
    template: ChatTemplate,
    instruction: str,
    rows: Iterable[Row],
    max_length: int,
    trainer: Trainer = "sft",
) -> Examples:
    """Turn rows into examples; only answers and their end-of-turn tokens, or raw text, are learnt.

    Args:
        template: The base model's chat template.
        instruction: The system prompt that the model is trained and served with.
        rows: The rows of one split.
        max_length: The longest example in tokens; what is longer loses its end. Raw text is cut
            into blocks of this length and loses nothing.
        trainer: Who learns from them.

    Raises:
        TunesmithError: No row is left, or the trainer does not learn from such rows.
    """
    checked = (_checked(row, trainer) for row in rows)
    if trainer == "cpt":
        texts = (template.example(instruction, row).ids for row in checked)
        return Examples(_blocks(list(chain.from_iterable(texts)), max_length), 0, 0)
    examples: list[dict[str, Any]] = []
    cut = dropped = 0
    for row in checked:
        made = _MAKERS[trainer](template, instruction, row, max_length)
        if made is None:
            dropped += 1
            continue
        examples.append(made[0])
        cut += made[1]
    if dropped and not examples:
        raise TunesmithError(
            f"Every prompt is longer than {max_length} tokens, so nothing is left to learn.",
            "Raise max_length, or shorten the instruction.",
            "max_length",
        )
    return Examples(examples, cut, dropped)


Made = tuple[dict[str, Any], bool] | None


def _answer(template: ChatTemplate, instruction: str, row: Row, limit: int) -> Made:
    """Return a row with labels on its answers, and whether it was cut."""
    example = template.example(instruction, row)
    if example.prompt >= limit:
        return None
    labels = [IGNORED] * len(example.ids)
    for start, end in example.spans:
        labels[start:end] = example.ids[start:end]
    return {"input_ids": example.ids[:limit], "labels": labels[:limit]}, len(example.ids) > limit


def _pair(template: ChatTemplate, instruction: str, row: Row, limit: int) -> Made:
    """Return a preference as one prompt and two answers, and whether one was cut."""
    chosen = template.example(instruction, row)
    rejected = template.rejected(instruction, row)
    prompt, better = _parted(chosen)
    worse = _parted(rejected)[1]
    room = limit - len(prompt)
    if room <= 0:
        return None
    made = {"prompt_ids": prompt, "chosen_ids": better[:room], "rejected_ids": worse[:room]}
    return made, max(len(better), len(worse)) > room


def _feedback(template: ChatTemplate, instruction: str, row: Row, limit: int) -> Made:
    """Return an answer with the word on it, and whether it was cut."""
    prompt, answer = _parted(template.example(instruction, row))
    room = limit - len(prompt)
    if room <= 0:
        return None
    made = {"prompt_ids": prompt, "completion_ids": answer[:room], "label": row.label}
    return made, len(answer) > room


_MAKERS: dict[Trainer, Callable[[ChatTemplate, str, Row, int], Made]] = {
    "sft": _answer,
    "dpo": _pair,
    "orpo": _pair,
    "kto": _feedback,
}


def _parted(example: Example) -> tuple[list[int], list[int]]:
    """Return everything up to the last answer, and that answer with its end of turn."""
    start = example.spans[-1][0]
    return example.ids[:start], example.ids[start:]


def _blocks(ids: list[int], length: int) -> list[dict[str, Any]]:
    """Cut joined texts into blocks, every token of which is learnt.

    A block's first token is never predicted; so each begins with the last one of the block before,
    and every token but the very first is predicted just once.
    """
    starts = range(0, max(1, len(ids) - 1), length - 1)
    cuts = [ids[start : start + length] for start in starts] if ids else []
    return [{"input_ids": cut, "labels": list(cut)} for cut in cuts]


def _length(row: dict[str, Any]) -> int:
    if "input_ids" in row:
        return len(row["input_ids"])
    answers = ("chosen_ids", "rejected_ids", "completion_ids")
    return len(row["prompt_ids"]) + max(len(row.get(name, ())) for name in answers)


def _checked(row: Row, trainer: Trainer) -> Row:
    if row.form == FORMS[trainer]:
        return row
    raise TunesmithError(
        f"The dataset holds {FORM_WORDS[row.form]}; {TRAINERS[trainer]} learns from "
        f"{FORM_WORDS[FORMS[trainer]]}.",
        "Choose a recipe that learns from them (`tunesmith recipes`), or map their columns to "
        "another form (`data: mapping:` in project.yaml) and build the dataset again.",
        row.source,
    )
