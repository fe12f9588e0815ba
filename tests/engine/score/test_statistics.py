"""Intervals and tests against known values, brute force and simulation."""

import itertools

import numpy as np
import pytest

from engine.score import statistics
from engine.score.statistics import (
    holm,
    interval,
    mcnemar,
    paired_difference,
    paired_test,
    permutation,
    resampled,
    wilson,
)


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


def test_the_interval_of_yes_and_no_is_wilsons():
    for right, n in ((0, 7), (3, 7), (7, 7), (41, 60)):
        values = [1.0] * right + [0.0] * (n - right)
        assert interval(values) == wilson(right, n)
        assert interval(values, list(range(n))) == wilson(right, n)
    assert interval([]) == (0, 0, 1)


SKEWED = {  # what metrics of texts and fields look like: (draw, true mean)
    "mostly nearly right": (lambda random, n: random.beta(8, 1, n), 8 / 9),
    "mostly nearly wrong": (lambda random, n: random.beta(0.5, 3, n), 1 / 7),
    "right, or half so": (
        lambda random, n: np.where(random.random(n) < 0.6, 1, random.beta(2, 2, n)),
        0.8,
    ),
    "wrong, or anything": (lambda random, n: (random.random(n) > 0.8) * random.random(n), 0.1),
    "fields of five": (lambda random, n: random.binomial(5, 0.85, n) / 5, 0.85),
}


@pytest.mark.parametrize("n", [50, 200])
@pytest.mark.parametrize("name", SKEWED)
def test_the_interval_of_a_skewed_metric_holds_its_mean_in_93_to_97_of_100_samples(name, n):
    draw, mean = SKEWED[name]
    random = np.random.default_rng(11)
    held = []
    for _ in range(3000):
        found = interval(draw(random, n).tolist())
        assert 0 <= found.low <= found.value <= found.high <= 1
        held.append(found.low <= mean <= found.high)
    assert 0.93 <= np.mean(held) <= 0.97


def test_where_nearly_all_rows_are_right_it_is_far_more_honest_than_the_bootstrap():
    random = np.random.default_rng(12)
    held = {"ours": [], "bootstrap": []}
    for _ in range(1500):
        values = np.where(random.random(50) < 0.97, 1, random.random(50))
        drawn = values[random.integers(50, size=(500, 50))].mean(1)
        low, high = np.quantile(drawn, (0.025, 0.975))
        found = interval(values.tolist())
        held["ours"].append(found.low <= 0.985 <= found.high)
        held["bootstrap"].append(low <= 0.985 <= high)
    assert np.mean(held["ours"]) > 0.9
    assert np.mean(held["bootstrap"]) < 0.75


@pytest.mark.parametrize("graded", [False, True])
def test_the_interval_counts_groups_and_not_rows(graded):
    random = np.random.default_rng(13)
    held = {"groups": [], "rows": []}
    for _ in range(1500):
        of_group = random.beta(4, 2, 40)
        rows = np.repeat(of_group, 5)
        values = rows if graded else (np.repeat(random.random(40) < of_group, 5)).astype(float)
        groups = np.repeat(np.arange(40), 5).tolist()
        for name, labels in (("groups", groups), ("rows", None)):
            found = interval(values.tolist(), labels)
            held[name].append(found.low <= 2 / 3 <= found.high)
    assert 0.93 <= np.mean(held["groups"]) <= 0.97
    assert np.mean(held["rows"]) < 0.8


def test_where_nothing_varies_each_group_counts_as_one_row():
    assert interval([1.0] * 60, ["a", "b", "c"] * 20).low == pytest.approx(0.14, abs=0.02)
    found = interval([0.5] * 50)
    assert (found.value, found.low < 0.4, found.high > 0.6) == (0.5, True, True)
    assert interval([0.7]).low < 0.1
    assert interval([0.7, 0.7, 0.8], ["one"] * 3).low < 0.1


def test_students_point_is_that_of_scipy():
    from scipy import stats

    for freedom in (1, 2, 5, 10, 11, 20, 59, 500):
        assert statistics._t(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-4)


def test_the_permutation_test_is_that_of_scipy():
    from scipy import stats

    random = np.random.default_rng(14)
    for n, shift in ((6, 0.3), (10, 0.1), (12, 0.0), (40, 0.05)):
        old = random.random(n)
        new = np.clip(old + random.normal(shift, 0.2, n), 0, 1)
        reference = stats.permutation_test(
            (new, old),
            lambda x, y: np.mean(x - y),
            permutation_type="samples",
            n_resamples=10_000 if n > 13 else np.inf,
            rng=np.random.default_rng(0),
        ).pvalue
        found = permutation(old.tolist(), new.tolist())
        assert found == pytest.approx(reference, abs=1e-9 if n <= 13 else 0.015)
        assert permutation(new.tolist(), old.tolist()) == pytest.approx(found, abs=0.015)


def test_of_equals_the_permutation_test_finds_five_in_a_hundred():
    random = np.random.default_rng(15)
    found = []
    for seed in range(600):
        old, new = random.beta(5, 2, (2, 60))
        found.append(permutation(old.tolist(), new.tolist(), resamples=400, seed=seed) < 0.05)
    assert 0.03 <= np.mean(found) <= 0.07


def test_one_group_is_no_proof_whatever_its_rows_say():
    old, new = [0.1] * 50, [0.9] * 50
    assert permutation(old, new) < 0.001
    assert permutation(old, new, ["one customer"] * 50) == 1.0
    assert permutation(old, old) == 1.0


def test_the_test_suits_the_figures():
    old, new = [0, 0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1, 1]
    assert paired_test(old, new) == mcnemar(old, new)
    graded = [0.5, *new[1:]]
    assert paired_test(old, graded) == permutation(old, graded)
    assert paired_test([], []) == 1.0


def test_the_bootstrap_of_a_mean_is_that_of_the_mean():
    random = np.random.default_rng(16)
    values = random.random(80)
    found = resampled(lambda weights: weights @ values / weights.sum(-1), 80, resamples=8000)
    reference = paired_difference([0.0] * 80, values.tolist())
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == (
        pytest.approx(reference.low, abs=0.005),
        pytest.approx(reference.high, abs=0.005),
    )
