"""The sample sizes against simulation: the power that is promised is the power that there is."""

import time

import numpy as np
import pytest
from scipy import stats

from engine.base.project import Objective
from engine.plan import power
from engine.plan.power import Spread


def objective(metric="exact_match", effect=0.05):
    return Objective("i", "p", metric=metric, minimum_effect=effect)


def simulated_mcnemar(rows, effect, discordant, repeats=4000, seed=0):
    random = np.random.default_rng(seed)
    told_apart = random.binomial(rows, discordant, repeats)
    gained = random.binomial(told_apart, (discordant + effect) / (2 * discordant))
    tails = 2 * stats.binom.cdf(np.minimum(gained, told_apart - gained), told_apart, 0.5)
    return np.mean(tails < 0.05)


@pytest.mark.parametrize(
    ("effect", "discordant"),
    [(0.2, 0.2), (0.15, 0.3), (0.1, 0.15), (0.1, 0.5), (0.05, 0.15), (0.03, 0.15), (0.02, 0.4)],
)
def test_mcnemars_test_has_the_promised_power_on_so_many_rows(effect, discordant):
    rows = power.binary_rows(effect, discordant)
    assert simulated_mcnemar(rows, effect, discordant) == pytest.approx(0.80, abs=0.03)
    assert simulated_mcnemar(rows * 3 // 4, effect, discordant) < 0.77


@pytest.mark.parametrize(
    ("rows", "effect", "discordant"), [(40, 0.2, 0.3), (300, 0.06, 0.2), (3000, 0.02, 0.25)]
)
def test_the_computed_power_is_the_simulated_one(rows, effect, discordant):
    found = power.mcnemar_power(rows, effect, discordant)
    assert found == pytest.approx(simulated_mcnemar(rows, effect, discordant, 20_000), abs=0.015)


@pytest.mark.parametrize("rows", [50, 100, 200, 500, 1000])
def test_the_detectable_difference_of_shares_is_the_published_one_and_is_detected(rows):
    published = {50: 0.153, 100: 0.108, 200: 0.077, 500: 0.048, 1000: 0.034}
    found = power.detectable(rows)
    assert found == pytest.approx(published[rows], abs=0.001)
    assert simulated_mcnemar(rows, found, max(0.15, found)) == pytest.approx(0.78, abs=0.03)


@pytest.mark.parametrize(
    ("effect", "deviation"), [(0.2, 0.3), (0.1, 0.3), (0.05, 0.2), (0.03, 0.25)]
)
def test_the_paired_t_test_has_the_promised_power_on_so_many_rows(effect, deviation):
    rows = power.graded_rows(effect, deviation)
    random = np.random.default_rng(1)
    drawn = random.normal(effect, deviation, (4000, rows))
    found = np.mean(stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05)
    assert found == pytest.approx(0.80, abs=0.03)


def test_the_verdicts_own_test_of_a_graded_metric_has_that_power_too():
    from engine.score.statistics import permutation

    rows = power.graded_rows(0.08, 0.2)
    random = np.random.default_rng(2)
    found = []
    for seed in range(400):
        old = random.beta(4, 4, rows)
        new = old + random.choice((-0.2, 0.2), rows) * (random.random(rows) < 0.95) + 0.08
        found.append(permutation(old.tolist(), new.tolist(), resamples=500, seed=seed) < 0.05)
    assert np.mean(found) == pytest.approx(0.80, abs=0.06)


def test_detectable_and_required_are_each_others_inverse():
    for rows in (100, 1000):
        assert power.graded_rows(power.detectable(rows, deviation=0.3), 0.3) == pytest.approx(
            rows, abs=4
        )
        assert power.binary_rows(power.detectable(rows), 0.15) == pytest.approx(rows, rel=0.08)
    assert power.detectable(0) == 1.0
    assert power.detectable(1) <= 1.0


def test_less_gain_more_disagreement_and_more_power_need_more_rows():
    assert power.binary_rows(0.05, 0.2) > power.binary_rows(0.05, 0.1) > power.binary_rows(0.1, 0.1)
    assert power.binary_rows(0.05, 0.2, power=0.9) > power.binary_rows(0.05, 0.2)
    assert power.binary_rows(0.05, 0.2, alpha=0.01) > power.binary_rows(0.05, 0.2)
    assert power.graded_rows(0.05, 0.4) > power.graded_rows(0.05, 0.2)


def test_odd_figures_give_an_answer_and_quickly():
    began = time.perf_counter()
    assert power.binary_rows(1.0, 0.0) <= 10
    assert power.binary_rows(0.3, 0.1) == power.binary_rows(0.3, 0.3)
    assert power.binary_rows(1e-5, 0.5) == power.graded_rows(1e-5, 0.5) == 1_000_000
    assert 0 <= power.mcnemar_power(1, 0.5, 0.5) <= 1
    for effect in (0.01, 0.02, 0.05, 0.1):
        power.binary_rows(effect, 0.33)
    assert time.perf_counter() - began < 1.5


def test_the_sentence_says_the_number_and_the_assumption():
    found = power.required(objective())
    assert found.rows == power.binary_rows(0.05, 0.15)
    assert f"{found.rows:,} test rows" in found.sentence
    assert "disagree on 15% of the rows (an assumption)" in found.sentence
    measured = power.required(objective(), Spread(discordant=0.3, rows=75))
    assert measured.rows > found.rows
    assert "30% of the rows (as measured on 75 validation rows)" in measured.sentence
    graded = power.required(objective("token_f1"), Spread(deviation=0.2, rows=75))
    assert "spread by 0.20 (as measured on 75" in graded.sentence
    least = power.required(objective(effect=0.25))
    assert "25% of the rows (the least that such a gain needs)" in least.sentence
    assert power.required(objective(effect=0.0)).rows == 0


def test_the_spread_is_measured_on_the_newest_trial_of_the_dataset(workspace):
    store = workspace
    store.insert(
        "projects", {"name": "p", "path": "p", "task": "t", "base_model": "m", "created": 1.0}
    )
    sizes = dict.fromkeys(("rows_read", "rows_kept", "train", "validation", "test", "golden"), 40)
    sizes |= {"tokens_train": 1, "tokens_longest": 1, "created": 1.0}
    store.insert("datasets", {"id": "d", "project_id": 1, "path": "d", **sizes})

    def trial(subject, grades, split="validation"):
        score = {
            "project_id": 1, "dataset_id": "d", "model": "m", "seconds": 1.0, "subject": subject,
            "split": split, "rows": len(grades), "created": 1.0,
        }  # fmt: skip
        number = store.insert("scores", score)
        for at, grade in enumerate(grades):
            answer = {"row_id": str(at), "expected": "", "answer": "", "exact": 0, "valid": 1}
            store.insert("answers", {"score_id": number, "tokens": 1, "score": grade, **answer})

    assert power.observed(store, "d") is None
    trial("base", [0.0] * 40)
    trial("few_shot", [1.0] * 40)
    trial("base", [0.0] * 40)
    trial("few_shot", [1.0] * 10 + [0.0] * 30)
    trial("few_shot", [1.0] * 40, split="test")
    found = power.observed(store, "d")
    assert (found.rows, found.discordant) == (40, 0.25)
    assert found.deviation == pytest.approx(np.std([1] * 10 + [0] * 30, ddof=1))
    assert power.observed(store, "other") is None
    trial("base", [0.0] * 10)
    assert power.observed(store, "d") is None
