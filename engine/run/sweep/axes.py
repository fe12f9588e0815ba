"""What a sweep tries: the values of each setting, as people write them."""

from __future__ import annotations

import itertools
import math
import random
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.base.errors import UsageError
from engine.plan.plan import text
from engine.plan.recipe import SETTINGS, Recipe, Scalar, overrides

_WIDE = 10  # times from low to high; from there on a range is tried evenly in its logarithm
_FEW = 32  # whole numbers of a range that are as good as a list
_INCOMPARABLE = ("beta", "desirable_weight", "undesirable_weight", "max_length")
_MEASURING = ("validate_every", "checkpoint_every", "keep_checkpoints", "log_every", "threads")


@dataclass(frozen=True)
class Axis:
    """One setting and what is tried of it.

    Attributes:
        name: The setting.
        values: The values of a list; empty for a range.
        low: The least value of a range.
        high: The greatest value of a range.
    """

    name: str
    values: tuple[Scalar, ...] = ()
    low: float = 0.0
    high: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return SETTINGS[self.name].kind is int

    @property
    def logarithmic(self) -> bool:
        """Whether a range is tried evenly in its logarithm."""
        return self.low > 0 and self.high / self.low >= _WIDE

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """The first and the last value."""
        if self.values:
            return tuple(dict.fromkeys((self.values[0], self.values[-1])))
        return (self.neat(self.low), self.neat(self.high))

    def neat(self, value: float) -> Scalar:
        """Return a number of a range as it is tried: three figures are enough."""
        if self.whole:
            return int(value)
        return min(self.high, max(self.low, float(f"{value:.3g}")))

    def __str__(self) -> str:
        """Return the axis as it can be typed again."""
        if self.values:
            return f"{self.name}={','.join(text(value) for value in self.values)}"
        return f"{self.name}={self.neat(self.low)}..{self.neat(self.high)}"


def parse(texts: Sequence[str], chosen: Recipe) -> tuple[Axis, ...]:
    """Return the axes of `--over` texts: `learning_rate=1e-4,3e-4` or `learning_rate=1e-5..1e-3`.

    Raises:
        UsageError: A text is none, a value is wrong, a setting stands twice or cannot be swept.
    """
    axes = [_axis(item, chosen) for item in texts]
    names = [axis.name for axis in axes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"{twice} stands twice.", f"Write it once: {twice}=A,B,C.", "--over")
    return tuple(axes)


def combinations(axes: Sequence[Axis]) -> float:
    """Return how many combinations there are; infinite when a range has no end of values."""
    return math.prod(len(axis.values) if axis.values else math.inf for axis in axes)


def grid(axes: Sequence[Axis], seed: int) -> list[dict[str, Scalar]]:
    """Return every combination of lists, in an order drawn from the seed.

    In the order of writing the first trials would all lie in one corner, and what is usual, by
    which later ones are judged, would be theirs.
    """
    found = list(_product([axis.values for axis in axes], axes))
    random.Random(seed).shuffle(found)  # noqa: S311 - no secret
    return found


def corners(axes: Sequence[Axis]) -> list[dict[str, Scalar]]:
    """Return the combinations of the first and last values: what takes most lies there."""
    return list(_product([axis.ends for axis in axes], axes))


def words(values: Mapping[str, Scalar]) -> str:
    """Return values as people read them: `learning_rate=0.0003, lora_rank=16`."""
    return ", ".join(f"{name}={text(value)}" for name, value in values.items())


def options(values: Mapping[str, Scalar]) -> str:
    """Return values as the command line takes them."""
    return " ".join(
        f"--set {shlex.quote(f'{name}={text(value)}')}" for name, value in values.items()
    )


def _product(
    values: Sequence[tuple[Scalar, ...]], axes: Sequence[Axis]
) -> Iterator[dict[str, Scalar]]:
    names = [axis.name for axis in axes]
    return (dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*values))


def _axis(item: str, chosen: Recipe) -> Axis:
    name, equals, given = (part.strip() for part in item.partition("="))
    if not equals or not given:
        raise UsageError(
            f"{item!r} names no values.",
            "Write a list, learning_rate=1e-4,3e-4, or a range, learning_rate=1e-5..1e-3.",
            "--over",
        )
    _require_sweepable(name)
    low, dots, high = given.partition("..")
    if dots:
        return _range(name, low, high, chosen)
    parts = [part.strip() for part in given.split(",") if part.strip()]
    values = tuple(dict.fromkeys(_typed(name, part, chosen) for part in parts))
    return Axis(name, values)


def _range(name: str, low: str, high: str, chosen: Recipe) -> Axis:
    first, last = (_typed(name, part.strip(), chosen) for part in (low, high))
    if not _number(first) or not _number(last) or not float(first) < float(last):
        raise UsageError(
            f"{name}={low}..{high} is no range.",
            "Write two numbers, the lower first; or a list, with commas.",
            "--over",
        )
    if isinstance(first, int) and isinstance(last, int) and last - first < _FEW:
        return Axis(name, tuple(range(first, last + 1)))
    return Axis(name, (), float(first), float(last))


def _number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _typed(name: str, value: str, chosen: Recipe) -> Scalar:
    return overrides({name: value}, "--over", chosen)[name]


def _require_sweepable(name: str) -> None:
    if name in _INCOMPARABLE:
        raise UsageError(
            f"{name} changes what the validation loss measures, so its trials can't be compared.",
            "Train one run for each value, and compare their evaluations.",
            "--over",
        )
    if name in _MEASURING:
        raise UsageError(
            f"{name} changes how a run is watched, not what it learns.",
            f"Give it once: `--set {name}=...`.",
            "--over",
        )
