from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.errors import UsageError
from engine.data.divide.balance import Thinned, thin
from engine.data.rows import Row, make

SIZES = st.dictionaries(st.sampled_from(["", "a", "b", "c", "d"]), st.integers(1, 200), min_size=1)
WARMTH = st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0])


def rows_of(sizes: dict[str, int], start: int = 0) -> list[Row]:
    rows = [
        make(f"{name} {n}", "x", scenario=name)
        for name, size in sizes.items()
        for n in range(start, start + size)
    ]
    return sorted(rows, key=lambda row: row.id)


def counts(thinned: Thinned) -> Counter[str]:
    return Counter(row.scenario for row in thinned.kept)


@given(SIZES, st.integers(0, 60), WARMTH, st.integers(0, 3))
def test_every_row_is_kept_once_or_dropped_and_the_order_stays(
    sizes: dict[str, int], cap: int, temperature: float, seed: int
) -> None:
    rows = rows_of(sizes)
    thinned = thin(rows, cap=cap, temperature=temperature, seed=seed)
    kept, dropped = set(thinned.kept), set(thinned.dropped)
    assert thinned.kept == [row for row in rows if row in kept]
    assert thinned.dropped == [row for row in rows if row in dropped]
    assert len(thinned.kept) + len(thinned.dropped) == len(rows)
    assert not kept & dropped
    assert thinned == thin(rows, cap=cap, temperature=temperature, seed=seed)
    assert {name: before for name, before, _ in thinned.table} == sizes
    assert {name: after for name, _, after in thinned.table} == counts(thinned)
    assert all(after >= 1 for _, _, after in thinned.table)


@given(SIZES.filter(lambda sizes: set(sizes) != {""}), st.integers(1, 60), WARMTH)
def test_no_scenario_has_more_than_the_cap_and_the_order_of_sizes_stays(
    sizes: dict[str, int], cap: int, temperature: float
) -> None:
    after = counts(thin(rows_of(sizes), cap=cap, temperature=temperature, seed=1))
    assert max(after.values()) <= cap
    rising = [after[name] for name, _ in sorted(sizes.items(), key=lambda item: item[1])]
    assert rising == sorted(rising)


def test_shares_follow_the_power_without_copies() -> None:
    rows = rows_of({"a": 900, "b": 400, "c": 100})
    assert counts(thin(rows, cap=0, temperature=0.5, seed=1)) == {"a": 300, "b": 200, "c": 100}
    assert counts(thin(rows, cap=0, temperature=0.0, seed=1)) == {"a": 100, "b": 100, "c": 100}
    assert counts(thin(rows, cap=250, temperature=0.5, seed=1)) == {"a": 250, "b": 200, "c": 100}
    assert counts(thin(rows, cap=250, temperature=1.0, seed=1)) == {"a": 250, "b": 250, "c": 100}
    assert thin(rows, cap=0, temperature=1.0, seed=1).kept == rows


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 100), min_size=2),
    st.integers(0, 40),
    WARMTH,
    st.integers(1, 60),
)
def test_added_rows_push_out_at_most_as_many_as_come_in(
    sizes: dict[str, int], cap: int, temperature: float, more: int
) -> None:
    rows, name = rows_of(sizes), max(sizes, key=sizes.__getitem__)
    new = rows_of({name: more}, start=1000)
    before = set(thin(rows, cap=cap, temperature=temperature, seed=1).kept)
    after = set(thin([*new, *rows], cap=cap, temperature=temperature, seed=1).kept)
    gone = before - after
    assert len(gone) <= len(after & set(new))
    assert {row.scenario for row in gone} <= {name}


def test_another_seed_keeps_other_rows() -> None:
    rows = rows_of({"a": 200, "b": 50})
    one = thin(rows, cap=50, temperature=1.0, seed=1).kept
    assert one != thin(rows, cap=50, temperature=1.0, seed=2).kept


def test_without_any_scenario_nothing_is_thinned() -> None:
    rows = rows_of({"": 100})
    assert thin(rows, cap=10, temperature=0.0, seed=1) == Thinned(rows, [], [("", 100, 100)])
    assert thin([], cap=10, temperature=0.0, seed=1) == Thinned([], [], [])


def test_rows_without_a_scenario_are_thinned_but_do_not_set_the_measure() -> None:
    after = counts(thin(rows_of({"": 3, "a": 80, "b": 40}), cap=0, temperature=0.0, seed=1))
    assert after == {"": 3, "a": 40, "b": 40}
    after = counts(thin(rows_of({"": 300, "a": 80, "b": 40}), cap=0, temperature=0.0, seed=1))
    assert after == {"": 40, "a": 40, "b": 40}


@pytest.mark.parametrize(
    ("cap", "temperature"), [(-1, 1.0), (0, 1.1), (0, -0.1), (0, float("nan"))]
)
def test_settings_out_of_range_are_refused(cap: int, temperature: float) -> None:
    with pytest.raises(UsageError) as fault:
        thin(rows_of({"a": 3}), cap=cap, temperature=temperature, seed=1)
    assert fault.value.where in ("data: cap", "data: temperature")
