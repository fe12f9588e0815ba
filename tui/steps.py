"""The wizard's questions: the screen, the prompts and the answers file walk this one list.

An answer is the text that a person would type. One that is not given is proposed from those
before it and from the example files, so that Enter alone leads to a sound project.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.base import model, project, settings
from engine.base.project import Project
from engine.plan import recipe
from tui import checks, columns, proposals
from tui.question import Answers, Context, Question, Step, fixed, split


def _name(context: Context) -> str:
    return re.sub(r"[^a-z0-9]+", "-", context.folder.name.lower()).strip("-")[:60] or "project"


def _files(context: Context, *, golden: bool) -> list[str]:
    """Return the data files of the folder; those with `golden` in their name, or the others."""
    names = sorted(file.name for file in context.folder.glob("*") if proposals.holds_examples(file))
    return [name for name in names if ("golden" in name.lower()) is golden]


def _columns(context: Context) -> str:
    return proposals.detected([context.path(name) for name in context.parts("sources")])


def _recipes() -> dict[str, str]:
    purposes = {name: recipe.load(name).purpose for name in recipe.names()}
    return {name: f"{purpose.partition('. ')[0]}." for name, purpose in purposes.items()}


def _is_json(context: Context) -> bool:
    return context["output"] == "json"


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
            "path", lambda context: ", ".join(_files(context, golden=False)), checks.sources,
            checks.about_sources,
        ),
        Question(
            "columns", "Columns",
            "Which column is what, by comma, where their names do not say it: prompt=question, "
            "completion=answer, scenario=category, format=sharegpt, role.bot=assistant.",
            "text", _columns, checks.columns, checks.about_columns,
        ),
        Question(
            "task", "Task", "The kind of task; it sets how answers are compared.", "choice",
            lambda context: context.sample.task,
            choices={
                "extraction": "Find things in a text and return them, as JSON fields.",
                "classification": "Put a text into one of some classes.",
                "free": "Write text: an answer, a summary, a certain tone.",
            },
        ),
        Question(
            "output", "Answer", "The form of an answer.", "choice",
            lambda context: "json" if context.sample.keys else "text",
            choices={"json": "One JSON object with fixed keys.", "text": "Plain text."},
        ),
        Question(
            "fields", "JSON keys",
            "The keys of the JSON answer, by comma. An answer counts as exact when all of them "
            "are right.",
            "text", lambda context: ", ".join(context.sample.keys), checks.fields,
            applies=_is_json,
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
            "Acceptance threshold: the share of exact answers from which the model may ship.",
            "number", fixed("0.8"), checks.positive_share,
        ),
        Question(
            "minimum_effect", "Least gain",
            "Minimum effect: the smallest gain over the prompted base model that is worth a "
            "model of its own.",
            "number", fixed("0.05"), checks.any_share,
        ),
        Question(
            "valid_json", "Valid form",
            "A guardrail: the least share of answers in the right form, such as valid JSON with "
            "the right keys.",
            "number", fixed("0.98"), checks.any_share,
        ),
    ),
)  # fmt: skip

DATA = Step(
    "data",
    "Data",
    "How the examples are cleaned and split.",
    (
        Question(
            "golden", "Golden rows",
            "A file of hard rows, checked by hand, that no training may ever read. Leave "
            "it empty when there is none.",
            "path", lambda context: next(iter(_files(context, golden=True)), ""), checks.golden,
            checks.about_golden,
        ),
        Question(
            "pii", "Personal data",
            "What to do with e-mail addresses, phone numbers and keys that are found in a row "
            "(PII: what can identify a person).",
            "choice", fixed("mask"),
            choices={
                "mask": "Replace each by a placeholder such as <EMAIL_1>; the row stays.",
                "pseudonymise": "Replace each by an invented one of the same form.",
                "drop": "Leave such rows out.",
                "keep": "Train on them as they are: the model may repeat them to anyone.",
            },
        ),
        Question(
            "fix", "Mend rows",
            "Mend what needs no question, such as roles out of order or control characters, "
            "rather than leave such rows out. The files stay as they are.",
            "choice", lambda context: "true" if context.sample.mendable else "false",
            choices={"true": "Mend them; each is told.", "false": "Leave them out; each is told."},
        ),
        Question(
            "test", "Test split",
            "The share of rows held out for the verdict; the training never sees them.",
            "number", fixed("0.15"), checks.held_out,
        ),
        Question(
            "validation", "Validation",
            "The share of rows held out for the advice and for watching the training.",
            "number", fixed("0.1"), checks.held_out,
        ),
    ),
)  # fmt: skip

MODEL = Step(
    "model",
    "Model",
    "What is tuned, for what, and where it will run.",
    (
        Question(
            "base_model", "Base model",
            "A catalogue name, owner/name from the Hugging Face hub, or a folder with safetensors.",
            "text", fixed(model.EMBEDDED), checks.base_model, checks.about_model,
        ),
        Question(
            "goal", "Goal", "What counts most when two answers are possible.", "choice",
            fixed("quality"),
            choices={
                "quality": "The most right answers.",
                "latency": "The quickest and cheapest answers that are good enough.",
                "domain": "Knowing the words and facts of a field.",
                "safety": "Never a harmful answer, even if some good ones are lost.",
            },
        ),
        Question(
            "target", "Will run on", "The program that will serve the model.", "choice",
            fixed("llama.cpp"),
            choices={
                "llama.cpp": "One file (GGUF), on a CPU or any GPU.",
                "ollama": "llama.cpp in a convenient coat; the same GGUF file.",
                "vllm": "A server for many users at once, on a GPU.",
            },
        ),
    ),
)  # fmt: skip

RECIPE = Step(
    "recipe",
    "Recipe",
    "How it is trained; it bends to data and machine.",
    (
        Question(
            "recipe", "Recipe", "The method and its settings (a file in recipes/).", "choice",
            fixed("sft-lora"), choices=_recipes(),
        ),
        Question(
            "settings", "Overrides",
            "Settings of your own, as key=value by comma, such as epochs=2, lora_rank=32. Leave "
            "it empty: the plan shows every value with its reason before anything starts.",
            "text", fixed(""), checks.settings,
        ),
        Question(
            "seed", "Seed",
            "The number all chance is drawn from: the same seed gives the same split and order.",
            "number", fixed("42"), checks.whole,
        ),
    ),
)  # fmt: skip

EXPORTS = Step(
    "exports",
    "Exports",
    "Which files are made of the tuned model.",
    (
        Question(
            "exports", "GGUF types",
            "The GGUF types to make, by comma, best quality first. The smallest that passes the "
            "parity gate is recommended.",
            "text", fixed("F16, Q8_0, Q6_K"), checks.exports, checks.about_exports,
        ),
    ),
)  # fmt: skip

REVIEW = Step("review", "Review", "The project as it will be written.", ())

STEPS = (OBJECTIVE, DATA, MODEL, RECIPE, EXPORTS, REVIEW)
QUESTIONS = {question.key: question for step in STEPS for question in step.questions}


def complete(given: Answers, folder: Path) -> dict[str, str]:
    """Return the answers given, and for every other question the proposal."""
    answers: dict[str, str] = {}
    for key, question in QUESTIONS.items():
        answers[key] = given[key] if key in given else question.default(Context(folder, answers))
    return answers


def faults(answers: Answers, folder: Path) -> dict[str, str]:
    """Return what is wrong, by question; empty when the answers make a project."""
    context = Context(folder, answers)
    found = {
        key: question.fault(answers.get(key, ""), context)
        for key, question in QUESTIONS.items()
        if question.applies(context)
    }
    return {key: fault for key, fault in found.items() if fault}


def to_project(answers: Answers, before: Project | None = None) -> Project:
    """Return the project that complete answers describe.

    Args:
        answers: An answer to every question.
        before: The project as it was; what no question asks stays as it is there.

    Raises:
        UsageError: Lists every answer that will not do.
    """
    given = {key: answer.strip() for key, answer in answers.items()}
    content: dict[str, Any] = {
        "name": given["name"],
        "objective": {
            **{key: given[key] for key in ("instruction", "prompt", "task", "output")},
            "fields": split(given["fields"]) if given["output"] == "json" else [],
            **{key: checks.share(given[key]) for key in _SHARES},
        },
        "data": {
            "sources": [_home(name) for name in split(given["sources"])],
            "golden": _home(given["golden"]),
            "test": checks.share(given["test"]),
            "validation": checks.share(given["validation"]),
            "pii": given["pii"],
            "fix": given["fix"] == "true",
            "mapping": _mapping(given, before),
        },
        "base_model": _home(given["base_model"]),
        "recipe": given["recipe"],
        "settings": recipe.assignments(split(given["settings"])),
        "goal": given["goal"],
        "target": given["target"],
        "exports": split(given["exports"]),
        "seed": int(given["seed"]),
    }
    if before is not None:
        kept = asdict(before)
        for part in ("objective", "data"):
            content[part] = {**kept[part], **content[part]}
        content = {**kept, **content}
    return settings.parse(content, Project, "the answers")


def _mapping(given: Answers, before: Project | None) -> dict[str, dict[str, object]]:
    """Return the mapping of every file; mappings that differ by file are kept as they were."""
    if not given["columns"]:
        kept = before.data.mapping if before is not None else {}
        return {name: asdict(item) for name, item in kept.items()} if _differ(kept) else {}
    content = asdict(columns.to_mapping(split(given["columns"])))
    files = [*split(given["sources"]), *([given["golden"]] if given["golden"] else [])]
    return {_home(name): {key: item for key, item in content.items() if item} for name in files}


def _differ(mapping: Mapping[str, project.Mapping]) -> bool:
    return len({columns.written(item) for item in mapping.values()}) > 1


def from_project(described: Project) -> dict[str, str]:
    """Return the answers that describe a project."""
    content = asdict(described)
    flat = {**content, **content["objective"], **content["data"]}
    mapping = described.data.mapping
    one = next(iter(mapping.values()), project.Mapping())
    flat["columns"] = "" if _differ(mapping) else columns.written(one)
    return {key: written(flat[key]) for key in QUESTIONS}


def written(value: object) -> str:
    """Return a value of YAML as the text that a person would type."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={written(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(written(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


_SHARES = ("threshold", "minimum_effect", "valid_json")


def _home(name: str) -> str:
    return str(Path(name).expanduser()) if name.startswith("~") else name
