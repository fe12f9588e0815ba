"""`tunesmith init`: the wizard's questions as plain prompts, or answered by a file."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path
from typing import Any

from engine.base import paths, project, settings
from engine.base.errors import UsageError
from tui import drafts, output
from tui.described import to_project, written
from tui.drafts import Draft
from tui.question import Context, Question
from tui.steps import QUESTIONS, STEPS, complete, faults


def init(folder: Path, answers_file: Path | None, workspace: Path | None = None) -> Path:
    """Make a project; return the path of its `project.yaml`.

    Args:
        folder: The project's folder; made when missing. Example files stay where they are.
        answers_file: A YAML file of answers; nothing is asked, and what it leaves out is proposed.
        workspace: Where drafts are kept; the usual workspace when None.

    Raises:
        UsageError: An answer will not do, there is a project already, or no terminal to ask on.
        KeyboardInterrupt: The user left; what was answered is kept as a draft.
    """
    if answers_file is not None:
        return _write(complete(read_answers(answers_file), folder), folder, replace=False)
    if not sys.stdin.isatty():
        raise UsageError(
            "There is no terminal to ask on.", "Answer by a file: tunesmith init --answers FILE."
        )
    workspace = workspace or paths.workspace()
    path = _write(_ask(folder, workspace), folder, replace=True)
    drafts.forget(workspace, folder)
    return path


def read_answers(path: Path) -> dict[str, str]:
    """Read a file of answers, `key: value` a line.

    Raises:
        UsageError: Names every unknown key, with the nearest known one.
    """
    content = settings.read_yaml(path)
    known = list(QUESTIONS)
    unknown = [
        f"unknown answer {key}{settings.nearest_name(str(key), known)}"
        for key in content
        if key not in QUESTIONS
    ]
    if unknown:
        raise UsageError(
            "; ".join(unknown) + ".", f"The answers are: {', '.join(known)}.", str(path)
        )
    return {key: written(value) for key, value in content.items()}


def _write(answers: dict[str, str], folder: Path, *, replace: bool) -> Path:
    found = faults(answers, folder)
    if found:
        listed = " ".join(f"{key}: {fault}" for key, fault in found.items())
        raise UsageError(listed, "Give these answers and try again.", str(folder))
    wanted = to_project(answers, project.here(folder))
    path = folder / paths.PROJECT_NAME
    if path.is_file() and not replace and project.load(folder) != wanted:
        raise UsageError(
            "There is another project here already.",
            "Name another folder, or move that project.yaml away.",
            str(path),
        )
    return project.save(wanted, folder)


def _ask(folder: Path, workspace: Path) -> dict[str, str]:
    """Ask every question that applies, each with its proposal; keep a draft after each."""
    import questionary

    given = dict(drafts.load(workspace, folder).given)
    for step in STEPS:
        if step.questions:
            output.say(f"\n{step.title.upper()}  {step.about}")
        for question in step.questions:
            context = Context(folder, complete(given, folder))
            if not question.applies(context):
                continue
            answer = _question(question, context).unsafe_ask()
            if answer != context[question.key]:
                given[question.key] = answer
            drafts.save(workspace, folder, Draft(given, step.name))
    answers = complete(given, folder)
    path = folder / paths.PROJECT_NAME
    verb = "Replace" if path.is_file() else "Write"
    if not questionary.confirm(f"{verb} {path}?", default=True).unsafe_ask():
        raise KeyboardInterrupt
    return answers


def _question(question: Question, context: Context) -> Any:
    """Return the prompt for one question."""
    import questionary

    proposal = context[question.key]
    about = "" if question.choices else question.remark(proposal, context)
    _tell(f"{question.help} {about}")
    if question.choices:
        return questionary.select(
            question.text,
            choices=[
                questionary.Choice(f"{value}: {means}", value=value)
                for value, means in question.choices.items()
            ],
            default=proposal if proposal in question.choices else None,
        )

    def check(answer: str) -> bool | str:
        return question.fault(answer, context) or True

    return questionary.text(question.text, default=proposal, validate=check)


def _tell(text: str) -> None:
    width = min(100, shutil.get_terminal_size().columns)
    output.say("\n" + textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  "))
