"""Real range tests of a small model, of every kind of training they are for."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from engine.base import jobs
from engine.base.work import Stopped, Work
from engine.plan import plan as plans
from engine.run.rates import climb, records
from tests.engine.run import small

STEPS = 40


@pytest.fixture(scope="module")
def base(tmp_path_factory, model_dir):
    return small.model(tmp_path_factory.mktemp("small"), model_dir)


@pytest.fixture(scope="module")
def pairs(bench, examples):
    return bench.dataset("preference", examples)


@pytest.fixture
def submitted(bench, base):
    """Jobs' work, in this process, on saved plans; ended afterwards, or the bench would kill us."""
    begun = []

    def submit(recipe, dataset_id, **settings):
        given = {"micro_batch": 2, "accumulation": 1, "precision": "fp32", **settings}
        chosen = replace(bench.project, recipe=recipe, base_model=str(base))
        plan = plans.save(
            bench.store, bench.project_id, plans.propose(bench.store, chosen, dataset_id, given)
        )
        args = {"plan_id": plan.id, "steps": STEPS}
        begun.append(jobs.enqueue(bench.store, "rates", bench.folder, args))
        return Work(bench.store, begun[-1])

    yield submit
    for job_id in begun:
        bench.store.update("jobs", job_id, {"state": "done"})


@pytest.mark.parametrize(
    "recipe",
    ["sft-lora", "sft-qlora", "sft-full", pytest.param("dpo-lora", marks=pytest.mark.slow)],
)
def test_the_rate_climbs_and_every_step_is_recorded(bench, submitted, pairs, recipe):
    dataset_id = pairs if recipe == "dpo-lora" else bench.dataset_id
    settings = {} if recipe == "sft-full" else {"lora_rank": 4}
    work = submitted(recipe, dataset_id, **settings)
    runs = bench.store.scalar("SELECT count(*) FROM runs")
    climb.climb(work)
    test = records.of_job(bench.store, work.job_id)
    rates = [point["rate"] for point in test["points"]]
    assert test["steps"] == len(rates) <= STEPS
    assert rates[0] == (1e-7 if recipe == "sft-full" else 1e-6)
    ratios = [after / before for before, after in itertools.pairwise(rates)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))
    assert test["train_rows"] == 14
    assert test["rows"] == min(len(rates), 7) * 2 + max(0, len(rates) - 7) * 2
    losses = [point["loss"] for point in test["points"] if point["loss"] is not None]
    start = math.fsum(losses[:5]) / 5
    assert min(losses) < 0.8 * start, "a higher rate was really used"
    assert losses[3] == pytest.approx(losses[0], rel=0.2), "the first rates change nothing"
    assert test["proposal"] is None or rates[0] < test["proposal"] < rates[-1]
    assert bench.store.scalar("SELECT count(*) FROM runs") == runs
    assert bench.store.scalar("SELECT count(*) FROM checkpoints") == 0


def test_a_stop_ends_it_and_keeps_nothing(bench, submitted):
    work = submitted("sft-lora", bench.dataset_id, lora_rank=4)
    bench.store.update("jobs", work.job_id, {"request": "stop"})
    with pytest.raises(Stopped):
        climb.climb(work)
    found = "SELECT count(*) FROM rate_tests WHERE job_id = ?"
    assert bench.store.scalar(found, (work.job_id,)) == 0


def test_the_same_plan_gives_the_same_curve(bench, submitted):
    curves = []
    for _ in range(2):
        work = submitted("sft-lora", bench.dataset_id, lora_rank=4)
        climb.climb(work)
        curves.append([p["loss"] for p in records.of_job(bench.store, work.job_id)["points"]])
    assert curves[0] == curves[1]
