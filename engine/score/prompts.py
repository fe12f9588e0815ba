"""The prompts that the subjects are asked with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from engine.base.project import Project
from engine.data.chat.template import ChatTemplate
from engine.data.dataset import Dataset
from engine.data.rows import Row
from engine.score.documents import Passage
from engine.score.retrieval import EXAMPLES, PASSAGES, Examples, Library, holds, with_passages

Subject = Literal["base", "few_shot", "similar", "retrieval", "tuned"]
SHOTS = 12
_SHOWN = 3  # worked examples of a prompt with passages, each with passages of its own
_TRIED = 48  # rows among which those are looked for whose passages hold their answer
Log = Callable[[str, str], None]


class Prompts:
    """Builds the prompts of one base model on one dataset.

    Args:
        project: The objective, and the documents.
        folder: The project's folder.
        dataset: Where the examples are.
        template: The model's.
        limit: The tokens that an answer needs room for.
        log: Takes a text and its level.
        note: Told how far a longer preparation is; what it raises ends it.
    """

    def __init__(
        self,
        project: Project,
        folder: Path,
        dataset: Dataset,
        template: ChatTemplate,
        limit: int,
        log: Log,
        note: Callable[[str], None],
    ) -> None:
        self._project, self._folder, self._dataset = project, folder, dataset
        self._template, self._limit = template, limit
        self._log, self._note = log, note

    def ids(self, subject: Subject, rows: Sequence[Row]) -> list[list[int]]:
        """Return the token ids of each row's prompt.

        What does not fit the model's context is made smaller: fewer examples, fewer passages.
        """
        if subject == "similar":
            return self._with_similar(rows)
        if subject == "retrieval":
            return self._with_passages(rows)
        shots = self._dataset.few_shot(SHOTS) if subject == "few_shot" else []
        while True:
            prompts = [self._ids(shots, row, tuned=subject == "tuned") for row in rows]
            if not shots or self._fits(prompts):
                return prompts
            shots.pop()
            self._log(f"The model's context has room for {len(shots)} examples.", "warning")

    def passages(self, rows: Sequence[Row]) -> list[list[Passage]]:
        """Return the passages in each row's prompt."""
        return [self._found.get(row.id, []) for row in rows]

    @cached_property
    def _examples(self) -> Examples:
        found = Examples(self._dataset.rows("train"), self._note)
        by = f"words and {found.index.by_meaning}" if found.index.by_meaning else "words"
        self._log(f"Similar examples are found by {by}.", "info")
        return found

    @cached_property
    def _library(self) -> Library:
        names = self._project.data.documents
        found = Library(self._folder, names, lambda text: len(self._template.encode(text)))
        by = f"words and {found.index.by_meaning}" if found.index.by_meaning else "words"
        self._log(f"{len(found.passages)} passages of your documents, found by {by}.", "info")
        return found

    @cached_property
    def _found(self) -> dict[str, list[Passage]]:
        return {}

    def _with_similar(self, rows: Sequence[Row]) -> list[list[int]]:
        examples = self._examples.for_rows(rows, EXAMPLES)
        prompts = []
        for row, shots in zip(rows, examples, strict=True):
            prompt = self._ids(shots, row)
            while shots and not self._fits([prompt]):
                shots.pop(0)
                prompt = self._ids(shots, row)
            prompts.append(prompt)
        self._crossed(self._examples.left_out, "training rows")
        return prompts

    def _with_passages(self, rows: Sequence[Row]) -> list[list[int]]:
        shots = self._told_shots()
        self._found.update(
            zip((row.id for row in rows), self._library.for_rows(rows, PASSAGES), strict=True)
        )
        prompts = []
        for row in rows:
            told = self._found[row.id]
            prompt = self._ids(shots, with_passages(row, told))
            while told and not self._fits([prompt]):
                told.pop()
                prompt = self._ids(shots, with_passages(row, told))
            prompts.append(prompt)
        self._crossed(self._library.left_out, "passages")
        return prompts

    def _told_shots(self) -> list[Row]:
        """Return worked examples of using passages: rows whose passages hold their answer."""
        rows = self._dataset.few_shot(_TRIED)
        told = list(zip(rows, self._library.for_rows(rows, PASSAGES), strict=True))
        self._library.left_out = 0
        told.sort(key=lambda item: not holds(item[1], item[0].completion))  # stable
        shots = [with_passages(row, found) for row, found in told[:_SHOWN]]
        room = self._template.context // 2
        while shots and room and len(self._ids(shots, shots[0])) > room:
            shots.pop()
        return shots

    def _ids(self, shots: Sequence[Row], row: Row, *, tuned: bool = False) -> list[int]:
        objective = self._project.objective
        system = objective.instruction if tuned else objective.prompt
        return self._template.prompt_ids(system, shots, row)

    def _fits(self, prompts: Sequence[Sequence[int]]) -> bool:
        context = self._template.context
        return not context or max(map(len, prompts), default=0) + self._limit <= context

    def _crossed(self, count: int, what: str) -> None:
        if count:
            self._log(f"{count} {what} were left out: they ask what a held-out row asks.", "info")
