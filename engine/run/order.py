"""The order of the training rows: a function of the seed and the epoch and of nothing else.

The library's own grouping by length draws from the global random state, which a resumed run cannot
have had at the start of its epoch; and it goes from long rows to short. This one can be computed
again at any time, and mixes the batches.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence


class Order:
    """A sampler for a data loader: yields row numbers, batch after batch.

    Args:
        lengths: Tokens of each row.
        batch: Rows of a micro-batch.
        seed: What the order is drawn from.
        grouped: Whether rows of like length share a batch, so that little padding is computed.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int, *, grouped: bool) -> None:
        self._lengths = lengths
        self._batch = batch
        self._seed = seed
        self._grouped = grouped
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; the data loader calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        chance = random.Random(f"{self._seed} {self._epoch}")  # noqa: S311 - no secret
        rows = list(range(len(self._lengths)))
        chance.shuffle(rows)
        if not self._grouped:
            return iter(rows)
        # What does not fill a batch is taken first, at random, and comes last.
        spare = len(rows) % self._batch
        rest, rows = rows[:spare], sorted(rows[spare:], key=self._lengths.__getitem__)
        batches = [rows[i : i + self._batch] for i in range(0, len(rows), self._batch)]
        chance.shuffle(batches)
        return iter([row for batch in (*batches, rest) for row in batch])
