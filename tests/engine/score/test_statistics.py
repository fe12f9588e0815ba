"""Intervals and tests against known values, brute force and simulation."""

import itertools

import numpy as np
import pytest

from engine.score.statistics import holm, mcnemar, paired_difference, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe (1998), table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_values(successes, n, low, high):
    found = wilson(successes, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilson_stays_in_bounds_and_holds_its_share():
    for n in (1, 2, 7, 60):
        for successes in range(n + 1):
            found = wilson(successes, n)
            assert 0 <= found.low <= found.value <= found.high <= 1
    assert wilson(0, 5).low == 0
    assert wilson(5, 5).high == 1
    assert wilson(0, 0) == (0, 0, 1)


@pytest.mark.parametrize("share", [0.03, 0.3, 0.8, 0.97])
def test_wilson_holds_the_true_share_in_about_95_of_100_samples(share):
    n = 75
    drawn = np.random.default_rng(1).binomial(n, share, 4000)
    held = [low <= share <= high for _, low, high in (wilson(int(k), n) for k in drawn)]
    assert 0.92 < np.mean(held) < 0.985


@pytest.mark.parametrize(("base", "gained", "lost"), [(0.1, 0.5, 0.02), (0.5, 0.1, 0.1)])
def test_the_paired_interval_holds_the_true_difference_in_about_95_of_100_samples(
    base, gained, lost
):
    random = np.random.default_rng(2)
    held = []
    for seed in range(400):
        kind = random.choice(4, 75, p=[gained, lost, base - lost, 1 - gained - base])
        found = paired_difference(
            np.isin(kind, (1, 2)), np.isin(kind, (0, 2)), resamples=1000, seed=seed
        )
        held.append(found.low <= gained - lost <= found.high)
    assert 0.91 < np.mean(held) < 0.985


def test_groups_are_drawn_whole():
    """Twenty rows that are one row said twenty times are one piece of evidence."""
    random = np.random.default_rng(3)
    held = {"groups": [], "rows": []}
    groups = np.repeat(np.arange(30), 5)
    for seed in range(200):
        new = np.repeat(random.random(30) < 0.5, 5)
        old = np.zeros(150)
        for name, labels in (("groups", groups.tolist()), ("rows", None)):
            found = paired_difference(old, new, labels, resamples=500, seed=seed)
            held[name].append(found.low <= 0.5 <= found.high)
    assert np.mean(held["groups"]) > 0.9
    assert np.mean(held["rows"]) < 0.75


def test_the_interval_is_that_of_every_possible_resample():
    old, new = [0, 1, 0, 0, 1], [1, 1, 0, 1, 0]
    differences = np.subtract(new, old)
    every = [np.mean(drawn) for drawn in itertools.product(differences, repeat=5)]
    found = paired_difference(old, new, resamples=40_000)
    assert found.value == pytest.approx(differences.mean())
    assert (found.low, found.high) == (
        pytest.approx(np.quantile(every, 0.025)),
        pytest.approx(np.quantile(every, 0.975)),
    )


def test_the_same_seed_gives_the_same_interval_and_chunks_do_not_matter(monkeypatch):
    old, new = [0, 1] * 30, [1, 1, 0] * 20
    first = paired_difference(old, new)
    assert first == paired_difference(old, new)
    monkeypatch.setattr("engine.score.statistics._DRAWS", 60 * 7)
    assert first == paired_difference(old, new)


def test_without_rows_nothing_is_known_and_unequal_rows_are_a_fault():
    assert paired_difference([], []) == (0, -1, 1)
    with pytest.raises(ValueError, match="same rows"):
        paired_difference([1], [1, 0])


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [(0, 0, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (10, 2, 0.0385742), (3, 3, 1.0)],
)
def test_mcnemar_gives_the_binomial_values(gained, lost, p_value):
    old = [False] * gained + [True] * lost + [True, False]
    new = [True] * gained + [False] * lost + [True, False]
    assert mcnemar(old, new) == pytest.approx(p_value)
    assert mcnemar(new, old) == pytest.approx(p_value)


def test_mcnemar_is_exact_for_thousands_of_rows():
    old = [False] * 1600 + [True] * 1400
    assert mcnemar(old, [not right for right in old]) == pytest.approx(0.000277, rel=0.01)
    assert mcnemar([False] * 3000, [True] * 3000) == 0.0


def test_holm_gives_the_textbook_values_in_the_order_asked():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
