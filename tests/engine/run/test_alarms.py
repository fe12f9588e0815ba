"""Alarms are pure functions of the curves: each is raised when it should be, once, and not before."""

from __future__ import annotations

import math
import random

import pytest

from engine.run.alarms import Alarms


def raised(losses, *, steps=None, validation=(), every=10):
    """All alarms of a run with these losses."""
    alarms = Alarms(steps or len(losses))
    held_out = iter(validation)
    found = []
    for step, loss in enumerate(losses, 1):
        found += alarms.trained(step, loss)
        if step % every == 0 and (value := next(held_out, None)) is not None:
            found += alarms.validated(step, value)
    return found


def noisy(start, end, count, noise=0.2, seed=0):
    chance = random.Random(seed)
    return [
        end + (start - end) * math.exp(-4 * step / count) + chance.gauss(0, noise)
        for step in range(count)
    ]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("noise", [0.02, 0.2, 0.5])
def test_a_run_that_learns_raises_none(seed, noise):
    held_out = [2.5, 2.0, 1.6, 1.4, 1.38, 1.39, 1.385, 1.37, 1.38, 1.36]
    assert raised(noisy(3, 1, 200, noise, seed), validation=held_out, every=20) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_loss_that_does_not_move_is_told_once_from_two_fifths_of_the_run(seed):
    losses = noisy(2.0, 2.0, 100, 0.2, seed)
    found = raised(losses)
    assert len(found) == 1
    assert "does not move" in found[0]
    assert "learning rate" in found[0]
    assert raised(losses[:39], steps=100) == []


def test_few_steps_are_no_evidence():
    assert raised([2.0] * 20) == []


def test_a_loss_that_rises_again_may_diverge():
    losses = noisy(3, 1, 60, 0.1) + [1 + 0.1 * step for step in range(40)]
    found = raised(losses, steps=400)
    assert len(found) == 1
    assert "may diverge" in found[0]


def test_one_odd_batch_is_no_divergence():
    losses = noisy(3, 1, 100, 0.1)
    losses[50] = 5.0
    assert raised(losses) == []


def test_a_validation_loss_that_rises_twice_names_the_best_step():
    alarms = Alarms(100)
    assert alarms.validated(10, 1.0) == []
    assert alarms.validated(20, 0.8) == []
    assert alarms.validated(30, 0.83) == []
    (found,) = alarms.validated(40, 0.9)
    assert "max_steps=20" in found
    assert alarms.validated(50, 1.0) == []


def test_a_rise_of_less_than_a_hundredth_is_noise():
    alarms = Alarms(100)
    told = [alarms.validated(step, 0.8 + 0.001 * step) for step in range(8)]
    assert told == [[]] * 8


def test_what_a_resumed_run_has_said_it_does_not_say_again():
    alarms = Alarms(100)
    alarms.seen([], [(10, 0.5), (20, 0.6), (30, 0.7)])
    assert alarms.validated(40, 0.8) == []
