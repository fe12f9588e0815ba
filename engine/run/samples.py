"""Answers to a few validation rows while a model trains, so that a person sees what it learns.

Imported inside the training job only, because it needs `torch`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from engine.base.store import Store
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Row

_LONGER = 1.5  # times the expected answer's tokens
_MORE = 16  # tokens on top
_MOST = 256
_SHOWN = 4000  # characters of each text that are kept


class Question(NamedTuple):
    """A row that the model is asked again and again.

    Attributes:
        row: The row.
        prompt: Token ids up to the answer.
        end: The token that ends the answer.
        most: Tokens after which an answer is cut.
    """

    row: Row
    prompt: list[int]
    end: int
    most: int


def questions(
    template: ChatTemplate, instruction: str, rows: Sequence[Row], count: int, limit: int
) -> list[Question]:
    """Choose rows, evenly from all, whose whole prompt the model was trained to read.

    Args:
        template: The base model's chat template.
        instruction: The system prompt.
        rows: The validation rows.
        count: How many to choose at most.
        limit: The longest example in tokens.
    """
    good = [row for row in rows if row.label]
    step = max(1, len(good) // max(1, count))
    found: list[Question] = []
    for row in good[::step]:
        example = template.example(instruction, row)
        start = example.spans[-1][0]
        expected = len(example.ids) - start
        if len(found) < count and start < limit:
            most = min(_MOST, round(_LONGER * expected) + _MORE)
            found.append(Question(row, example.ids[:start], example.ids[-1], most))
    return found


def ask(model: Any, tokenizer: Any, asked: Sequence[Question]) -> list[str]:
    """Return the model's answers, the likeliest token each time: chance plays no part.

    The model is left in the mode it was in.
    """
    training, answers = model.training, []
    model.eval()
    try:
        for question in asked:
            ids = torch.tensor([question.prompt], device=model.device)
            with torch.no_grad():
                found = model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=question.most,
                    do_sample=False,
                    eos_token_id=question.end,
                    pad_token_id=question.end,
                )
            answers.append(
                tokenizer.decode(found[0, len(question.prompt) :], skip_special_tokens=True)
            )
    finally:
        model.train(training)
    return answers


def record(
    store: Store, run_id: int, step: int, asked: Sequence[Question], answers: Sequence[str]
) -> None:
    """Keep the answers of a step."""
    store.insert_all(
        "samples",
        [
            {
                "run_id": run_id,
                "step": step,
                "row_id": question.row.id,
                "asked": question.row.prompt[:_SHOWN],
                "expected": question.row.completion[:_SHOWN],
                "answer": answer[:_SHOWN],
                "at": time.time(),
            }
            for question, answer in zip(asked, answers, strict=True)
        ],
        replace=True,
    )


def rewind(store: Store, run_id: int, step: int) -> None:
    """Delete what was answered after a step: a resumed run answers anew."""
    store.execute("DELETE FROM samples WHERE run_id = ? AND step > ?", (run_id, step))
