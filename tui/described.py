"""From the wizard's answers to a project, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.base import project, settings
from engine.base.project import Project
from engine.plan import recipe
from tui import checks, columns
from tui.question import Answers, split
from tui.steps import QUESTIONS


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
            **{key: given[key] for key in ("instruction", "prompt", "task", "output", "metric")},
            "fields": split(given["fields"]) if given["output"] == "json" else [],
            "schema": _schema(given, before),
            **{key: checks.share(given[key]) for key in _SHARES},
            "guardrails": checks.limits(given["guardrails"]),
        },
        "data": {
            "sources": [_home(name) for name in split(given["sources"])],
            "golden": _home(given["golden"]),
            "documents": [_home(name) for name in split(given["documents"])],
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


def _schema(given: Answers, before: Project | None) -> dict[str, Any]:
    """Return the labels as the schema they stand for; of JSON answers the schema as it was."""
    if given["output"] == "text" and given["task"] == "classification":
        names = split(given["labels"])
        return {"type": "string", "enum": names} if names else {}
    if before is None or before.objective.output != given["output"]:
        return {}
    return before.objective.schema if given["output"] == "json" else {}


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
    flat["labels"] = described.objective.schema.get("enum", ())
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
