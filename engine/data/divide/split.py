"""The split into train, validation and test: by cluster, stratified, and settled for ever.

A cluster (rows of one group, and rows related to each other) is never cut. One that holds a row
of an earlier split, or a row merged into one of its own, follows it, so no old row ever moves.
The other clusters are dealt out within each scenario in the order of a hash of their rows and the
seed: as many rows to test and validation as are lacking there, the rest to train.

New rows may tie a cluster of train to one of test. Then as few of them as a greedy choice finds
are set aside, until each cluster that is left touches one split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.base.errors import UsageError
from engine.data.divide.deal import HELD_OUT, Cluster, all_shares, cluster_of, deal, strata_of
from engine.data.divide.ties import Ties, settle
from engine.data.rows import Row

NAMES = ("train", "validation", "test")
_TOLERANCE = 0.01  # of the rows; a size that is off by more needs a reason
_BIG = 0.05  # of the rows; a larger cluster is reported
_BIG_LEAST = 50


@dataclass(frozen=True)
class Split:
    """Where the rows stand.

    Attributes:
        splits: The rows of train, validation and test, each in their old order.
        bridges: New rows that tie old rows of different splits; they stand in none.
        crossing: Pairs of ids of settled rows that are related now, but stand in different splits.
        reasons: A sentence on each size that is off by more than 1 % of the rows, and on clusters
            of more than 5 % of them.
        wanted: The names of the splits that shall have rows.
    """

    splits: dict[str, list[Row]]
    bridges: list[Row]
    crossing: list[tuple[str, str]]
    reasons: list[str]
    wanted: tuple[str, ...]


def split(
    rows: list[Row],
    related: Iterable[tuple[str, str]],
    *,
    test: float,
    validation: float,
    seed: int,
    settled: Mapping[str, str] | None = None,
    absorbed: Iterable[tuple[str, str]] = (),
) -> Split:
    """Give every row its split.

    Args:
        rows: The clean rows, ids unique.
        related: Pairs of row ids that must not be separated.
        test: Share of the rows for the test split, 0 to 1.
        validation: Share of the rows for the validation split, 0 to 1.
        seed: Another seed gives another split.
        settled: The split of rows of earlier datasets, by row id; they keep it.
        absorbed: Pairs of a row's id and the id of a row that was merged into it.

    Raises:
        UsageError: The shares are below 0 or make more than 1.
    """
    if min(test, validation) < 0 or test + validation > 1:
        raise UsageError(
            f"Shares of {test:g} for test and {validation:g} for validation cannot be had.",
            "Give two numbers from 0 that make 1 at most.",
            "data: test, validation",
        )
    shares = {"test": test, "validation": validation}
    ties = Ties(rows, related, list(absorbed))
    found = settle(ties, settled or {}, seed)
    free = [cluster_of([rows[number] for number in members], seed) for members in found.free]
    dealt = deal(strata_of(rows, found.sides, free), shares)
    result: dict[str, list[Row]] = {name: [] for name in NAMES}
    for number, row in enumerate(rows):
        if number not in found.aside:
            result[found.sides[number] or dealt.get(row.id, "train")].append(row)
    return Split(
        result,
        [rows[number] for number in sorted(found.aside)],
        found.crossing,
        [*_sizes(result, shares, Counter(found.sides), free), *_big(ties)],
        tuple(name for name in NAMES if all_shares(shares)[name] > 0),
    )


def _sizes(
    splits: Mapping[str, list[Row]],
    shares: Mapping[str, float],
    settled: Counter[str],
    free: list[Cluster],
) -> list[str]:
    """Return why a split's size is off, for each one that is off by more than 1 % of the rows."""
    total = sum(map(len, splits.values()))
    slack = max(1.0, _TOLERANCE * total)
    off = {name: len(splits[name]) - share * total for name, share in all_shares(shares).items()}
    names = [name for name in HELD_OUT if abs(off[name]) > slack]
    if not names and abs(off["train"]) > slack:
        names = ["train"]
    largest = max(free, key=lambda cluster: (len(cluster.rows), cluster.key), default=None)
    size = len(largest.rows) if largest else 0
    placed = sum(settled[name] for name in NAMES)
    new = total - placed
    lack = sum(max(0.0, len(splits[n]) - off[n] - settled[n]) for n in HELD_OUT)
    reasons = []
    for name in names:
        got, wish = len(splits[name]), len(splits[name]) - off[name]
        if placed and (settled[name] > wish + slack or (off[name] < 0 and new < lack + slack)):
            why = (
                f"{placed:,} rows are of earlier datasets or tied to one of theirs, and stay there"
            )
        elif largest and size > slack:
            why = f"{size:,} rows tied to that of {largest.rows[0].source} cannot be cut"
        else:
            why = f"the rows form only {len(free):,} clusters that can be dealt out"
        reasons.append(
            f"The {name} split has {got:,} rows where {wish:,.0f} were asked for: {why}."
        )
    return reasons


def _big(ties: Ties) -> list[str]:
    """Return a sentence on the clusters that hold a large part of the rows."""
    sizes = Counter(ties.roots[: len(ties.rows)])
    limit = max(_BIG_LEAST, _BIG * len(ties.rows))
    big = [(count, -root) for root, count in sizes.items() if count > limit]
    if not big:
        return []
    count, root = max(big)
    sentence = (
        f"{len(big):,} clusters of tied rows have more than {limit:,.0f} rows each; "
        f"the largest has {count:,} and begins at {ties.rows[-root].source}."
    )
    return [sentence]
