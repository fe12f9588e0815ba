"""The steps of the wizard in order, and the lines that say where one stands; pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tui.screens.wizard.ask import Checked
from tui.screens.wizard.journey import Look
from tui.steps import STEPS
from tui.widgets.canvas import Line, spread
from tui.widgets.stepper import State, Stop
from tui.words import literal

ASKED = {step.name: step for step in STEPS}
LIVE = {
    "check": ("Dataset", "Check, clean and split the examples."),
    "advice": ("Advice", "Measure the untuned base: is tuning worth it at all?"),
    "plan": ("Plan", "The recipe resolved for this data on this machine."),
    "train": ("Train", "Start the training."),
}
ORDER = (*ASKED, *LIVE)


def header(step: str, folder: Path, last: Checked, width: int) -> Line:
    """Return the first line: the project, its folder, the draft, and the number of the step."""
    name = literal(last.answers.get("name", "")) or "new project"
    return spread(
        [
            (" tunesmith", "accent"),
            (" › ", "faint"),
            (name, "strong"),
            (f"  {literal(folder)}", "quiet"),
        ],
        [
            ("draft saved ✓" if last.saved else "", "good"),
            (f"  step {ORDER.index(step) + 1} of {len(ORDER)} ", "quiet"),
        ],
        width,
    )


def title(step: str) -> Line:
    """Return the name of a step and what it is about."""
    asked = ASKED.get(step)
    name, about = (asked.title, asked.about) if asked else LIVE[step]
    return [(name, "strong"), (f"  {about}", "quiet")]


def stops(step: str, faults: Mapping[str, str], look: Look) -> tuple[Stop, ...]:
    """Return the rail: what has become of every step."""
    states = look.states
    return (
        Stop("", "Describe"),
        *(Stop(name, ASKED[name].title, _asked(name, step, faults, look)) for name in ASKED),
        Stop("", ""),
        Stop("", "Do"),
        *(Stop(name, LIVE[name][0], states[name]) for name in LIVE),
    )


def _asked(name: str, step: str, faults: Mapping[str, str], look: Look) -> State:
    passed = look.project is not None or ORDER.index(step) > ORDER.index(name)
    if passed and any(question.key in faults for question in ASKED[name].questions):
        return "fault"
    return "done" if passed else "todo"
