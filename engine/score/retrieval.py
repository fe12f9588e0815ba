"""What is looked up for a row: examples from the training rows, passages from the documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.data.rows import Row, changed
from engine.score.documents import Passage, passages
from engine.score.similar import Index, terms

EXAMPLES = 4  # similar rows in a prompt
PASSAGES = 3
_SAME = 0.9  # share of a question's word triples, from which a text is taken for the question
_FEWEST = 6  # words; a shorter question may stand in any text
_CONTEXT = "Use this information:\n\n{passages}\n\n{prompt}"


class Examples:
    """Training rows, found by what they ask.

    Args:
        rows: The training rows.
        note: Told how far the work is.
    """

    def __init__(self, rows: Sequence[Row], note: Callable[[str], None] = lambda _: None) -> None:
        self._rows = [row for row in rows if row.prompt]
        self.index = Index([row.prompt for row in self._rows], note)
        self.left_out = 0

    def for_rows(self, rows: Sequence[Row], count: int = EXAMPLES) -> list[list[Row]]:
        """Return the rows most like each of these, the likest last, next to the question.

        Left out are a row's own group and what asks the same in almost the same words, which the
        split should have kept apart; `left_out` counts them.
        """
        chosen = []
        for row, places in zip(rows, self.index.search([row.prompt for row in rows]), strict=True):
            allowed: list[Row] = []
            for place in places:
                other = self._rows[place]
                if other.id == row.id or other.group == row.group or crosses(row, other.prompt):
                    self.left_out += 1
                elif len(allowed) < count:
                    allowed.append(other)
            chosen.append(allowed[::-1])
        return chosen


class Library:
    """Passages of the user's documents.

    Args:
        folder: What the documents' names are relative to.
        names: The documents.
        count: Returns how many tokens a text has.
        note: Told how far the work is.

    Raises:
        UsageError: A document cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        names: tuple[str, ...],
        count: Callable[[str], int],
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.passages: list[Passage] = passages(folder, names, count)
        self.index = Index([passage.text for passage in self.passages], note)
        self.left_out = 0

    def for_rows(self, rows: Sequence[Row], count: int = PASSAGES) -> list[list[Passage]]:
        """Return the passages for each row, best first.

        Left out are passages that hold the row's own question: the answer beside it would be
        copied, and no later question would find its own.
        """
        chosen = []
        for row, places in zip(rows, self.index.search([row.prompt for row in rows]), strict=True):
            allowed: list[Passage] = []
            for place in places:
                passage = self.passages[place]
                if crosses(row, passage.text):
                    self.left_out += 1
                elif len(allowed) < count:
                    allowed.append(passage)
            chosen.append(allowed)
        return chosen


def with_passages(row: Row, found: Sequence[Passage]) -> Row:
    """Return the row with passages before its question."""
    if not found or not row.prompt:
        return row
    told = "\n\n".join(passage.text for passage in found)
    return changed(row, prompt=_CONTEXT.format(passages=told, prompt=row.prompt))


def holds(found: Sequence[Passage], answer: str) -> bool:
    """Say whether passages hold every word of an answer, the diagnostic of a knowledge problem."""
    wanted = set(terms(answer))
    told = {term for passage in found for term in terms(passage.text)}
    return bool(wanted) and wanted <= told


def crosses(row: Row, text: str) -> bool:
    """Say whether a text asks the row's own question, in at least 9 of 10 of its word triples."""
    asked = terms(row.prompt)
    if len(asked) < _FEWEST:
        return asked == terms(text)
    triples = _triples(asked)
    return len(triples & _triples(terms(text))) >= _SAME * len(triples)


def _triples(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[place : place + 3]) for place in range(len(words) - 2)}
