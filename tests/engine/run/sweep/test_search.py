"""What is tried next and who is stopped: a function of what is recorded, and of nothing else."""

from __future__ import annotations

import math

import pytest

from engine.base.errors import UsageError
from engine.plan import recipe
from engine.run.metrics import Point
from engine.run.sweep import axes, search
from engine.run.sweep.records import Trial, best

LORA, DPO = recipe.load("sft-lora"), recipe.load("dpo-lora")


def parsed(*texts, of=LORA):
    return axes.parse(texts, of)


def ended(number, values, losses=(1.0,) * 6, state="done"):
    points = tuple(Point(place, loss) for place, loss in enumerate(losses, 1))
    return Trial(number, number, values, state, None, None, points, 1.0, "")


def carried_out(over, sampler, trials, loss, killed_after=()):
    """Ask for trial after trial; a kill forgets everything but the list."""
    done = []
    while len(done) < trials:
        values = search.propose(over, done, sampler, trials, 7)
        if values is None:
            break
        if len(done) in killed_after:  # asked again after the kill: the answer must be the same
            assert search.propose(list(over), list(done), sampler, trials, 7) == values
        done.append(ended(len(done) + 1, values, [loss(values)] * 6))
    return done


def test_lists_and_ranges_are_read_as_they_are_written():
    rate, rank = parsed("learning_rate=1e-4, 3e-4,1e-4", "lora_rank=8..12")
    assert rate.values == (1e-4, 3e-4)
    assert rank.values == (8, 9, 10, 11, 12)
    wide = parsed("learning_rate=1e-5..1e-3")[0]
    assert (wide.values, wide.low, wide.high, wide.logarithmic) == ((), 1e-5, 1e-3, True)
    assert not parsed("weight_decay=0..0.1")[0].logarithmic
    for axis in (rate, rank, wide):
        assert parsed(str(axis)) == (axis,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("learning_rate", "names no values"),
        ("learning_rate=", "names no values"),
        ("learning_rat=1", "learning_rate"),
        ("learning_rate=x", "must be a number"),
        ("learning_rate=1e-3..1e-5", "is no range"),
        ("scheduler=cosine..linear", "is no range"),
        ("lora_rank=0", "between 1 and"),
        ("max_length=100,200", "what the validation loss measures"),
        ("checkpoint_every=5,6", "how a run is watched"),
    ],
)
def test_what_cannot_be_swept_is_refused_with_the_way_out(text, says):
    with pytest.raises(UsageError) as caught:
        parsed(text)
    assert says in str(caught.value)
    assert caught.value.fix


def test_beta_of_preferences_is_refused_because_it_scales_the_loss():
    with pytest.raises(UsageError, match="what the validation loss measures"):
        parsed("beta=0.1,0.3", of=DPO)


def test_a_setting_stands_once():
    with pytest.raises(UsageError, match="stands twice"):
        parsed("lora_rank=8", "lora_rank=16")


def test_a_grid_tries_every_combination_once_and_in_mixed_order():
    over = parsed("learning_rate=1e-4,3e-4,1e-3", "lora_rank=8,16")
    done = carried_out(over, "grid", 12, lambda _: 1.0)
    tried = [tuple(trial.values.values()) for trial in done]
    assert sorted(tried) == [(a, b) for a in (1e-4, 3e-4, 1e-3) for b in (8, 16)]
    assert tried != sorted(tried)


def test_tpe_repeats_nothing_and_asks_the_same_after_a_kill():
    over = parsed("learning_rate=1e-5..1e-2", "lora_rank=4,8,16,32")

    def loss(values):
        return 1 + abs(math.log10(values["learning_rate"]) + 3.5)

    calm = carried_out(over, "tpe", 14, loss)
    again = carried_out(over, "tpe", 14, loss, killed_after=(0, 1, 5, 9, 13))
    assert [trial.values for trial in calm] == [trial.values for trial in again]
    assert len({tuple(trial.values.items()) for trial in calm}) == 14
    assert all(1e-5 <= trial.values["learning_rate"] <= 1e-2 for trial in calm)
    assert all(len(f"{trial.values['learning_rate']:.10g}") < 12 for trial in calm)
    late = [loss(trial.values) for trial in calm[8:]]
    early = [loss(trial.values) for trial in calm[:4]]
    assert sum(late) / len(late) < sum(early) / len(early)


def test_tpe_takes_every_combination_of_lists_at_most_once():
    over = parsed("lora_rank=8,16", "lora_dropout=0,0.1")
    done = carried_out(over, "tpe", 4, lambda values: values["lora_dropout"])
    assert len({tuple(trial.values.items()) for trial in done}) == 4
    assert search.propose(over, done, "tpe", 9, 7) is None


FALLING = (2.0, 1.5, 1.2, 1.0, 0.9, 0.8)
VALUES = [{"lora_rank": rank} for rank in (8, 16, 32, 64)]
OVER = parsed("lora_rank=8,16,32,64")


def test_nobody_is_stopped_before_two_have_ended():
    assert not search.hopeless(OVER, [ended(1, VALUES[0], FALLING)], [9.0, 9.0, 9.0], 6)


def test_the_worse_than_usual_is_stopped_after_a_third_of_its_run():
    before = [ended(1, VALUES[0], FALLING), ended(2, VALUES[1], FALLING)]
    assert not search.hopeless(OVER, before, [9.0], 6)
    assert search.hopeless(OVER, before, [9.0, 9.0], 6)
    assert search.hopeless(OVER, before, [2.0, 1.5, 1.5], 6)
    assert not search.hopeless(OVER, before, [2.0, 1.4, 1.1], 6)


def test_a_loss_that_is_no_number_is_hopeless():
    before = [ended(1, VALUES[0], FALLING), ended(2, VALUES[1], FALLING)]
    assert search.hopeless(OVER, before, [math.nan, math.nan], 6)


def test_trials_that_were_stopped_or_failed_set_no_measure():
    low = ended(1, VALUES[0], (0.1,) * 3, "pruned")
    broken = ended(2, VALUES[1], (), "failed")
    assert not search.hopeless(OVER, [low, broken], [9.0, 9.0, 9.0], 6)
    assert search.propose(OVER, [low, broken], "tpe", 4, 1) in VALUES[2:]


def test_the_best_is_the_lowest_of_those_that_came_to_their_end():
    trials = [
        ended(1, VALUES[0], (0.1,), "pruned"),
        ended(2, VALUES[1], (0.9, 0.5, 0.7)),
        ended(3, VALUES[2], (0.5, None)),
        ended(4, VALUES[3], ()),
    ]
    found = best(trials)
    assert found is not None
    assert found.number == 2
    assert found.best == Point(2, 0.5)
