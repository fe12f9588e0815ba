"""Drafts of the wizard: what was answered so far, kept in the workspace after every field."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from engine.base import project
from engine.base.errors import TunesmithError
from engine.base.files import write_text
from engine.base.paths import PROJECT_NAME
from engine.base.settings import dump, read_yaml
from tui.described import from_project, written
from tui.question import Answers
from tui.steps import QUESTIONS

DESCRIBED = "check"  # the step to open where a project is described already


@dataclass(frozen=True)
class Draft:
    """What the wizard knows of one folder.

    Attributes:
        given: The answers that were given; all others are proposals.
        step: The step that was open; empty at the beginning.
    """

    given: Answers = field(default_factory=dict)
    step: str = ""


def load(workspace: Path, folder: Path) -> Draft:
    """Return the draft for a folder; else what its `project.yaml` says; else an empty one."""
    try:
        content = read_yaml(_path(workspace, folder))
        answers = content.get("answers") or {}
        given = {key: written(answers[key]) for key in QUESTIONS if key in answers}
        return Draft(given, str(content.get("step") or ""))
    except (TunesmithError, AttributeError, TypeError):
        pass  # no draft, or one that was damaged: the questions begin anew
    if (folder / PROJECT_NAME).is_file():
        return Draft(from_project(project.load(folder)), DESCRIBED)
    return Draft()


def save(workspace: Path, folder: Path, draft: Draft) -> None:
    """Keep a draft, in one step, so that a kill leaves the old one or the new one."""
    content = {"folder": str(folder), "step": draft.step, "answers": dict(draft.given)}
    write_text(_path(workspace, folder), dump(content))


def forget(workspace: Path, folder: Path) -> None:
    """Delete a folder's draft."""
    _path(workspace, folder).unlink(missing_ok=True)


def _path(workspace: Path, folder: Path) -> Path:
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return workspace / "drafts" / f"{name}.yaml"
