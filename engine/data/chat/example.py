"""A training example: token ids, and which of them are learnt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """What the model reads of one row, and what it learns of it.

    Attributes:
        ids: The token ids.
        spans: The learnt stretches of `ids`, each as start and end (not included), in order.
        last_only: Whether earlier answers are not learnt, because the template writes them in
            another form once they are past, or does not mark their end.
        bare: Whether the last answer stands behind the prompt just as the row has it, because the
            template begins a past answer otherwise than one to come.
    """

    ids: list[int]
    spans: tuple[tuple[int, int], ...]
    last_only: bool = False
    bare: bool = False

    @property
    def trained(self) -> list[bool]:
        """Whether each token is learnt."""
        mask = [False] * len(self.ids)
        for start, end in self.spans:
            mask[start:end] = [True] * (end - start)
        return mask

    @property
    def learnt(self) -> int:
        """How many tokens are learnt."""
        return sum(end - start for start, end in self.spans)

    @property
    def prompt(self) -> int:
        """How many tokens come before the first learnt one."""
        return self.spans[0][0]

    def cut(self, limit: int) -> int:
        """Return how many learnt tokens are lost when only the first `limit` tokens are read."""
        return sum(max(0, end - max(start, limit)) for start, end in self.spans)


def of_pieces(lengths: list[int], learnt: list[bool]) -> tuple[tuple[int, int], ...]:
    """Return the learnt spans of pieces that were tokenised one by one."""
    spans, start = [], 0
    for length, wanted in zip(lengths, learnt, strict=True):
        if wanted and length:
            spans.append((start, start + length))
        start += length
    return tuple(spans)


def of_offsets(
    offsets: list[tuple[int, int]], ranges: list[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """Return the spans of the tokens that share a character with one of the ranges.

    A token that reaches over the start of an answer is learnt, as the answer's first letters are
    in it; one without a character of its own (a split byte, an added blank) is, within a range.
    """
    spans = []
    for low, high in ranges:
        inside = [
            place
            for place, (start, end) in enumerate(offsets)
            if (start < high and end > low) or (start == end and low <= start < high)
        ]
        if inside:
            spans.append((inside[0], inside[-1] + 1))
    return tuple(spans)
