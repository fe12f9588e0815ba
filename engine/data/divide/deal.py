"""Dealing clusters out to the splits: stratified, in hash order, as near to the sizes as can be."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain

from engine.data.rows import Row

HELD_OUT = ("test", "validation")  # in the order in which they are served
_ENOUGH = 1e-6  # of a row


@dataclass(frozen=True, slots=True)
class Cluster:
    """Rows that must stay together.

    Attributes:
        key: The smallest of its rows' hashes; it decides the cluster's place.
        scenario: The most frequent scenario of its rows.
        rows: The rows.
    """

    key: str
    scenario: str
    rows: tuple[Row, ...]


def cluster_of(rows: list[Row], seed: int) -> Cluster:
    """Make a cluster of some rows."""
    if len(rows) == 1:
        return Cluster(keyed(rows[0].id, seed), rows[0].scenario, tuple(rows))
    scenarios = Counter(row.scenario for row in rows)
    commonest = min(scenarios, key=lambda name: (-scenarios[name], name))
    return Cluster(min(keyed(row.id, seed) for row in rows), commonest, tuple(rows))


def keyed(row_id: str, seed: int) -> str:
    """Return a row's hash with the seed: 16 hex characters in an order that means nothing."""
    return blake2b(f"{seed}:{row_id}".encode(), digest_size=8).hexdigest()


@dataclass
class Stratum:
    """One scenario's rows.

    Attributes:
        size: How many there are, settled ones included.
        held: How many are settled in each split.
        free: The clusters to deal out, in the order of their hashes.
    """

    size: int = 0
    held: Counter[str] = field(default_factory=Counter)
    free: list[Cluster] = field(default_factory=list)


def strata_of(rows: list[Row], sides: Sequence[str], free: list[Cluster]) -> dict[str, Stratum]:
    """Return the scenarios of the rows, in order; `sides` has each row's split or an empty text."""
    strata: dict[str, Stratum] = defaultdict(Stratum)
    for (scenario, side), count in Counter(
        (row.scenario, side) for row, side in zip(rows, sides, strict=True) if side
    ).items():
        strata[scenario].held[side] = count
        strata[scenario].size += count
    for cluster in sorted(free, key=_key):
        strata[cluster.scenario].free.append(cluster)
        strata[cluster.scenario].size += len(cluster.rows)
    return {scenario: strata[scenario] for scenario in sorted(strata)}


def _key(cluster: Cluster) -> str:
    return cluster.key


def deal(strata: dict[str, Stratum], shares: Mapping[str, float]) -> dict[str, str]:
    """Return the held-out split of each free row that gets one, by row id.

    Each scenario first leaves a cluster to train, where train has no row of it; only when the
    sizes cannot be had otherwise is that cluster dealt out too.
    """
    trains = all_shares(shares)["train"] > 0
    left: dict[str, list[Cluster]] = {}
    last: list[Cluster] = []
    for scenario, stratum in strata.items():
        reserved = 1 if trains and stratum.free and not stratum.held["train"] else 0
        cut = len(stratum.free) - reserved
        left[scenario], last = stratum.free[:cut], last + stratum.free[cut:]
    taken: dict[str, list[Cluster]] = {}
    owed = dict.fromkeys(HELD_OUT, 0.0)
    for name in HELD_OUT:
        quotas = _quotas(strata, left, name, shares[name])
        lack = shares[name] * sum(stratum.size for stratum in strata.values())
        lack -= sum(stratum.held[name] for stratum in strata.values())
        taken[name] = []
        for scenario in strata:
            got, left[scenario], owed[name] = _take(left[scenario], quotas[scenario] + owed[name])
            taken[name] += got
        owed[name] += max(0.0, lack) - sum(quotas.values())
    _even(taken, owed, sorted(chain(last, *left.values()), key=_key))
    return {row.id: n for n in HELD_OUT for cluster in taken[n] for row in cluster.rows}


def _even(taken: dict[str, list[Cluster]], owed: dict[str, float], rest: list[Cluster]) -> None:
    """Move clusters between train's `rest` and the held-out splits while that evens the sizes."""
    moved = True
    while moved:
        moved = False
        for name in HELD_OUT:
            got, rest, owed[name] = _take(rest, owed[name])
            back, kept, over = _take(sorted(taken[name], key=_key, reverse=True), -owed[name])
            owed[name] = -over
            taken[name] = kept + got
            rest = sorted(rest + back, key=_key)
            moved = moved or bool(got or back)


def _quotas(
    strata: dict[str, Stratum], left: dict[str, list[Cluster]], name: str, share: float
) -> dict[str, float]:
    """Return how many of each scenario's free rows a split should get.

    Each scenario gets its share as far as it has free rows. Where settled rows are too many or too
    few, the share of all others is lowered or raised alike until the total is right.
    """
    room = {scenario: sum(len(c.rows) for c in left[scenario]) for scenario in strata}
    lack = sum(share * stratum.size - stratum.held[name] for stratum in strata.values())
    lack = min(max(0.0, lack), sum(room.values()))

    def at(extra: float) -> dict[str, float]:
        return {
            scenario: min(
                max(0.0, (share + extra) * stratum.size - stratum.held[name]), room[scenario]
            )
            for scenario, stratum in strata.items()
        }

    low, high, extra = -1.0, 1.0, 0.0
    while abs(sum(at(extra).values()) - lack) > _ENOUGH and high - low > _ENOUGH / 1e6:
        low, high = (extra, high) if sum(at(extra).values()) < lack else (low, extra)
        extra = (low + high) / 2
    return at(extra)


def _take(candidates: list[Cluster], quota: float) -> tuple[list[Cluster], list[Cluster], float]:
    """Take clusters in order while each brings the number of rows nearer to the quota.

    Returns:
        What was taken, what is left, and how many rows are still owed (or, below 0, too many).
    """
    taken: list[Cluster] = []
    left: list[Cluster] = []
    for cluster in candidates:
        if len(cluster.rows) / 2 < quota:
            taken.append(cluster)
            quota -= len(cluster.rows)
        else:
            left.append(cluster)
    return taken, left, quota


def all_shares(held_out: Mapping[str, float]) -> dict[str, float]:
    """Return the shares of all splits, given those of the held-out ones."""
    return {**held_out, "train": max(0.0, round(1 - sum(held_out.values()), 9))}
