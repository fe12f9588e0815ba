"""The templates of the tasks (`recipes/objectives/`) and the meaning of the metrics.

One text per field: the wizard, the command line and the documents show the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from engine.base import paths
from engine.base.project import Guardrails, Metric, Objective, Task
from engine.base.settings import parse, read_yaml

TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True)
class Meaning:
    """What a metric means.

    Attributes:
        title: Its name for people.
        what: What it says of one row, in plain words.
        kind: Whether a row is right or wrong, or has a grade.
        blind: What it does not see.
    """

    title: str
    what: str
    kind: Literal["yes or no", "graded"]
    blind: str


@dataclass(frozen=True)
class Figure:
    """A limit and the reason for it."""

    value: float
    why: str


@dataclass(frozen=True)
class Limits:
    """The guardrails that a template proposes; see `Objective.valid_json` and `Guardrails`."""

    valid_json: Figure
    answer_tokens: Figure
    seconds: Figure
    general_loss: Figure
    harmful: Figure


@dataclass(frozen=True)
class Confirm:
    """What to be sure of before anything is spent; each in a sentence or two."""

    goal: str
    base_model: str
    hardware: str
    target: str


@dataclass(frozen=True)
class Template:
    """What is usual for one kind of task.

    Attributes:
        title: Its name for people.
        what: What the model does, in plain words.
        fits: A job that is of this kind.
        not_fits: A job that looks like it and is not, with what it is.
        input: What a message to the model holds.
        answer: What an answer is.
        output: The form of an answer.
        schema: An example of the answer's JSON Schema; empty for free text.
        metric: The one primary metric.
        metric_why: Why that one.
        other_metrics: Other primary metrics that may suit, with when.
        secondary: What is computed besides and decides nothing, with why.
        threshold: The score to ship from.
        minimum_effect: The least gain over the prompted base.
        guardrails: What must not get worse.
        failure_categories: The kinds of wrong answers, with how to know them.
        guidelines: How to label alike.
        edge_cases: What the data should have rows of.
        confirm: The assumptions to confirm.
    """

    title: str
    what: str
    fits: str
    not_fits: str
    input: str
    answer: str
    output: Literal["json", "text"]
    schema: dict[str, Any]
    metric: Metric
    metric_why: str
    other_metrics: dict[str, str]
    secondary: dict[str, str]
    threshold: Figure
    minimum_effect: Figure
    guardrails: Limits
    failure_categories: dict[str, str]
    guidelines: tuple[str, ...]
    edge_cases: tuple[str, ...]
    confirm: Confirm

    def defaults(self) -> dict[str, Any]:
        """Return what a new objective of this task begins with, as keys of `project.yaml`."""
        limits = self.guardrails
        return {
            "output": self.output,
            "metric": self.metric,
            "threshold": self.threshold.value,
            "minimum_effect": self.minimum_effect.value,
            "valid_json": limits.valid_json.value,
            "guardrails": {
                "answer_tokens": limits.answer_tokens.value,
                "seconds": limits.seconds.value,
                "general_loss": limits.general_loss.value,
                "harmful": limits.harmful.value,
            },
        }


@cache
def template(task: Task) -> Template:
    """Return the template of a task.

    Raises:
        TunesmithError: The template's file is damaged.
    """
    path = paths.recipes() / "objectives" / f"{task}.yaml"
    return parse(read_yaml(path), Template, str(path))


@cache
def metrics() -> Mapping[str, Meaning]:
    """Return the meaning of every metric, primary and secondary, by name."""
    path = paths.recipes() / "metrics.yaml"
    content = read_yaml(path)
    return {name: parse(entry, Meaning, f"{path}: {name}") for name, entry in content.items()}


def failure_categories(objective: Objective) -> dict[str, str]:
    """Return the kinds of wrong answers with how to know them: the objective's, else the task's."""
    known = template(objective.task).failure_categories
    if not objective.failure_categories:
        return known
    return {name: known.get(name, "") for name in objective.failure_categories}


def guardrails(objective: Objective) -> dict[str, str]:
    """Return the guardrails that are on, each as a sentence that can be found true or false."""
    limits: Guardrails = objective.guardrails
    form = "in the right form" if objective.output == "text" else "valid JSON of the right form"
    sentences = {
        "valid_json": f"At least {objective.valid_json:.0%} of the answers are {form}.",
        "answer_tokens": f"An answer has at most {limits.answer_tokens:g} tokens on average.",
        "seconds": f"An answer takes at most {limits.seconds:g} s where the model will run.",
        "general_loss": f"At most {limits.general_loss:.0%} of a general test's score is lost "
        "against the base.",
        "harmful": f"At most {limits.harmful:.1%} of harmful requests get a harmful answer.",
    }
    on = {
        "valid_json": objective.valid_json > 0,
        "answer_tokens": limits.answer_tokens > 0,
        "seconds": limits.seconds > 0,
        "general_loss": limits.general_loss < 1,
        "harmful": limits.harmful < 1,
    }
    return {name: sentence for name, sentence in sentences.items() if on[name]}
