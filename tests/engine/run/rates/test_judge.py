"""The judgement of a range test's curve, on curves whose answer is known."""

from __future__ import annotations

import math
import random

import pytest

from engine.run.rates.judge import Smooth, Step, exploded, propose

STEPS = 84


def climb(loss, *, low=1e-6, noise=0.0, steps=STEPS, seed=5):
    """The steps of a test whose loss is a function of the rate; ends where it explodes."""
    chance, smooth, found = random.Random(seed), Smooth(), []
    for step in range(steps):
        rate = low * (1 / low) ** (step / (steps - 1))
        value = loss(rate) + chance.gauss(0, noise)
        found.append(Step(rate, value, smooth.add(value)))
        if exploded(found):
            break
    return found


def curve(fall_at, blow_at, deep=2.0):
    """Flat at 3, an S downwards around one rate, up in a wall at another."""

    def loss(rate):
        place = math.log10(rate)
        fall = deep / (1 + math.exp(-4 * (place - math.log10(fall_at))))
        return 3.0 - fall + 10 * max(0.0, place - math.log10(blow_at))

    return loss


def test_the_average_is_not_pulled_to_zero_at_its_beginning():
    smooth = Smooth()
    assert [smooth.add(5.0) for _ in range(4)] == pytest.approx([5.0] * 4)
    assert smooth.add(0.0) < 5.0


@pytest.mark.parametrize("noise", [0.0, 0.15])
def test_the_steepest_fall_and_the_blow_up_are_found(noise):
    said = propose(climb(curve(3e-4, 1e-2), noise=noise))
    assert said.steepest == pytest.approx(3e-4, rel=0.6)
    assert 1e-2 < said.blow_up < 5e-2
    assert said.rate == pytest.approx(3e-4, rel=0.6)


def test_close_under_the_blow_up_a_tenth_of_it_wins():
    said = propose(climb(curve(3e-3, 1e-2)))
    assert said.steepest > said.blow_up / 10
    assert said.rate == pytest.approx(said.blow_up / 10, rel=0.2)
    assert said.certainty == "clear"


def test_the_proposal_is_said_in_one_figure():
    said = propose(climb(curve(3e-4, 1e-2)))
    assert said.rate == float(f"{said.rate:.0e}")


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5])
def test_a_flat_curve_says_that_it_cannot_tell(noise):
    said = propose(climb(lambda _: 3.0, noise=noise))
    assert (said.rate, said.certainty) == (None, "can't tell")
    assert "chance" in said.why


def test_of_many_flat_curves_few_are_taken_for_falling():
    found = [propose(climb(lambda _: 3.0, noise=0.3, seed=seed)) for seed in range(300)]
    assert sum(said.rate is not None for said in found) <= 0.03 * len(found)


def test_of_noisy_falling_curves_nearly_all_are_found_within_a_factor_of_three():
    found = [propose(climb(curve(3e-4, 1e-2), noise=0.3, seed=seed)) for seed in range(100)]
    near = [said for said in found if said.steepest and 1e-4 < said.steepest < 9e-4]
    assert len(near) >= 95


def test_a_curve_that_only_rises_says_that_it_cannot_tell():
    said = propose(climb(curve(1e-3, 1e-4, deep=0.0)))
    assert said.rate is None
    assert said.blow_up is not None


def test_without_a_blow_up_the_proposal_is_rough():
    said = propose(climb(curve(1e-3, 10.0), noise=0.05))
    assert (said.blow_up, said.certainty) == (None, "rough")
    assert said.rate == pytest.approx(1e-3, rel=0.6)


def test_a_loss_that_is_no_number_ends_the_climb_and_counts_as_blow_up():
    steps = climb(lambda rate: curve(3e-4, 10.0)(rate) if rate < 1e-2 else math.nan)
    assert not math.isfinite(steps[-1].loss)
    assert propose(steps).blow_up == steps[-1].rate


def test_a_few_steps_say_nothing():
    assert propose(climb(curve(3e-4, 1e-2))[:12]).certainty == "can't tell"
