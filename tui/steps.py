"""The wizard's questions: the screen, the prompts and the answers file walk this one list.

An answer is the text that a person would type. One that is not given is proposed from those
before it and from the example files, so that Enter alone leads to a sound project.
"""

from __future__ import annotations

from pathlib import Path

from tui.question import Answers, Context, Step
from tui.questions.data import DATA
from tui.questions.objective import OBJECTIVE
from tui.questions.training import EXPORTS, MODEL, RECIPE

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
