"""The measuring fit gate: what it tries, how it tells a lack of memory, and what it makes of it."""

from __future__ import annotations

import json
import math
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import psutil
import pytest

from engine.base import jobs
from engine.base.death import tells_of_memory
from engine.base.store import Store
from engine.data.chat.template import ChatTemplate
from engine.plan import plan as plans
from engine.plan.recipe import Value
from engine.run import arguments, launch, limits, pieces
from engine.run.batches import Batch, Cutter, Piece, Size, of_run
from engine.run.examples import tokenise
from engine.run.fit import timing, worst
from engine.run.fit.course import Course
from engine.run.fit.growth import Growth
from engine.run.fit.measured import latest, outcome
from engine.run.fit.timing import Sample
from tests.engine.run import small
from tests.engine.run.conftest import SHORT

ROWS = [Size(tokens, tokens // 3) for tokens in (5, 90, 7, 30, 31, 8, 60, 11, 29, 64, 3)]


def test_the_batches_are_those_of_the_runs_order(tmp_path, model_dir):
    template = ChatTemplate.load(model_dir)
    plan = small.planned("sft-lora", small.ROWS["answer"], template, max_steps=6, accumulation=2)
    rows = tokenise(template, "Be kind.", small.ROWS["answer"], 200)
    found = list(of_run(plan, rows))
    order = arguments.order(plan, rows.lengths)
    a_pass = math.ceil(math.ceil(len(rows.rows) / 3) / 2)
    assert len(found) == 6
    for epoch in range(2):
        order.set_epoch(epoch)
        steps = found[epoch * a_pass : (epoch + 1) * a_pass]
        taken = [row for step in steps for batch in step for row in batch.rows]
        assert taken == list(order)[: len(taken)]
    for step in found:
        for batch in step:
            assert batch.padded == sum(piece.padded for piece in batch.pieces)


def test_the_worst_have_the_most_tokens_and_the_most_answers():
    wide, full = Batch((1,), 90, 4), Batch((2,), 60, 50)
    assert worst.worst([Batch((0,), 10, 1), full, wide]) == [wide, full]
    assert worst.worst([Batch((0,), 10, 1), Batch((3,), 90, 60), full]) == [Batch((3,), 90, 60)]


def test_what_is_computed_in_pieces_is_judged_by_its_widest_piece():
    cutter = Cutter(3, partial(pieces.cut, budget=100, device="cpu", packing=False), packing=False)
    cut = cutter.batch(ROWS, (1, 9, 0))
    assert cut.pieces == (Piece(1, 90, 30), Piece(1, 64, 21), Piece(1, 5, 1))
    whole = Batch((2, 3), 100, 3)
    assert worst.worst([cut, whole]) == [whole, cut]
    assert (cut.padded, cut.widest) == (159, (90, 30))


@pytest.mark.parametrize("number", [1, 2, 3, 7, 100])
def test_a_sample_of_any_size_covers_the_batches_evenly(number):
    batches = [Batch((row,), row, 0) for row in range(number)]
    places = list(worst.spread(batches))
    assert sorted(places) == list(range(number))
    if number == 100:
        assert abs(sum(places[:7]) / 7 - 49.5) < 5
        assert all(any(abs(place - want) <= 13 for place in places[:7]) for want in range(100))


def test_the_time_of_a_training_follows_from_a_few_of_its_steps():
    batches = [Batch((0,), tokens, 0) for tokens in range(100, 2000, 7)]
    samples = [Sample(tokens, 0.1 + tokens / 1000, 0.05) for tokens in (200, 700, 1500)]
    real = sum(0.1 + batch.padded / 1000 for batch in batches) + 30 * 0.05
    assert timing.total(samples, batches, 30) == pytest.approx(real)
    same = [Sample(500, 0.4, 0.1), Sample(500, 0.6, 0.1)]
    assert timing.total(same, [Batch((0,), 500, 0)] * 4, 2) == pytest.approx(2.2)


def test_an_attempt_ends_with_the_worst_however_early_its_sample_is_cut():
    batches = [Batch((row, row + 1), 2 * row, row) for row in range(1, 40)]
    course = Course(batches, 2, 2)
    rows = iter(course)
    first = [next(rows) for _ in range(2 * 2 * 2 + 4)]  # two steps of the worst, one of the sample
    assert first[:8] == [39, 40] * 4
    assert [taken.phase for taken in course.step(2)] == ["worst"] * 2
    assert course.is_last_of("worst", 2)
    course.closing = True
    rest = list(rows)
    assert rest[-4:] == [39, 40] * 2
    assert len(first) + len(rest) < len(course)
    assert [course.is_last_of("again", step) for step in (3, 4)] == [False, True]


def test_a_few_rows_still_fill_a_micro_batch():
    course = Course([Batch((0, 1, 2), 30, 9)], 8, 1)
    rows = list(course)
    assert len(rows) == len(course)
    assert rows[:8] == [0, 1, 2, 0, 1, 2, 0, 1]


def test_what_each_new_shape_keeps_is_carried_on_to_those_not_tried():
    batches = [Batch((row,), row, 0) for row in range(1, 31)]
    growth = Growth(batches)
    for number, batch in enumerate(batches[:10]):
        growth.add([batch], 1000 + 7 * number)
    assert growth.missing() == 20 * 7
    level = Growth(batches)
    for batch in batches[:10]:
        level.add([batch], 1000)
    assert level.missing() == 0
    assert Growth(batches).missing() == 0


@pytest.mark.parametrize(
    "words",
    [
        "RuntimeError: [enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes. Error code 12 (Cannot allocate memory)",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "memory allocation of 25165824 bytes failed",
        "OSError: [Errno 12] Cannot allocate memory",
        "RuntimeError: can't start new thread",
        "RuntimeError: could not create a memory object",
    ],
)  # fmt: skip
def test_a_lack_of_memory_is_known_by_its_last_words(words):
    assert tells_of_memory(words)
    assert limits.killed_for_memory(1, words)


def test_other_ends_are_not_taken_for_a_lack_of_memory():
    assert limits.killed_for_memory(-signal.SIGKILL, "")
    assert not limits.killed_for_memory(1, "ValueError: the shapes do not match")
    assert not limits.killed_for_memory(-signal.SIGSEGV, "")
    error = RuntimeError("the trainer failed")
    error.__cause__ = MemoryError()
    assert limits.is_memory(error)
    assert not limits.is_memory(RuntimeError("size mismatch"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux counts data so")
@pytest.mark.parametrize("kind", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
def test_a_process_that_passes_a_limit_is_known(kind):
    code = (
        f"import resource; resource.setrlimit({int(kind)}, (2**28, 2**28))\n"
        "from engine.run import limits\n"
        "limit = limits.present('cpu')\n"
        "assert limit.bytes <= 2**28, limit\n"
        "limits.tighten(0.5)\n"
        f"assert resource.getrlimit({int(kind)})[0] == 2**27\n"
        "try:\n    bytearray(2**27)\nexcept BaseException as e:\n"
        "    print(limits.is_memory(e), limits.killed_for_memory(-11, ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True True", done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux counts data so")
@pytest.mark.parametrize("limited", [True, False])
def test_what_onednn_says_is_a_lack_of_memory_only_under_a_limit(limited):
    set_it = "resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))" if limited else "pass"
    code = (
        f"import resource\n{set_it}\n"
        "from engine.run import limits\n"
        "print(limits.is_memory(RuntimeError('could not create a primitive')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(limited), done.stderr


@pytest.fixture(scope="module")
def measured(bench):
    """A plan that fits, measured by a job of its own."""
    return fitted(bench, asked(bench))


def test_a_plan_that_fits_is_measured(bench, measured):
    plan, (attempt,) = measured.plan, measured.attempts
    assert measured.fits
    assert (attempt["change"], attempt["result"]) == ("", "fits")
    assert attempt["peak_bytes"] == plan.peak_bytes > 500e6
    assert plan.peak_bytes * limits.MARGIN <= attempt["limit_bytes"]
    assert plan["tokens_per_second"] == pytest.approx(attempt["tokens_per_second"], abs=0.1)
    assert plan.seconds > attempt["startup_seconds"] + 2 * attempt["validation_seconds"]
    assert plan.values["tokens_per_second"].why.startswith("Measured by the fit gate")
    assert plan.gate.reasons[0].startswith("Measured: it fits")
    assert not list((bench.store.workspace / "jobs").glob("*-fit"))


def test_a_training_of_the_same_values_takes_the_measured_plan(bench, measured):
    again = plans.propose(bench.store, bench.project, bench.dataset_id, SHORT)
    assert latest(bench.store, bench.project_id, again).plan.id == measured.plan.id
    other = plans.propose(bench.store, bench.project, bench.dataset_id, {**SHORT, "lora_rank": 8})
    assert latest(bench.store, bench.project_id, other) is None


@pytest.mark.slow
def test_a_box_too_small_gets_the_smallest_change_that_runs(bench):
    plan = asked(bench, micro_batch=8, accumulation=1)
    with limited(resource.RLIMIT_DATA, LIMIT):
        found = fitted(bench, plan)
        assert found.fits, found.plan.gate
        assert [row["result"] for row in found.attempts][-2:] == ["out of memory", "fits"]
        made = found.plan
        assert made["micro_batch"] * made["accumulation"] == 8
        assert made["micro_batch"] < 8
        assert "Changed by the fit gate" in made.values["micro_batch"].why
        assert "micro_batch=" in " ".join(made.gate.reasons)
        run_id, job_id = launch.submit(
            bench.store, bench.folder, bench.project_id, bench.project, made
        )
    assert bench.wait(job_id)["state"] == "done"
    peak = launch.get(bench.store, run_id)["peak_bytes"]
    assert peak < made.peak_bytes * limits.MARGIN


@pytest.mark.slow
def test_what_the_user_set_stays_and_the_gate_says_no(bench):
    plan = plans.save(
        bench.store,
        bench.project_id,
        plans.propose(
            bench.store,
            bench.project,
            bench.dataset_id,
            {**SHORT, "micro_batch": 8, "gradient_checkpointing": False, "quantization": "none"},
        ),
    )
    with limited(resource.RLIMIT_DATA, LIMIT):
        found = fitted(bench, plan)
    assert not found.fits
    assert found.plan.gate.result == "fail"
    assert "out of memory" in found.plan.gate.reasons[0]
    assert [row["change"] for row in found.attempts] == [""]


@pytest.mark.slow
def test_a_kill_by_the_kernel_ends_the_attempt_and_not_the_job(bench):
    plan = asked(bench, micro_batch=2, accumulation=1)
    job_id = jobs.submit(bench.store, "fit", bench.folder, {"plan_id": plan.id, "seconds": 1})
    child(bench, job_id).kill()
    assert bench.wait(job_id)["state"] == "done"
    found = outcome(bench.store, job_id)
    assert [row["result"] for row in found.attempts] == ["out of memory", "fits"]
    assert found.plan["micro_batch"] == 1


@pytest.mark.slow
def test_a_stopped_measurement_leaves_no_process(bench):
    job_id = jobs.submit(bench.store, "fit", bench.folder, {"plan_id": asked(bench).id})
    process = child(bench, job_id)
    jobs.request(bench.store, job_id, "stop")
    assert bench.wait(job_id)["state"] == "stopped"
    assert not process.is_running()


@pytest.mark.slow
def test_the_command_line_measures_and_then_trains_what_it_measured(cli, demo_project, tmp_path):
    place = ("--workspace", str(tmp_path / "place"))
    sets = ("--set", "max_steps=3", "--set", "lora_rank=4")
    cli(*place, "data", "build", cwd=demo_project)
    text = cli(*place, "plan", *sets, "--measure", "--json", cwd=demo_project)
    found = json.loads(text)
    assert found["measured"]["peak_bytes"] == found["predicted"]["peak_bytes"]
    assert found["measured"]["seconds"] == found["predicted"]["seconds"]
    assert found["measured"]["tokens_per_second"] > 0
    assert [attempt["result"] for attempt in found["attempts"]] == ["fits"]
    begun = json.loads(cli(*place, "train", *sets, "--only", "--json", cwd=demo_project))
    store = Store(tmp_path / "place")
    assert launch.get(store, begun["run"])["plan_id"] == found["id"]
    jobs.request(store, begun["job"], "stop")
    again = ("train", "--plan", str(found["id"]), *sets)
    cli(*place, *again, cwd=demo_project, code=2)
    store.close()


LIMIT = 4_000_000_000  # more than two thirds of which the libraries and the model take


def asked(bench, **settings):
    """A saved plan whose memory settings the gate may change."""
    plan = plans.propose(bench.store, bench.project, bench.dataset_id, {**SHORT, **settings})
    free = {key: Value(value, "Chosen for the test.") for key, value in settings.items()}
    return plans.save(bench.store, bench.project_id, replace(plan, values={**plan.values, **free}))


def fitted(bench, plan):
    """Have a plan measured; return what was found."""
    job_id = jobs.submit(bench.store, "fit", bench.folder, {"plan_id": plan.id, "seconds": 1})
    job = bench.wait(job_id)
    assert job["state"] == "done", (job["error"], job["fix"])
    return outcome(bench.store, job_id)


def child(bench, job_id):
    """The process of the job's attempt, once it steps."""
    phase = bench.store.workspace / "jobs" / f"{job_id}-fit" / "phase"
    for _ in bench.poll():
        if phase.is_file() and "stepping" in phase.read_text():
            (process,) = psutil.Process(jobs.get(bench.store, job_id)["pid"]).children()
            return process
    raise AssertionError


@contextmanager
def limited(kind, size):
    """Limit the jobs that start meanwhile; this process's own hard limit stays."""
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)
