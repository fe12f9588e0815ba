"""The order of the training rows: a function of the seed and the epoch and of nothing else.

The library's own grouping by length draws from the global random state, which a resumed run cannot
have had at the start of its epoch; and it goes from long rows to short. This one can be computed
again at any time, mixes the batches, and begins with the widest one.
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
        # What does not fill a batch is chosen first, at random, and comes last.
        spare = len(rows) % self._batch
        rest, rows = rows[:spare], rows[spare:]
        if self._grouped:
            rows.sort(key=self._lengths.__getitem__)
        batches = [rows[i : i + self._batch] for i in range(0, len(rows), self._batch)]
        chance.shuffle(batches)
        if batches:  # what the memory cannot hold fails at once, not after hours
            widest = max(batches, key=lambda batch: max(self._lengths[row] for row in batch))
            batches.remove(widest)
            batches.insert(0, widest)
        return iter([row for batch in (*batches, rest) for row in batch])
