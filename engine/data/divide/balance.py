"""Balance: rows of the frequent scenarios are left out, so that they do not drown the rare ones.

It comes after the split and touches train only. No row is copied: a copy teaches nothing new, and
made before the split it would stand on both sides.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from hashlib import blake2b

from engine.base.errors import UsageError
from engine.data.rows import Row


@dataclass(frozen=True)
class Thinned:
    """The rows after balancing.

    Attributes:
        kept: The rows that stay, in their old order.
        dropped: The rows left out, in their old order.
        table: For each scenario, the largest first: its name, its rows before and after.
    """

    kept: list[Row]
    dropped: list[Row]
    table: list[tuple[str, int, int]]


def thin(rows: list[Row], *, cap: int, temperature: float, seed: int) -> Thinned:
    """Leave out rows of the larger scenarios.

    A scenario of n rows keeps m * (n / m) ** temperature of them, m being the rows of the smallest
    scenario, and at most `cap`. Which rows stay is decided by a hash of each, so the same ones
    stay when others are added. Rows without a scenario are thinned like one, but never set m; where
    no row has a scenario, all stay.

    Args:
        rows: The training rows.
        cap: The most rows of one scenario; 0 for no limit.
        temperature: 0 makes all scenarios as small as the smallest, 1 leaves them.
        seed: Another seed keeps other rows.

    Raises:
        UsageError: A setting is out of its range.
    """
    if cap < 0:
        raise UsageError(f"A cap of {cap} rows is none.", "Give 0 for no limit.", "data: cap")
    if not 0 <= temperature <= 1:
        raise UsageError(
            f"A temperature of {temperature:g} is out of range.",
            "Give a number from 0 (all scenarios alike) to 1 (as they are).",
            "data: temperature",
        )
    before = Counter(row.scenario for row in rows)
    smallest = min((count for name, count in before.items() if name), default=0)
    after = {
        name: _share(count, smallest, cap, temperature) if smallest else count
        for name, count in before.items()
    }
    out = _out(rows, before, after, seed)
    return Thinned(
        [row for place, row in enumerate(rows) if place not in out],
        [rows[place] for place in sorted(out)],
        [
            (name, count, after[name])
            for name, count in sorted(before.items(), key=lambda item: (-item[1], item[0]))
        ],
    )


def _share(count: int, smallest: int, cap: int, temperature: float) -> int:
    """Return how many rows of a scenario stay; never fewer when it has more."""
    wanted = int(smallest * (count / smallest) ** temperature + 0.5)
    return min(count, max(1, wanted), cap or count)


def _out(rows: list[Row], before: Counter[str], after: dict[str, int], seed: int) -> set[int]:
    """Return the places of the rows to leave out: those with the largest hashes."""
    hashes: dict[str, list[tuple[bytes, int]]] = defaultdict(list)
    for place, row in enumerate(rows):
        if after[row.scenario] < before[row.scenario]:
            # not the hash of the split: its order says which rows lie next to the held-out ones
            digest = blake2b(f"balance:{seed}:{row.id}".encode(), digest_size=8).digest()
            hashes[row.scenario].append((digest, place))
    return {place for name, found in hashes.items() for _, place in sorted(found)[after[name] :]}
