"""The templates are whole, agree with one another and with what the program computes."""

from dataclasses import asdict, fields
from typing import get_args

import pytest

from engine.base import objectives
from engine.base.project import Guardrails, Metric, Objective
from engine.base.settings import parse
from engine.score import metrics
from engine.score.metrics.labels import MACRO_F1

TASKS = ("extraction", "classification", "qa", "summarising", "chat", "tools", "code", "free")


def objective(task, **more):
    return parse(
        {"instruction": "i", "prompt": "p", "task": task}
        | objectives.template(task).defaults()
        | more,
        Objective,
        "here",
    )


def test_there_is_a_template_for_every_task_and_no_other():
    assert set(objectives.TASKS) == set(TASKS)
    folder = objectives.paths.recipes() / "objectives"
    assert {file.stem for file in folder.iterdir()} == set(TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_a_template_says_everything_and_says_it_whole(task):
    found = objectives.template(task)
    for text in (found.title, found.what, found.fits, found.not_fits, found.input, found.answer):
        assert len(text) > 3
    for figure in (found.threshold, found.minimum_effect, *vars(found.guardrails).values()):
        assert figure.value >= 0
        assert len(figure.why) > 15
    assert 0 < found.minimum_effect.value < found.threshold.value < 1
    assert len(found.failure_categories) >= 6
    assert len(found.guidelines) >= 5
    assert len(found.edge_cases) >= 6
    assert all(asdict(found.confirm).values())
    assert all(found.failure_categories.values())


@pytest.mark.parametrize("task", TASKS)
def test_a_template_makes_an_objective_whose_metrics_are_all_computed(task):
    made = objective(task)
    usual = objectives.template(task)
    assert made.metric == usual.metric
    computed = metrics.computed()
    assert {usual.metric, *usual.other_metrics, *usual.secondary} <= computed
    assert set(usual.other_metrics) <= set(get_args(Metric))
    found = metrics.measure(made, '{"name": "a", "arguments": {}}', "nothing")
    assert set(found) >= ({usual.metric, *usual.secondary} - {MACRO_F1})
    assert all(0 <= value <= 1 for value in found.values())


@pytest.mark.parametrize("task", TASKS)
def test_every_example_schema_and_every_other_metric_makes_an_objective(task):
    usual = objectives.template(task)
    made = objective(task, schema=usual.schema)
    assert made.schema == usual.schema
    for metric in usual.other_metrics:
        assert objective(task, metric=metric).metric == metric


def test_every_metric_has_a_meaning_and_none_is_told_that_nobody_computes():
    meanings = objectives.metrics()
    assert set(meanings) == metrics.computed()
    for name in get_args(Metric):
        assert name in meanings
    binary = {name for name, item in meanings.items() if item.kind == "yes or no"}
    assert binary == {
        *("exact_match", "valid_json", "accuracy", "contains", "call_match", "call_name"),
    }


def test_only_the_guardrails_that_are_on_are_told():
    plain = Objective("i", "p", valid_json=0)
    assert objectives.guardrails(plain) == {}
    strict = Objective("i", "p", guardrails=Guardrails(30, 2.5, 0.05, 0.02))
    told = objectives.guardrails(strict)
    assert set(told) == {"valid_json", *(item.name for item in fields(Guardrails))}
    for figure, sentence in zip(("98%", "30", "2.5 s", "5%", "2.0%"), told.values(), strict=True):
        assert figure in sentence


def test_failure_categories_are_the_templates_unless_the_project_names_its_own():
    assert "invented value" in objectives.failure_categories(Objective("i", "p"))
    own = Objective("i", "p", failure_categories=("cut off", "ours"))
    found = objectives.failure_categories(own)
    assert list(found) == ["cut off", "ours"]
    assert (bool(found["cut off"]), found["ours"]) == (True, "")
