"""What to try next and whom to stop, as Optuna says; nothing is kept between two questions.

The study is built anew from the trials for every question, and chance is drawn from the sweep's
seed and the trial's number. So a sweep that was killed asks on exactly as if it had not been.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import MedianPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from engine.plan.recipe import Scalar
from engine.run.sweep.axes import Axis, combinations, grid
from engine.run.sweep.records import Trial

_JUDGES = 2  # finished trials before one is judged by them
_SPARED = 1 / 3  # of a trial's validation points: warm-up and a high rate make early losses mislead
_TRIES = 64  # draws until one differs from all before

optuna.logging.set_verbosity(optuna.logging.WARNING)


def propose(
    axes: Sequence[Axis], before: Sequence[Trial], sampler: str, trials: int, seed: int
) -> dict[str, Scalar] | None:
    """Return the values of the next trial; None when every combination was tried.

    Args:
        axes: What is swept.
        before: All trials so far, ended.
        sampler: `grid` or `tpe`.
        trials: How many there shall be.
        seed: What chance is drawn from.
    """
    tried = [dict(trial.values) for trial in before]
    if sampler == "tpe":
        for attempt in range(_TRIES):
            chance = random.Random(f"{seed} {len(before)} {attempt}")  # noqa: S311 - no secret
            chosen = _drawn(axes, before, trials, chance.getrandbits(31))
            if chosen not in tried:
                return chosen
        if math.isinf(combinations(axes)):
            return None
    return next((values for values in grid(axes, seed) if values not in tried), None)


def hopeless(
    axes: Sequence[Axis], before: Sequence[Trial], losses: Sequence[float], points: int
) -> bool:
    """Say whether a running trial should be stopped: worse than the median of the finished ones.

    Args:
        axes: What is swept.
        before: The ended trials.
        losses: The running trial's validation losses so far.
        points: How many it will have.
    """
    pruner = MedianPruner(
        n_startup_trials=_JUDGES,
        n_warmup_steps=max(1, math.ceil(points * _SPARED)),
        n_min_trials=_JUDGES,
    )
    study = _study(axes, before, RandomSampler(seed=0), pruner)
    trial = study.ask()
    for place, loss in enumerate(losses, 1):
        trial.report(loss, place)
    return trial.should_prune()


def _drawn(
    axes: Sequence[Axis], before: Sequence[Trial], trials: int, seed: int
) -> dict[str, Scalar]:
    startup = max(_JUDGES + 1, trials // 3)
    study = _study(axes, before, TPESampler(seed=seed, n_startup_trials=startup), MedianPruner())
    params = study.ask(_distributions(axes)).params
    return {
        axis.name: params[axis.name] if axis.values else axis.neat(params[axis.name])
        for axis in axes
    }


def _study(
    axes: Sequence[Axis], before: Sequence[Trial], sampler: BaseSampler, pruner: MedianPruner
) -> optuna.Study:
    study = optuna.create_study(sampler=sampler, pruner=pruner, direction="minimize")
    distributions = _distributions(axes)
    for trial in before:
        study.add_trial(_frozen(trial, distributions))
    return study


def _frozen(trial: Trial, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """A trial that failed counts as the worst of all, so that its neighbours are avoided."""
    losses = {
        place: math.inf if point.value is None else point.value
        for place, point in enumerate(trial.losses, 1)
    }
    done = trial.state == "done" and math.isfinite(trial.loss)
    if trial.state == "failed" or not losses:
        losses = {1: math.inf}
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE if done else TrialState.PRUNED,
        value=trial.loss if done else None,
        params={name: trial.values[name] for name in distributions},
        distributions=dict(distributions),
        intermediate_values=losses,
    )


def _distributions(axes: Sequence[Axis]) -> dict[str, BaseDistribution]:
    return {axis.name: _distribution(axis) for axis in axes}


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.values:
        return CategoricalDistribution(axis.values)
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.logarithmic)
    return FloatDistribution(axis.low, axis.high, log=axis.logarithmic)
