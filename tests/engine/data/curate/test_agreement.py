"""Agreement against values worked out by hand in publications."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.curate import agreement
from engine.data.curate.agreement import alpha, interval, kappa, measure
from engine.data.curate.review import Review

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", sections A, B and C
JON_AND_MEG = zip("0100000010", "1110010000", strict=True)
BEN_AND_GERRY = zip("aabbdcccedda", "babbbccceddd", strict=True)
FOUR = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def test_alpha_of_two_people_and_two_labels_is_the_published_one():
    assert alpha(JON_AND_MEG) == pytest.approx(0.095, abs=0.0005)


def test_alpha_of_two_people_and_five_labels_is_the_published_one():
    assert alpha(BEN_AND_GERRY) == pytest.approx(0.692, abs=0.0005)


def test_alpha_of_four_people_with_gaps_is_the_published_one():
    units = [[label for label in labels if label != "."] for labels in zip(*FOUR, strict=True)]
    assert alpha(units) == pytest.approx(0.743, abs=0.0005)


@pytest.mark.parametrize(
    ("table", "value"),
    [
        # yes-yes, yes-no, no-yes, no-no; the example of the English Wikipedia's article
        ((20, 5, 10, 15), 0.4),
        # Feinstein and Cicchetti 1990: the same 85 % agreement, once balanced and once not
        ((40, 9, 6, 45), 0.70),
        ((80, 10, 5, 5), 0.32),
    ],
)
def test_kappa_is_the_published_one(table, value):
    kinds = (("y", "y"), ("y", "n"), ("n", "y"), ("n", "n"))
    pairs = [kind for kind, count in zip(kinds, table, strict=True) for _ in range(count)]
    assert kappa(pairs) == pytest.approx(value, abs=0.005)


def test_where_all_chose_the_same_there_is_no_figure():
    assert alpha([["a", "a"]] * 60) is None
    assert kappa([("a", "a")] * 60) is None
    assert interval([["a", "a"]] * 60) is None
    assert alpha([["a"], ["b"]]) is None
    assert kappa([]) is None


def test_the_interval_holds_the_value_and_narrows_with_more_rows():
    few = [["a", "a"], ["b", "b"], ["a", "b"], ["c", "c"], ["b", "b"]] * 6
    low, high = interval(few)
    assert low < alpha(few) < high
    narrow = interval(few * 10)
    assert narrow[1] - narrow[0] < (high - low) / 2
    assert interval(few) == (low, high)


_UNITS = st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=12)


@given(_UNITS, st.randoms())
def test_alpha_is_at_most_one_and_knows_no_order(units, rng):
    value = alpha(units)
    if value is None:
        return
    assert value <= 1
    mixed = [rng.sample(unit, len(unit)) for unit in rng.sample(units, len(units))]
    assert math.isclose(alpha(mixed), value, abs_tol=1e-12)


def made(row, reviewer, decision, number=1, completion=None, note=""):
    return Review(number, row, "a:1", reviewer, decision, None, completion, None, note, 1.0)


def test_decisions_of_two_people_are_measured():
    rows = {}
    for at in range(60):
        second = "reject" if at % 2 else "accept"
        first = "accept" if at < 3 else second
        rows[f"{at}"] = (made(f"{at}", "ann", first), made(f"{at}", "ben", second, 2))
    rows["alone"] = (made("alone", "ann", "reject"),)
    found = measure(rows)["decision"]
    assert (found.rows, found.reviewers, found.pair) == (60, ("ann", "ben"), ("ann", "ben"))
    assert found.same == pytest.approx(59 / 60)
    assert found.kappa == pytest.approx(0.9667, abs=0.001)
    assert found.interval[0] < found.alpha < found.interval[1] <= 1
    assert found.result == "go"


def test_labels_are_compared_apart_from_decisions():
    rows, labels = {}, {}
    for at in range(50):
        labels[f"{at}"] = f"label {at % 5}"
        other = "label 0" if at < 20 else None
        rows[f"{at}"] = (
            made(f"{at}", "ann", "accept"),
            made(f"{at}", "ben", "relabel" if other else "accept", 2, other),
        )
    found = measure(rows, labels)
    assert found["label"].same == pytest.approx(34 / 50)  # 4 of the 20 had label 0 anyway
    assert found["label"].result == "stop"
    assert found["decision"].same == pytest.approx(30 / 50)


def test_the_first_decision_counts_and_none_that_settles():
    rows = {
        "a": (
            made("a", "ann", "accept", 1),
            made("a", "ben", "reject", 2),
            made("a", "ann", "reject", 3),
            made("a", "ben", "accept", 4, note="settled"),
        )
    }
    found = measure(rows)["decision"]
    assert (found.rows, found.same, found.result) == (1, 0.0, "few")


@pytest.mark.parametrize(
    ("wrong", "result"), [(0, "go"), (12, "go"), (14, "revise"), (19, "revise"), (30, "stop")]
)
def test_the_bounds_are_eight_tenths_and_two_thirds(wrong, result):
    rows = {}
    for at in range(120):
        first = "accept" if at % 2 else "reject"
        second = first if at >= wrong else {"accept": "reject", "reject": "accept"}[first]
        rows[f"{at}"] = (made(f"{at}", "ann", first), made(f"{at}", "ben", second, 2))
    found = measure(rows)["decision"]
    assert found.result == result
    assert set(agreement.ADVICE) >= {found.result}
