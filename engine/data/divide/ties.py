"""What ties rows to each other, and which rows thereby have a split already.

A cluster that touches one split of the project's earlier datasets follows it. New rows may tie
rows of two splits: then as few of them as a greedy choice finds are set aside, until every
cluster that is left touches one split.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, combinations

from engine.data.divide.deal import keyed
from engine.data.rows import Row


class Ties:
    """What ties rows to each other. A row's number is its place; merged rows have the next ones.

    Attributes:
        rows: The rows.
        names: The id of each number.
        ones: One end of each tie between two numbers.
        others: Its other end.
        roots: For each number the smallest number of its cluster.
    """

    def __init__(
        self,
        rows: list[Row],
        related: Iterable[tuple[str, str]],
        absorbed: list[tuple[str, str]],
    ) -> None:
        numbers = {row.id: number for number, row in enumerate(rows)}
        for name in chain.from_iterable(absorbed):
            numbers.setdefault(name, len(numbers))
        self.rows = rows
        self.names = list(numbers)
        self.ones, self.others = array("l"), array("l")
        for one, other in chain(related, absorbed):
            if one in numbers and other in numbers:
                self.ones.append(numbers[one])
                self.others.append(numbers[other])
        pairs = chain(zip(self.ones, self.others, strict=True), self._groups())
        self.roots = _joined(len(numbers), pairs)

    def _groups(self) -> Iterator[tuple[int, int]]:
        leaders: dict[str, int] = {}
        for number, row in enumerate(self.rows):
            leader = leaders.setdefault(row.group, number)
            if leader != number:
                yield leader, number


def _root(parent: list[int] | dict[int, int], node: int) -> int:
    while parent[node] != node:
        parent[node] = node = parent[parent[node]]
    return node


def _joined(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Return for each number the smallest one that the pairs tie it to."""
    parent = list(range(count))
    for one, other in pairs:
        first, second = _root(parent, one), _root(parent, other)
        if first < second:
            parent[second] = first
        else:
            parent[first] = second
    for number in range(count):
        parent[number] = parent[parent[number]]
    return parent


@dataclass
class Found:
    """Which rows have a split before any is dealt out. Rows are given by their numbers.

    Attributes:
        sides: The split of each row; empty for a row that has none yet.
        free: The rows of each cluster that touches no split.
        aside: The rows that are set aside.
        crossing: Ids of settled rows that are tied but stand in different splits.
    """

    sides: list[str]
    free: list[list[int]] = field(default_factory=list)
    aside: set[int] = field(default_factory=set)
    crossing: list[tuple[str, str]] = field(default_factory=list)


def settle(ties: Ties, settled: Mapping[str, str], seed: int) -> Found:
    """Let every cluster that touches one split follow it; untie those that touch several."""
    known = {n: settled[name] for n, name in enumerate(ties.names) if name in settled}
    side_of: dict[int, str] = {}
    contested: set[int] = set()
    for number, side in known.items():
        root = ties.roots[number]
        if side_of.setdefault(root, side) != side:
            contested.add(root)
    found = Found([""] * len(ties.rows))
    free: dict[int, list[int]] = defaultdict(list)
    for number in range(len(ties.rows)):
        root = ties.roots[number]
        if root not in side_of:
            free[root].append(number)
        elif root not in contested:
            found.sides[number] = side_of[root]
    found.free += free.values()
    if contested:
        _Tangle(ties, contested, known, seed).untie(found)
    return found


class _Tangle:
    """The clusters that touch several splits: settled rows, new rows, hubs, and what ties them.

    A hub ties rows and cannot be set aside: a group, or a merged row that no split knows. Nodes
    are numbers of `Ties`; groups have the next ones.
    """

    def __init__(
        self, ties: Ties, contested: set[int], known: Mapping[int, str], seed: int
    ) -> None:
        self._names, self._known, self._seed = ties.names, known, seed
        self._count = len(ties.rows)
        self._rows = [n for n in range(self._count) if ties.roots[n] in contested]
        # by node: the splits it touches, each with the first settled node there; and its free ties
        self._touching: dict[int, dict[str, int]] = defaultdict(dict)
        self._near: dict[int, list[int]] = defaultdict(list)
        self._crossing: dict[tuple[int, int], None] = {}
        for one, other in zip(ties.ones, ties.others, strict=True):
            if ties.roots[one] in contested:
                self._tie(one, other)
        groups: dict[str, list[int]] = defaultdict(list)
        for number in self._rows:
            groups[ties.rows[number].group].append(number)
        for hub, members in enumerate(groups.values(), len(ties.names)):
            for number in members if len(members) > 1 else ():
                self._tie(hub, number)
        self._through_hubs()

    def untie(self, found: Found) -> None:
        """Add each row's split to `found`, the clusters without one, and the rows set aside."""
        found.crossing += [(self._names[a], self._names[b]) for a, b in self._crossing]
        new = [number for number in self._rows if number not in self._known]
        aside = {number for number in new if len(self._touching[number]) > 1}
        areas, more = self._grow(self._order([number for number in new if number not in aside]))
        aside |= more
        free: dict[int, list[int]] = defaultdict(list)
        for number in self._rows:
            if number in self._known:
                found.sides[number] = self._known[number]
            elif number not in aside:
                found.sides[number] = areas.side(number)
                if not found.sides[number]:
                    free[areas.root(number)].append(number)
        found.free += free.values()
        found.aside |= aside

    def _hubs(self) -> list[int]:
        nodes = set(self._near) | set(self._touching)
        return sorted(node for node in nodes if node >= self._count and node not in self._known)

    def _tie(self, one: int, other: int) -> None:
        first, second = self._known.get(one), self._known.get(other)
        if first and second:
            self._cross(one, other)
        elif first:
            self._touching[other].setdefault(first, one)
        elif second:
            self._touching[one].setdefault(second, other)
        elif one != other:
            self._near[one].append(other)
            self._near[other].append(one)

    def _cross(self, one: int, other: int) -> None:
        """Remember two settled nodes that are tied across splits, where one is a row."""
        if self._known[one] != self._known[other] and min(one, other) < self._count:
            self._crossing[min(one, other), max(one, other)] = None

    def _through_hubs(self) -> None:
        """Let the rows at a hub, or at several tied ones, touch what any of them touches."""
        seen: set[int] = set()
        for start in self._hubs():
            touched: dict[str, int] = {}
            waiting, rows = [start], []
            while waiting:
                node = waiting.pop()
                if node in seen:
                    continue
                if node < self._count:
                    rows.append(node)
                    continue
                seen.add(node)
                for side, settled in self._touching[node].items():
                    touched.setdefault(side, settled)
                waiting += self._near[node]
            for row in rows:
                self._touching[row] |= touched
            for one, other in combinations(touched.values(), 2):
                self._cross(one, other)

    def _grow(self, order: list[int]) -> tuple[_Areas, set[int]]:
        """Let rows stay in this order; return what they form, and those that cannot stay."""
        areas = _Areas()
        for hub in self._hubs():
            areas.add(hub, (), self._near[hub])
        aside = {
            number
            for number in order
            if not areas.add(number, self._touching[number], self._near[number])
        }
        return areas, aside

    def _order(self, rows: list[int]) -> list[int]:
        """Return the rows in the order in which they may stay, the likely bridges last.

        In each cluster those come first that touch the split which most of its rows touch. Then
        come those that touch another, and the inner ones, those with few ties first; or the inner
        ones before the others: the better of the two ways is taken.
        """
        numbers = {node: place for place, node in enumerate((*rows, *self._hubs()))}
        roots = _joined(
            len(numbers),
            (
                (numbers[one], numbers[other])
                for one in numbers
                for other in self._near[one]
                if other in numbers
            ),
        )
        cluster = {node: roots[place] for node, place in numbers.items()}
        fronts: dict[int, Counter[str]] = defaultdict(Counter)
        for row in rows:
            fronts[cluster[row]].update(self._touching[row].keys())
        first = {root: min(f, key=lambda s: (-f[s], s), default="") for root, f in fronts.items()}

        def rank(row: int, others: int) -> tuple[int, int, str, int, str]:
            side = next(iter(self._touching[row]), "")
            level = 1 if not side else 0 if side == first[cluster[row]] else others
            ties, key = len(self._near[row]), keyed(self._names[row], self._seed)
            return level, -fronts[cluster[row]][side], side, ties, key

        orders = [sorted(rows, key=partial(rank, others=others)) for others in (0, 2)]
        counts = [Counter(cluster[row] for row in self._grow(order)[1]) for order in orders]
        better = {root: int(counts[1][root] < counts[0][root]) for root in fronts}
        return [row for way in (0, 1) for row in orders[way] if better[cluster[row]] == way]


class _Areas:
    """Sets of tied nodes that grow, each touching at most one split."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self._side: dict[int, str] = {}

    def add(self, node: int, touching: Iterable[str], near: Iterable[int]) -> bool:
        """Add a node and join the areas it ties, unless they touch different splits."""
        roots = {self.root(other) for other in near if other in self._parent}
        sides = {self._side[root] for root in roots if root in self._side} | set(touching)
        if len(sides) > 1:
            return False
        for root in (*roots, node):
            self._parent[root] = node
        if sides:
            self._side[node] = sides.pop()
        return True

    def root(self, node: int) -> int:
        """Return the node that stands for the area."""
        return _root(self._parent, node)

    def side(self, node: int) -> str:
        """Return the split that the node's area touches; empty for none."""
        return self._side.get(self.root(node), "")
