"""Real sweeps on a small model: undisturbed, killed at any moment, stopped, and refused."""

from __future__ import annotations

import json
import os
import signal

import pytest

from engine.base import jobs
from engine.base.errors import GateError, UsageError
from engine.base.work import Work
from engine.run import launch
from engine.run.sweep import records, submit, trial
from engine.run.sweep.report import show

SHORT = {
    "max_steps": 90,
    "micro_batch": 2,
    "accumulation": 1,
    "lora_rank": 4,
    "checkpoint_every": 15,
    "precision": "fp32",
}
# In the order that the seed draws, the two hopeless ones come first and third.
OVER = ("learning_rate=3e-2,1e-2,1e-7,2e-7",)


def start(bench, over=OVER, trials=None, **settings):
    plan = prepared(bench, over, settings, trials)
    return submit.submit(bench.store, bench.folder, bench.project_id, plan)


def kill(bench, job_id):
    os.kill(jobs.get(bench.store, job_id)["pid"], signal.SIGKILL)
    until(bench, lambda: jobs.get(bench.store, job_id)["state"] == "lost")


def until(bench, true):
    for _ in bench.poll(240):
        if true():
            return


def told(bench, sweep_id):
    """What a sweep found, as far as it must not depend on who disturbed it."""
    return [
        (one.number, one.values, one.losses[:2]) for one in records.trials(bench.store, sweep_id)
    ]


def runs(bench, sweep_id):
    """Every run that was ever made for a sweep."""
    rows = bench.store.rows(
        "SELECT id FROM runs WHERE name LIKE ? ORDER BY id", (f"%-sweep{sweep_id}-%",)
    )
    return [row["id"] for row in rows]


def folders(bench, run_id):
    place = launch.folder(bench.store, run_id)
    return {item.name for item in place.iterdir() if item.is_dir()}


@pytest.fixture(scope="module")
def quiet(small_bench):
    """A sweep that nobody disturbed."""
    sweep_id, job_id = start(small_bench)
    job = small_bench.wait(job_id, 400)
    assert job["state"] == "done", (job["error"], job["fix"])
    return sweep_id


@pytest.mark.slow
def test_hopeless_trials_are_stopped_and_the_best_values_are_named(small_bench, quiet):
    found = show(small_bench.store, quiet)
    states = {one["values"]["learning_rate"]: one["state"] for one in found["trials"]}
    assert states[3e-2] == states[1e-2] == "done"
    assert sorted((states[1e-7], states[2e-7])) == ["done", "pruned"]
    assert found["best"]["values"] == {"learning_rate": 3e-2}
    assert found["best"]["words"].startswith("--set learning_rate=0.03 --set max_steps=90")
    assert found["best"]["loss"] == min(one["loss"] for one in found["trials"])
    assert "looks better" in found["caution"]
    assert found["predicted_seconds"] > 0
    assert found["seconds"] == pytest.approx(sum(one["seconds"] for one in found["trials"]))
    json.dumps(found)


@pytest.mark.slow
def test_only_the_best_keeps_its_files_and_every_trial_its_curve(small_bench, quiet):
    found = show(small_bench.store, quiet)
    for one in found["trials"]:
        best = one["run"] == found["best"]["run"]
        assert folders(small_bench, one["run"]) == ({"adapter", "checkpoints"} if best else set())
        kept = small_bench.store.scalar(
            "SELECT count(*) FROM checkpoints WHERE run_id = ?", (one["run"],)
        )
        assert kept == (1 if best else 0)
        assert len(one["losses"]) >= 2


@pytest.mark.slow
def test_a_sweep_killed_in_each_trial_loses_and_doubles_none(small_bench, quiet):
    bench = small_bench
    sweep_id, job_id = start(bench)
    for number in range(1, 5):

        def begun(number=number):
            found = records.trials(bench.store, sweep_id)
            return len(found) == number and (number == 2 or found[-1].losses)

        until(bench, begun)
        kill(bench, job_id)
        jobs.restart(bench.store, job_id)
    job = bench.wait(job_id, 400)
    assert job["state"] == "done", (job["error"], job["fix"])
    assert told(bench, sweep_id) == told(bench, quiet)
    for one in records.trials(bench.store, sweep_id):
        child = bench.store.scalar("SELECT job_id FROM runs WHERE id = ?", (one.run_id,))
        at_work = jobs.get(bench.store, child)
        assert one.seconds >= at_work["ended"] - at_work["started"]
    assert runs(bench, sweep_id) == [one.run_id for one in records.trials(bench.store, sweep_id)]


@pytest.mark.slow
def test_a_stopped_sweep_stops_its_trial_and_goes_on_with_it(small_bench):
    bench = small_bench
    sweep_id, job_id = start(bench, over=("lora_rank=2,4",), max_steps=150, lora_rank=None)
    until(bench, lambda: [one for one in records.trials(bench.store, sweep_id) if one.losses])
    jobs.request(bench.store, job_id, "stop")
    assert bench.wait(job_id)["state"] == "stopped"
    first = records.trials(bench.store, sweep_id)[0]
    assert first.state == "running"
    child = bench.store.scalar("SELECT job_id FROM runs WHERE id = ?", (first.run_id,))
    assert jobs.get(bench.store, child)["state"] == "stopped"
    jobs.restart(bench.store, job_id)
    assert bench.wait(job_id, 400)["state"] == "done"
    assert len(runs(bench, sweep_id)) == 2
    log = bench.store.rows("SELECT text FROM job_log WHERE job_id = ?", (child,))
    assert any("resuming from the checkpoint" in line["text"] for line in log)


@pytest.mark.slow
@pytest.mark.parametrize("half_done", ["plan", "run", "job"])
def test_a_submission_cut_off_half_way_is_taken_up(small_bench, half_done):
    """The kill fell between two of the steps from a trial to its job."""
    bench = small_bench
    sweep_id, job_id = start(bench, over=("lora_rank=2,4",), max_steps=12, lora_rank=None)
    until(bench, lambda: [one for one in records.trials(bench.store, sweep_id) if one.run_id])
    os.kill(jobs.get(bench.store, job_id)["pid"], signal.SIGKILL)
    first = records.trials(bench.store, sweep_id)[0]
    child = bench.store.scalar("SELECT job_id FROM runs WHERE id = ?", (first.run_id,))
    os.kill(jobs.get(bench.store, child)["pid"], signal.SIGKILL)
    until(bench, lambda: jobs.get(bench.store, child)["state"] == "lost")
    bench.store.update("sweep_trials", first.id, {"run_id": None})
    if half_done != "job":
        bench.store.update("runs", first.run_id, {"job_id": None})
        bench.store.execute("DELETE FROM job_log WHERE job_id = ?", (child,))
        bench.store.execute("DELETE FROM jobs WHERE id = ?", (child,))
    if half_done == "plan":
        bench.store.execute("DELETE FROM runs WHERE id = ?", (first.run_id,))
    work = Work(bench.store, job_id)
    row = records.get(bench.store, sweep_id)
    again = records.trials(bench.store, sweep_id)[0]
    began = trial.start(work, row, submit.of(bench.store, row), again)
    assert runs(bench, sweep_id) == [began.run_id]
    assert bench.wait(began.job_id)["state"] == "done"


def test_without_validation_rows_it_refuses(small_bench):
    bench = small_bench
    kept = bench.store.scalar("SELECT validation FROM datasets WHERE id = ?", (bench.dataset_id,))
    bench.store.update("datasets", bench.dataset_id, {"validation": 0})
    try:
        with pytest.raises(UsageError, match="no validation rows"):
            start(bench)
    finally:
        bench.store.update("datasets", bench.dataset_id, {"validation": kept})


@pytest.mark.parametrize(
    ("over", "settings", "says"),
    [
        (("learning_rate=1e-3",), {}, "nothing to compare"),
        (("lora_rank=4,8",), {"lora_rank": 8}, "both set and swept"),
        (OVER, {"validate_every": 60}, "too seldom"),
        (("micro_batch=2,4",), {"max_steps": 1, "micro_batch": None}, "too seldom"),
    ],
)
def test_a_sweep_without_a_comparison_is_refused(small_bench, over, settings, says):
    with pytest.raises(UsageError) as caught:
        prepared(small_bench, over, settings)
    assert says in str(caught.value)


def test_a_trial_that_would_not_fit_is_refused_before_any_is_trained(small_bench):
    before = small_bench.store.scalar("SELECT count(*) FROM jobs")
    with pytest.raises(GateError, match="fit gate"):
        prepared(small_bench, ("micro_batch=2,4096",), {"max_length": 100_000, "micro_batch": None})
    assert small_bench.store.scalar("SELECT count(*) FROM jobs") == before


def test_lists_that_fit_make_a_grid_and_others_are_sampled(small_bench):
    grid = prepared(small_bench, ("learning_rate=1e-4,1e-3", "lora_dropout=0,0.1"), {})
    assert (grid.sampler, grid.trials) == ("grid", 4)
    few = prepared(small_bench, ("learning_rate=1e-4,1e-3", "lora_dropout=0,0.1"), {}, 3)
    assert (few.sampler, few.trials) == ("tpe", 3)
    wide = prepared(small_bench, ("learning_rate=1e-5..1e-3",), {})
    assert (wide.sampler, wide.trials) == ("tpe", submit.TRIALS)
    assert grid.seconds > 0


def test_a_trials_plan_says_why_its_values_are_what_they_are(small_bench):
    bench = small_bench
    plan = submit.plan_of(
        bench.store, bench.project, bench.dataset_id, {"max_steps": 60}, "Tried by sweep 1."
    )
    assert plan["validate_every"] == 10
    assert submit.points(plan) == submit.POINTS
    assert "early" in plan.values["validate_every"].why
    assert plan.values["max_steps"].why == "Tried by sweep 1."


def prepared(bench, over, settings, trials=None):
    given = {name: value for name, value in {**SHORT, **settings}.items() if value is not None}
    return submit.prepare(bench.store, bench.project, bench.dataset_id, over, given, trials)
