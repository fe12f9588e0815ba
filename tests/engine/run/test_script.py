"""A plan's exported script, run by itself, trains as the run of the plan does."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import chain

import pytest
import yaml

from engine.plan import plan as plans
from engine.plan import recipe
from engine.run import arguments, launch, metrics, script
from tests.engine.run import small
from tests.engine.run.conftest import SHORT

STEPS = 6


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, model_dir):
    return small.model(tmp_path_factory.mktemp("tiny"), model_dir)


@pytest.fixture(scope="module")
def datasets(bench, examples):
    forms = ("preference", "feedback", "text")
    return {"answer": "bench"} | {form: bench.dataset(form, examples) for form in forms}


def planned(bench, datasets, tiny, name):
    """A saved plan of a recipe for the two-layer model, and its project."""
    chosen = recipe.load(name)
    project = replace(bench.project, recipe=name, base_model=str(tiny))
    asked = {**SHORT, "max_steps": STEPS, "validate_every": 3, "checkpoint_every": 3}
    settings = {key: value for key, value in asked.items() if key in chosen.settings}
    if chosen.trainer == "cpt":
        settings["max_length"] = 64
    made = plans.propose(bench.store, project, datasets[chosen.form], settings)
    return plans.save(bench.store, bench.project_id, made), project


def by_itself(folder):
    """Run an exported script without Tunesmith; return its log."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=folder,
        env=environment | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "output" / "log.json").read_text())


def compared(bench, datasets, tiny, name, folder):
    """The losses of a run and of its script: training, then validation."""
    plan, project = planned(bench, datasets, tiny, name)
    run_id, job_id = launch.submit(bench.store, bench.folder, bench.project_id, project, plan)
    job = bench.wait(job_id, 240)
    assert job["state"] == "done", (job["error"], job["fix"])
    script.export(bench.store, project, plan, folder)
    log = by_itself(folder)
    for series, key in (("loss", "loss"), ("validation_loss", "eval_loss")):
        ours = [point.value for point in metrics.tail(bench.store, run_id, series, 0)]
        yield ours, [entry[key] for entry in log if key in entry]


def test_the_script_of_a_plan_reaches_the_losses_of_its_run(bench, datasets, tiny, tmp_path):
    training, validation = compared(bench, datasets, tiny, "sft-lora", tmp_path)
    assert len(training[0]) == STEPS
    assert len(validation[0]) == 2
    assert training[1] == training[0]
    assert validation[1] == validation[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in recipe.names() if name != "sft-lora"])
def test_every_recipes_script_reaches_the_losses_of_its_run(bench, datasets, tiny, tmp_path, name):
    training, validation = compared(bench, datasets, tiny, name, tmp_path)
    assert len(training[0]) == STEPS
    assert training[1] == pytest.approx(training[0], rel=1e-6)
    assert validation[1] == pytest.approx(validation[0], rel=1e-6)


@pytest.mark.parametrize("name", recipe.names())
def test_the_script_needs_no_tunesmith_and_stands_beside_its_plan(
    bench, datasets, tiny, tmp_path, name
):
    plan, project = planned(bench, datasets, tiny, name)
    written = script.export(bench.store, project, plan, tmp_path)
    ours = {"attention", "lora"} if arguments.fuses(plan) else {"attention"}
    assert {str(path.relative_to(tmp_path)) for path in written} == {
        *("train.py", "requirements.txt", "order.json", "plan.yaml"),
        *(f"{module}.py" for module in ours),
        *("data/train.jsonl", "data/validation.jsonl", "training-plan.md", "eval-plan.md"),
    }
    sources = [path.read_text() for path in written if path.suffix == ".py"]
    imported = {
        name.split(".")[0]
        for node in chain.from_iterable(ast.walk(ast.parse(source)) for source in sources)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    asked_for = {
        line.split("==")[0] for line in (tmp_path / "requirements.txt").read_text().splitlines()
    }
    assert imported - set(sys.stdlib_module_names) - ours <= asked_for
    assert yaml.safe_load((tmp_path / "plan.yaml").read_text())
