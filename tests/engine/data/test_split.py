from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.rows import Row, make
from engine.data.split import split


def some_rows(count: int, *, group_of: int = 1, scenarios: int = 12) -> list[Row]:
    return [
        make(
            f"prompt {n}", "a", group=f"g{n // group_of}", scenario=f"s{n // group_of % scenarios}"
        )
        for n in range(count)
    ]


def places(parts: dict[str, list[Row]]) -> dict[str, str]:
    return {row.id: name for name, rows in parts.items() for row in rows}


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 3)), max_size=60, min_size=1),
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=20),
    st.integers(0, 5),
)
def test_no_group_and_no_related_pair_spans_two_splits(
    marks: list[tuple[int, int]], links: list[tuple[int, int]], seed: int
) -> None:
    rows = [
        make(f"p{n}", "a", group=f"g{group}", scenario=f"s{scenario}")
        for n, (group, scenario) in enumerate(marks)
    ]
    related = [(rows[a].id, rows[b].id) for a, b in links if max(a, b) < len(rows)]
    place = places(split(rows, related, test=0.2, validation=0.1, seed=seed))
    assert sorted(place) == sorted(row.id for row in rows)
    for one, other in related:
        assert place[one] == place[other]
    by_group: dict[str, set[str]] = {}
    for row in rows:
        by_group.setdefault(row.group, set()).add(place[row.id])
    assert all(len(names) == 1 for names in by_group.values())


@pytest.mark.parametrize("seed", range(5))
def test_sizes_are_within_one_percent_on_700_rows_and_every_scenario_is_tested(seed: int) -> None:
    parts = split(some_rows(700, group_of=2), [], test=0.15, validation=0.1, seed=seed)
    assert abs(len(parts["test"]) / 700 - 0.15) <= 0.01
    assert abs(len(parts["validation"]) / 700 - 0.10) <= 0.01
    tested = Counter(row.scenario for row in parts["test"])
    assert len(tested) == 12
    assert max(tested.values()) - min(tested.values()) <= 4


def test_sizes_hold_with_large_clusters_too() -> None:
    parts = split(some_rows(720, group_of=10), [], test=0.15, validation=0.1, seed=1)
    assert abs(len(parts["test"]) / 720 - 0.15) <= 0.01
    assert abs(len(parts["validation"]) / 720 - 0.10) <= 0.01


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = some_rows(300)
    forward = split(rows, [], test=0.15, validation=0.1, seed=1)
    backward = split(rows[::-1], [], test=0.15, validation=0.1, seed=1)
    assert places(forward) == places(backward)


def test_another_seed_gives_another_split() -> None:
    rows = some_rows(300)
    one = places(split(rows, [], test=0.15, validation=0.1, seed=1))
    other = places(split(rows, [], test=0.15, validation=0.1, seed=2))
    assert one != other


def test_rows_added_later_leave_nearly_all_others_in_place() -> None:
    rows = some_rows(770)
    before = places(split(rows[:700], [], test=0.15, validation=0.1, seed=1))
    after = places(split(rows, [], test=0.15, validation=0.1, seed=1))
    moved = sum(after[row] != name for row, name in before.items())
    assert moved <= 0.06 * 700


def test_shares_of_nothing_leave_everything_to_train() -> None:
    parts = split(some_rows(20), [], test=0.0, validation=0.0, seed=1)
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [20, 0, 0]
