"""Lengths: what the model reads of each row, and what it learns from it, in tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.data.chat.measure import measure
from engine.data.chat.template import ChatTemplate
from engine.data.findings import Cleaned
from engine.data.rows import Row


@dataclass(frozen=True)
class Lengths:
    """Token counts of rows, as the model reads them, by row id.

    Attributes:
        whole: Of the whole training example.
        trained: Of the answers with their end-of-turn tokens, which is all that is learnt.
    """

    whole: Mapping[str, int]
    trained: Mapping[str, int]


def fit(cleaned: Cleaned, template: ChatTemplate, system: str) -> Lengths:
    """Count each row's tokens; take out the rows that the model cannot read to their end.

    Args:
        cleaned: The rows; those too long become findings.
        template: The base model's chat template.
        system: The project's instruction.
    """
    counted = measure(cleaned.rows, template, system)
    whole: dict[str, int] = {}
    trained: dict[str, int] = {}
    kept: list[Row] = []
    for row, length, learnt, cut in zip(
        cleaned.rows, counted.whole, counted.trained, counted.cut, strict=True
    ):
        if template.context and length > template.context:
            what = (
                f"{length:,} tokens, the model reads {template.context:,}; "
                f"{cut:,} tokens of the answer would be cut"
            )
            cleaned.note("too long", row, what, fix="Shorten it.")
            continue
        whole[row.id], trained[row.id] = length, learnt
        kept.append(row)
    cleaned.rows = kept
    return Lengths(whole, trained)
