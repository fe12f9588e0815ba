from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.base.errors import UsageError
from engine.data.divide.split import Split, split
from engine.data.divide.ties import Ties
from engine.data.rows import Row, make

Pair = tuple[str, str]


def some_rows(count: int, *, group_of: int = 1, scenarios: int = 12) -> list[Row]:
    return [
        make(
            f"prompt {n}", "a", group=f"g{n // group_of}", scenario=f"s{n // group_of % scenarios}"
        )
        for n in range(count)
    ]


def places(parts: Split) -> dict[str, str]:
    return {row.id: name for name, rows in parts.splits.items() for row in rows}


def divide(rows: list[Row], related: list[Pair] = (), *, seed: int = 1, **more: object) -> Split:
    shares = {"test": 0.15, "validation": 0.1} | more
    return split(rows, related, seed=seed, **shares)


def components(rows: list[Row], related: list[Pair], absorbed: list[Pair]) -> list[set[str]]:
    """Search the rows that hang together, in the plainest way."""
    near: dict[str, set[str]] = defaultdict(set)
    ids = {row.id for row in rows}
    merged = {gone for _, gone in absorbed}
    pairs = [(a, b) for a, b in (*related, *absorbed) if {a, b} <= ids | merged]
    groups: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row.id)
    pairs += [pair for members in groups.values() for pair in itertools.pairwise(members)]
    for one, other in pairs:
        near[one].add(other)
        near[other].add(one)
    found, seen = [], set()
    for start in (row.id for row in rows):
        if start in seen:
            continue
        reached, waiting = {start}, [start]
        while waiting:
            fresh = near[waiting.pop()] - reached
            reached |= fresh
            waiting += fresh
        seen |= reached
        found.append(reached)
    return found


@st.composite
def data(draw: st.DrawFn) -> tuple[list[Row], list[Pair]]:
    """Rows with groups and scenarios, and pairs that tie them."""
    marks = draw(
        st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=60, min_size=1)
    )
    rows = [
        make(f"p{n}", "a", group=f"g{group}" if group < 12 else "", scenario=f"s{scenario}")
        for n, (group, scenario) in enumerate(marks)
    ]
    at = st.integers(0, len(rows) - 1)
    links = draw(st.lists(st.tuples(at, at), max_size=25))
    return rows, [(rows[a].id, rows[b].id) for a, b in links]


@given(data(), st.integers(0, 5))
def test_no_cluster_spans_two_splits(made: tuple[list[Row], list[Pair]], seed: int) -> None:
    rows, related = made
    parts = split(rows, related, test=0.2, validation=0.1, seed=seed)
    place = places(parts)
    assert sorted(place) == sorted(row.id for row in rows)
    for component in components(rows, related, []):
        assert len({place[row_id] for row_id in component}) == 1
    assert not parts.bridges
    assert not parts.crossing


@st.composite
def grown(draw: st.DrawFn) -> tuple[list[Row], list[Pair], dict[str, str], list[Row], list[Pair]]:
    """A dataset with its split, and a later one: new rows anywhere, some in place of old ones."""
    rows, related = draw(data())
    cut = draw(st.integers(0, len(rows)))
    old = rows[:cut]
    known = {row.id for row in old}
    earlier = [pair for pair in related if set(pair) <= known]
    settled = places(split(old, earlier, test=0.3, validation=0.2, seed=1))
    new = rows[cut:]
    kept = st.sampled_from(new) if new else st.nothing()
    takers = draw(st.dictionaries(st.integers(0, cut - 1), kept, max_size=6)) if new and cut else {}
    absorbed = [(taker.id, old[place].id) for place, taker in takers.items()]
    gone = {name for _, name in absorbed}
    later = [row for row in draw(st.permutations(rows)) if row.id not in gone]
    ids = {row.id for row in later}
    return later, [pair for pair in related if set(pair) <= ids], settled, old, absorbed


@settings(max_examples=300)
@given(grown(), st.integers(0, 3))
def test_added_rows_move_no_old_row_and_no_cluster_spans_two_splits(made, seed: int) -> None:
    rows, related, settled, old, absorbed = made
    parts = split(
        rows, related, test=0.3, validation=0.2, seed=seed, settled=settled, absorbed=absorbed
    )
    place = places(parts)
    aside = {row.id for row in parts.bridges}
    known = {row.id for row in old}
    assert {row.id for row in rows} == place.keys() | aside
    assert not aside & (place.keys() | known)
    assert all(place[name] == settled[name] for name in place.keys() & known)
    assert not parts.crossing
    kept = [row for row in rows if row.id not in aside]
    here = {row.id for row in kept}
    merged = [pair for pair in absorbed if pair[0] in here]
    place |= {gone: settled[gone] for _, gone in merged}
    for component in components(kept, related, merged):
        assert len({place[name] for name in component if name in place}) == 1


@settings(max_examples=150)
@given(grown())
def test_no_row_that_was_set_aside_could_have_stayed(made) -> None:
    rows, related, settled, _, absorbed = made
    parts = split(
        rows, related, test=0.3, validation=0.2, seed=1, settled=settled, absorbed=absorbed
    )
    aside = {row.id for row in parts.bridges}
    for one in parts.bridges:
        kept = [row for row in rows if row.id == one.id or row.id not in aside]
        here = {row.id for row in kept}
        merged = [pair for pair in absorbed if pair[0] in here]
        cluster = next(found for found in components(kept, related, merged) if one.id in found)
        assert len({settled[name] for name in cluster if name in settled}) > 1


@given(data(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(
    made: tuple[list[Row], list[Pair]], chance: random.Random
) -> None:
    rows, related = made
    settled = {row.id: chance.choice(["train", "test"]) for row in rows[::3]}
    mixed = chance.sample(rows, len(rows))
    one = split(rows, related, test=0.2, validation=0.1, seed=1, settled=settled)
    other = split(mixed, related[::-1], test=0.2, validation=0.1, seed=1, settled=settled)
    assert places(one) == places(other)
    assert {row.id for row in one.bridges} == {row.id for row in other.bridges}


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 5), min_size=300, max_size=500),
    st.integers(1, 40),
    st.sampled_from([(0.15, 0.1), (0.2, 0.0), (0.05, 0.05), (0.4, 0.3)]),
    st.integers(0, 9),
)
def test_sizes_are_within_one_percent_where_clusters_are_small(
    sizes: list[int], scenarios: int, shares: tuple[float, float], seed: int
) -> None:
    rows = [
        make(f"p{n} {k}", "a", group=f"g{n}", scenario=f"s{n * n % scenarios}")
        for n, size in enumerate(sizes)
        for k in range(size)
    ]
    parts = split(rows, [], test=shares[0], validation=shares[1], seed=seed)
    if len(rows) >= 500:
        assert abs(len(parts.splits["test"]) / len(rows) - shares[0]) <= 0.01
        assert abs(len(parts.splits["validation"]) / len(rows) - shares[1]) <= 0.01
        assert not parts.reasons


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=40),
    st.integers(1, 12),
    st.integers(0, 30),
    st.integers(0, 9),
)
def test_no_single_cluster_could_be_moved_to_bring_the_sizes_nearer(
    sizes: list[int], scenarios: int, single: int, seed: int
) -> None:
    sizes = [*sizes, *[1] * single]
    rows = [
        make(f"p{n} {k}", "a", group=f"g{n}", scenario=f"s{n * n % scenarios}")
        for n, size in enumerate(sizes)
        for k in range(size)
    ]
    parts = divide(rows, seed=seed)
    for name, share in (("test", 0.15), ("validation", 0.1)):
        over = len(parts.splits[name]) - share * len(rows)
        movable = Counter(row.group for row in parts.splits[name if over > 0 else "train"])
        assert all(size / 2 >= abs(over) - 1e-6 for size in movable.values())
        if abs(over) > max(1, 0.01 * len(rows)):
            assert any(f"The {name} split has" in reason for reason in parts.reasons)


@pytest.mark.parametrize("seed", range(5))
def test_every_scenario_has_its_share_of_each_split(seed: int) -> None:
    parts = divide(some_rows(720, group_of=2), seed=seed)
    for name, share in (("test", 9), ("validation", 6), ("train", 45)):
        counts = Counter(row.scenario for row in parts.splits[name])
        assert len(counts) == 12
        assert all(abs(count - share) <= 2 for count in counts.values())


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.integers(5, 400), st.integers(100, 400))
def test_rows_added_step_by_step_keep_the_sizes(seed: int, first: int, second: int) -> None:
    chance = random.Random(seed)
    rows = some_rows(first + second, scenarios=7)
    chance.shuffle(rows)
    before = places(divide(rows[:first], seed=seed))
    parts = divide(rows, seed=seed, settled=before)
    assert all(places(parts)[name] == side for name, side in before.items())
    assert abs(len(parts.splits["test"]) - 0.15 * len(rows)) <= 1
    assert abs(len(parts.splits["validation"]) - 0.1 * len(rows)) <= 1
    assert parts.reasons == []


def test_an_overfull_test_split_is_not_shrunk_and_the_reason_is_told() -> None:
    rows = some_rows(600)
    settled = {row.id: "test" for row in rows[:200]}
    parts = divide(rows, settled=settled)
    assert {row.id for row in parts.splits["test"]} == settled.keys()
    assert len(parts.splits["validation"]) == 60
    (reason,) = parts.reasons
    assert reason == (
        "The test split has 200 rows where 90 were asked for: 200 rows are of earlier "
        "datasets or tied to one of theirs, and stay there."
    )


def test_a_test_split_that_is_short_gets_what_is_new() -> None:
    rows = some_rows(600)
    parts = divide(rows, settled={row.id: "train" for row in rows[:560]})
    assert len(parts.splits["test"]) + len(parts.splits["validation"]) == 40
    assert "560 rows are of earlier datasets" in parts.reasons[0]


def test_a_lack_in_one_scenario_is_made_up_in_all_others_alike() -> None:
    rows = some_rows(1200, scenarios=4)
    full = {row.id: "train" for row in rows if row.scenario == "s0"}
    parts = divide(rows, settled=full)
    assert len(parts.splits["test"]) == 180
    assert Counter(row.scenario for row in parts.splits["test"]) == {"s1": 60, "s2": 60, "s3": 60}


def test_a_cluster_too_big_for_the_sizes_is_named() -> None:
    rows = some_rows(90) + [
        make(f"b{n}", "a", group="big", scenario="big", source=f"big.csv:{n + 1}")
        for n in range(910)
    ]
    parts = divide(rows)
    assert {row.group for row in parts.splits["train"]} >= {"big"}
    assert any("910 rows tied to that of big.csv:1 cannot be cut" in r for r in parts.reasons)
    assert any("the largest has 910 and begins at big.csv:1" in r for r in parts.reasons)


def test_large_clusters_fill_the_sizes_as_nearly_as_they_can() -> None:
    parts = divide(some_rows(720, group_of=10))
    assert abs(len(parts.splits["test"]) / 720 - 0.15) <= 0.01
    assert abs(len(parts.splits["validation"]) / 720 - 0.10) <= 0.01
    assert not parts.reasons


def test_a_scenario_of_one_cluster_stays_in_train() -> None:
    rows = some_rows(400, scenarios=4)
    lone = [make(f"lone {n}", "a", scenario=f"lone {n}") for n in range(30)]
    for seed in range(5):
        parts = divide([*rows, *lone], seed=seed)
        assert set(lone) <= set(parts.splits["train"])
        assert abs(len(parts.splits["test"]) - 64.5) < 1


def test_scenarios_that_are_clusters_fill_the_sizes_all_the_same() -> None:
    rows = [make(f"p{n}", "a", group=f"g{n // 3}", scenario=f"s{n // 3}") for n in range(900)]
    parts = divide(rows)
    assert len(parts.splits["test"]) == 135
    assert len(parts.splits["validation"]) == 90


def test_another_seed_gives_another_split() -> None:
    rows = some_rows(300)
    assert places(divide(rows, seed=1)) == places(divide(rows, seed=1))
    assert places(divide(rows, seed=1)) != places(divide(rows, seed=2))


def test_rows_stay_in_their_old_order() -> None:
    rows = some_rows(100)
    for part in divide(rows).splits.values():
        assert part == [row for row in rows if row in part]


def test_added_rows_leave_nearly_all_in_place_even_where_the_memory_is_lost() -> None:
    rows = some_rows(770)
    before, after = places(divide(rows[:700])), places(divide(rows))
    assert sum(after[row] != name for row, name in before.items()) <= 0.06 * 700


def untied(kept: set[str], pairs: list[Pair], sides: dict[str, str]) -> bool:
    """Whether no two sides hang together through what is kept."""
    near: dict[str, set[str]] = defaultdict(set)
    for one, other in pairs:
        near[one].add(other)
        near[other].add(one)
    for start, side in sides.items():
        reached, waiting = {start}, [start]
        while waiting:
            fresh = (near[waiting.pop()] & kept) - reached
            if any(sides.get(name, side) != side for name in fresh):
                return False
            reached |= fresh
            waiting += fresh - sides.keys()
    return True


def test_as_few_rows_are_set_aside_as_a_search_of_all_sets_finds_or_hardly_more() -> None:
    least = taken = 0
    for seed in range(400):
        chance = random.Random(seed)
        new = named(*(f"new {n}" for n in range(chance.randint(3, 10))))
        old = named(*(f"old {n}" for n in range(chance.randint(2, 6))))
        names = ["train", "test", "validation"][: chance.choice([2, 2, 3])]
        sides = {row.id: chance.choice(names) for row in old}
        density = chance.choice([0.1, 0.2, 0.35])
        pairs = [p for p in itertools.combinations(new, 2) if chance.random() < density]
        pairs += [p for p in itertools.product(new, old) if chance.random() < density * 0.6]
        related = [(one.id, other.id) for one, other in pairs]
        parts = divide([*new, *old], related, settled=sides)
        everything = {row.id for row in (*new, *old)}
        sets = itertools.chain.from_iterable(
            itertools.combinations(new, size) for size in range(len(new) + 1)
        )
        best = next(
            some for some in sets if untied(everything - {row.id for row in some}, related, sides)
        )
        least += len(best)
        taken += len(parts.bridges)
    assert least > 50
    assert taken <= 1.01 * least


def named(*names: str, group: str = "") -> list[Row]:
    return [make(name, "a", group=group) for name in names]


def test_only_the_row_that_ties_both_sides_is_set_aside() -> None:
    train, test, left, bridge, right, far = named("t", "h", "left", "bridge", "right", "far")
    ties = [(train, left), (left, bridge), (bridge, right), (right, test), (bridge, far)]
    parts = divide(
        [bridge, far, left, right, train, test],
        [(a.id, b.id) for a, b in ties],
        settled={train.id: "train", test.id: "test"},
    )
    place = places(parts)
    assert parts.bridges == [bridge]
    assert (place[left.id], place[right.id]) == ("train", "test")
    assert far.id in place


def test_the_hub_of_a_star_is_set_aside_not_its_rays() -> None:
    (hub,) = named("hub")
    old = named(*(f"old {n}" for n in range(20)))
    rays = named(*(f"ray {n}" for n in range(20)))
    related = [(a.id, b.id) for a, b in zip(old, rays, strict=True)]
    related += [(hub.id, ray.id) for ray in rays]
    settled = {row.id: "train" if n % 2 else "test" for n, row in enumerate(old)}
    parts = divide([hub, *rays, *old], related, settled=settled)
    assert parts.bridges == [hub]


def test_the_hub_of_a_star_with_long_rays_is_set_aside() -> None:
    (hub,) = named("hub")
    old, outer, inner = (named(*(f"{where} {n}" for n in range(20))) for where in ("o", "m", "i"))
    related = [(a.id, b.id) for a, b in zip(old + outer, outer + inner, strict=True)]
    related += [(hub.id, ray.id) for ray in inner]
    settled = {row.id: "train" if n % 2 else "test" for n, row in enumerate(old)}
    parts = divide([hub, *inner, *outer, *old], related, settled=settled)
    assert parts.bridges == [hub]


def test_of_a_group_with_rows_near_both_sides_the_fewer_are_set_aside() -> None:
    train, test = named("t", "h")
    group = named(*(f"of the group {n}" for n in range(6)), group="g")
    related = [(row.id, train.id) for row in group[:4]] + [(group[4].id, test.id)]
    parts = divide([train, test, *group], related, settled={train.id: "train", test.id: "test"})
    assert parts.bridges == [group[4]]
    assert {places(parts)[row.id] for row in group if row != group[4]} == {"train"}


def test_a_row_in_place_of_old_ones_of_two_splits_is_set_aside() -> None:
    taker, other = named("taker", "other")
    parts = divide(
        [taker, other],
        settled={"one": "train", "two": "test"},
        absorbed=[(taker.id, "one"), (taker.id, "two")],
    )
    assert parts.bridges == [taker]
    assert list(places(parts)) == [other.id]


def test_a_row_in_place_of_an_old_one_follows_it_through_other_merged_rows() -> None:
    for side in ("train", "validation", "test"):
        taker, *more = named("taker", *(f"other {n}" for n in range(30)))
        parts = divide(
            [taker, *more],
            settled={"old": side},
            absorbed=[("between", "old"), (taker.id, "between")],
        )
        assert places(parts)[taker.id] == side


def test_merged_rows_that_no_split_knows_tie_what_took_them_in() -> None:
    train, test, one, other = named("t", "h", "one", "other")
    parts = divide(
        [train, test, one, other],
        [(train.id, one.id), (test.id, other.id)],
        settled={train.id: "train", test.id: "test"},
        absorbed=[(one.id, "merged"), (other.id, "merged")],
    )
    assert len(parts.bridges) == 1
    assert parts.bridges[0] in (one, other)


def test_old_rows_that_are_related_only_now_stay_and_are_reported() -> None:
    one, two, three = named("one", "two", "three")
    four, five = named("four", "five", group="g")
    settled = {one.id: "train", two.id: "test", four.id: "train", five.id: "validation"}
    parts = divide(
        [one, two, three, four, five],
        [(one.id, two.id), (two.id, one.id), (two.id, three.id)],
        settled=settled,
        absorbed=[(one.id, "gone")],
    )
    place = places(parts)
    assert parts.crossing == [(one.id, two.id), (four.id, five.id)]
    assert {name: place[name] for name in settled} == settled
    assert place[three.id] == "test"
    assert not parts.bridges


def test_an_old_row_keeps_its_side_when_it_takes_in_one_of_another_split() -> None:
    (one,) = named("one")
    parts = divide([one], settled={one.id: "train", "gone": "test"}, absorbed=[(one.id, "gone")])
    assert parts.splits["train"] == [one]
    assert parts.crossing == [(one.id, "gone")]


def test_shares_of_nothing_leave_everything_to_train() -> None:
    parts = divide(some_rows(20), test=0.0, validation=0.0)
    assert [len(parts.splits[name]) for name in ("train", "validation", "test")] == [20, 0, 0]
    assert parts.wanted == ("train",)


def test_shares_of_everything_leave_nothing_to_train() -> None:
    parts = divide(some_rows(20), test=0.75, validation=0.25)
    assert [len(parts.splits[name]) for name in ("train", "validation", "test")] == [0, 5, 15]
    assert parts.wanted == ("validation", "test")


@pytest.mark.parametrize(("test", "validation"), [(0.9, 0.2), (-0.1, 0.2)])
def test_impossible_shares_are_refused(test: float, validation: float) -> None:
    with pytest.raises(UsageError, match="cannot be had"):
        divide(some_rows(20), test=test, validation=validation)


def test_no_rows_give_an_empty_split() -> None:
    parts = divide([])
    assert parts.splits == {"train": [], "validation": [], "test": []}
    assert parts.reasons == []


def test_a_long_chain_is_one_cluster() -> None:
    rows = some_rows(50_000)
    chain = [(one.id, other.id) for one, other in itertools.pairwise(rows)]
    random.Random(1).shuffle(chain)
    assert len(set(Ties(rows, chain, []).roots)) == 1
    settled = {rows[0].id: "train", rows[-1].id: "test"}
    assert len(divide(rows, chain, settled=settled).bridges) == 1
