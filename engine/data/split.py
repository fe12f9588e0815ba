"""The split into train, validation and test: by cluster, stratified, and steady.

A cluster (rows of one group, and rows related to each other) is never cut. Within each scenario
the clusters stand in the order of a hash of their key and the seed; the first ones are the test
rows, the next ones validation, the rest train. A row added later changes only its place in that
order, so nearly every old row stays where it was.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from engine.data.rows import Row

NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
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


def split(
    rows: list[Row],
    related: Iterable[tuple[str, str]],
    *,
    test: float,
    validation: float,
    seed: int,
) -> dict[str, list[Row]]:
    """Return the rows of each split, in their old order.

    Args:
        rows: The clean rows, ids unique.
        related: Pairs of row ids that must not be separated.
        test: Share of the rows for the test split, 0 to 1.
        validation: Share of the rows for the validation split, 0 to 1.
        seed: Another seed gives another split.
    """
    strata: dict[str, list[Cluster]] = defaultdict(list)
    for cluster in clusters(rows, related, seed):
        strata[cluster.scenario].append(cluster)
    place: dict[str, str] = {}
    owed = {"test": 0.0, "validation": 0.0}
    for scenario in sorted(strata):
        left = sorted(strata[scenario], key=lambda cluster: cluster.key)
        size = sum(len(cluster.rows) for cluster in left)
        for name, share in (("test", test), ("validation", validation)):
            taken, left, owed[name] = _take(left, share * size + owed[name])
            place.update({row.id: name for cluster in taken for row in cluster.rows})
    result: dict[str, list[Row]] = {name: [] for name in NAMES}
    for row in rows:
        result[place.get(row.id, "train")].append(row)
    return result


def clusters(rows: list[Row], related: Iterable[tuple[str, str]], seed: int) -> list[Cluster]:
    """Join rows that share a group or are related, directly or through others."""
    parent = {row.id: row.id for row in rows}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    leaders: dict[str, str] = {}
    for row in rows:
        parent[root(row.id)] = root(leaders.setdefault(row.group, row.id))
    for one, other in related:
        if one in parent and other in parent:
            parent[root(one)] = root(other)
    members: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        members[root(row.id)].append(row)
    return [_cluster(tuple(found), seed) for found in members.values()]


def _cluster(rows: tuple[Row, ...], seed: int) -> Cluster:
    scenarios = Counter(row.scenario for row in rows)
    commonest = min(scenarios, key=lambda name: (-scenarios[name], name))
    key = min(blake2b(f"{seed}:{row.id}".encode(), digest_size=8).hexdigest() for row in rows)
    return Cluster(key, commonest, rows)


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
