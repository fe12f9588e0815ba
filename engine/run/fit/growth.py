"""How the memory of a training grows with every new shape of a micro-batch.

On a CPU the heap gets holes, and libraries keep what they made for a shape (ideep and oneDNN up to
`LRU_CACHE_CAPACITY` and `ONEDNN_PRIMITIVE_CACHE_CAPACITY` primitives, which the worker sets): a run
that sees more lengths than an attempt needs more. So the growth is measured, once its fast
beginning is over, and carried on to the lengths that were not tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.run.batches import Batch

_MOST = 96  # shapes after which nothing was seen to grow
_FEWEST = 4  # points of a slope


class Growth:
    """Learns the growth from step to step.

    Args:
        batches: Every micro-batch of the run.
    """

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._all = len({shape for batch in batches for shape in _shapes(batch)})
        self._seen: set[tuple[int, int]] = set()
        self._points: list[tuple[int, int]] = []

    def add(self, batches: Sequence[Batch], used: int) -> None:
        """Take the memory in use after a step, in bytes, and the micro-batches it had."""
        self._seen |= {shape for batch in batches for shape in _shapes(batch)}
        highest = max([used, *(size for _, size in self._points)])
        self._points.append((len(self._seen), highest))

    def missing(self) -> int:
        """Return the bytes that the shapes which were not tried will keep."""
        shapes = min(self._all, _MOST) - len(self._seen)
        return max(0, shapes) * self._each()

    def _each(self) -> int:
        """The bytes of one shape: a least-squares slope of the second half."""
        points = self._points[len(self._points) // 2 :]
        count = len(points)
        if count < _FEWEST:
            return 0
        mean_x = sum(shapes for shapes, _ in points) / count
        mean_y = sum(size for _, size in points) / count
        spread = sum((x - mean_x) ** 2 for x, _ in points)
        if not spread:
            return 0
        return max(0, round(sum((x - mean_x) * (y - mean_y) for x, y in points) / spread))


def _shapes(batch: Batch) -> set[tuple[int, int]]:
    return {(piece.rows, piece.padded // piece.rows) for piece in batch.parts}
