"""What the model shall do, and how its success is measured.

The words about tasks and metrics are those of `recipes/objectives/` and `recipes/metrics.yaml`.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import get_args

from engine.base import objectives
from engine.base.objectives import TASKS, Template
from engine.base.project import Guardrails, Metric, Task
from tui import checks, proposals
from tui.question import Context, Question, Step

_METRICS: tuple[Metric, ...] = get_args(Metric)


def template(context: Context) -> Template:
    """Return the template of the task that was chosen."""
    task = context["task"]
    known: dict[str, Task] = {name: name for name in TASKS}
    return objectives.template(known.get(task, "free"))


def _name(context: Context) -> str:
    return re.sub(r"[^a-z0-9]+", "-", context.folder.name.lower()).strip("-")[:60] or "project"


def _examples(context: Context) -> str:
    return ", ".join(proposals.files(context.folder, golden=False))


def _columns(context: Context) -> str:
    return proposals.detected([context.path(name) for name in context.parts("sources")])


def _metric(context: Context) -> str:
    """The template's metric where it can compare answers of this form."""
    chosen = template(context)
    return chosen.metric if chosen.output == context["output"] else "exact_match"


def _labels(context: Context) -> str:
    return ", ".join(proposals.labels(context.sample, ""))


def _guardrails(context: Context) -> str:
    """The template's limits, without those that are off."""
    limits, none = template(context).defaults()["guardrails"], asdict(Guardrails())
    return ", ".join(f"{name}={value:g}" for name, value in limits.items() if value != none[name])


def _is_json(context: Context) -> bool:
    return context["output"] == "json"


def _has_labels(context: Context) -> bool:
    return context["task"] == "classification" and not _is_json(context)


OBJECTIVE = Step(
    "objective",
    "Objective",
    "What the model shall do, and how well.",
    (
        Question(
            "name", "Name", "A short name; runs are called after it.", "text", _name,
            checks.project_name,
        ),
        Question(
            "sources", "Examples",
            "Files or folders of examples, by comma: JSONL, JSON, CSV, Parquet, text, packed or "
            "not; or hf:owner/name. What follows is proposed from them.",
            "path", _examples, checks.sources, checks.about_sources,
        ),
        Question(
            "columns", "Columns",
            "Which column is what, by comma, where their names do not say it: prompt=question, "
            "completion=answer, scenario=category, format=sharegpt, role.bot=assistant.",
            "text", _columns, checks.columns, checks.about_columns,
        ),
        Question(
            "task", "Task",
            "The kind of task; it sets what is usual: metric, thresholds, guardrails.", "choice",
            lambda context: context.sample.task,
            choices={name: objectives.template(name).what for name in TASKS},
        ),
        Question(
            "output", "Answer", "The form of an answer.", "choice",
            lambda context: "json" if context.sample.keys else "text",
            choices={"json": "One JSON object with fixed keys.", "text": "Plain text."},
        ),
        Question(
            "labels", "Labels",
            "The labels an answer may be, by comma; any other answer counts as being in the wrong "
            "form. Leave it empty to allow any text.",
            "text", _labels, checks.labels, applies=_has_labels,
        ),
        Question(
            "fields", "JSON keys",
            "The keys of the JSON answer, by comma. An answer counts as exact when all of them "
            "are right.",
            "text", lambda context: ", ".join(context.sample.keys), checks.fields,
            applies=_is_json,
        ),
        Question(
            "metric", "Metric",
            "The one primary metric: it decides, on rows that no training saw.", "choice",
            _metric, checks.metric,
            choices={name: objectives.metrics()[name].what for name in _METRICS},
        ),
        Question(
            "instruction", "Instruction",
            "The system prompt the tuned model is trained and served with. Short: it learns the "
            "rest from the examples, and every word costs time at every call.",
            "paragraph",
            lambda context: proposals.instruction(context.sample, context.fields),
        ),
        Question(
            "prompt", "Base prompt",
            "The system prompt for the untuned base model, which must be told everything. The "
            "fairer it is, the more the comparison says.",
            "paragraph", lambda context: proposals.prompt(context.sample, context.fields),
        ),
        Question(
            "threshold", "Good enough",
            "Acceptance threshold: the score of the metric from which the model may ship.",
            "number", lambda context: f"{template(context).threshold.value:g}",
            checks.positive_share, lambda _, context: template(context).threshold.why,
        ),
        Question(
            "minimum_effect", "Least gain",
            "Minimum effect: the smallest gain over the prompted base model that is worth a "
            "model of its own.",
            "number", lambda context: f"{template(context).minimum_effect.value:g}",
            checks.any_share, lambda _, context: template(context).minimum_effect.why,
        ),
        Question(
            "valid_json", "Valid form",
            "A guardrail: the least share of answers in the right form, such as valid JSON with "
            "the right keys.",
            "number", lambda context: f"{template(context).guardrails.valid_json.value:g}",
            checks.any_share, lambda _, context: template(context).guardrails.valid_json.why,
        ),
        Question(
            "guardrails", "Guardrails",
            "What must not get worse, by comma: answer_tokens (on average), seconds for an answer, "
            "general_loss (share of a general test that may be lost), harmful (share of harmful "
            "requests that may succeed). What you leave out has no limit.",
            "text", _guardrails, checks.guardrails,
        ),
    ),
)  # fmt: skip
