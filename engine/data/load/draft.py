"""A row in the making: its parts, cleaned of what no text may hold, with what was wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.data.load.texts import examine, suspect
from engine.data.load.turns import Complaint
from engine.data.rows import Form, Turn


@dataclass(slots=True)
class Draft:
    """The parts of a row that is being made."""

    prompt: str = ""
    completion: str = ""
    system: str = ""
    history: tuple[Turn, ...] = ()
    rejected: str = ""
    label: bool = True
    form: Form = "answer"
    complaints: list[Complaint] = field(default_factory=list)


def clean(draft: Draft) -> None:
    """Take out of the texts what none may hold, and look for texts that are missing."""
    named = {"completion": draft.completion}
    if draft.form != "text":
        named |= {"prompt": draft.prompt, "system": draft.system, "rejected": draft.rejected}
    for name, text in named.items():
        if text and suspect(text):
            said = "the text" if draft.form == "text" else _SAID[name]
            setattr(draft, name, _cleaned(text, said, draft))
    if any(suspect(turn.content) for turn in draft.history):
        draft.history = tuple(
            Turn(turn.role, _cleaned(turn.content, "an earlier turn", draft))
            for turn in draft.history
        )
    _judge(draft)


_SAID = {
    "prompt": "the prompt",
    "completion": "the answer",
    "system": "the system prompt",
    "rejected": "the rejected answer",
}


def _cleaned(text: str, name: str, draft: Draft) -> str:
    text, faults = examine(text)
    for item in faults:
        what = f"{name[0].upper()}{name[1:]} {item.what}."
        draft.complaints.append(Complaint(what, item.fix, item.mended))
    return text


def _judge(draft: Draft) -> None:
    told = draft.complaints.append
    if draft.form == "text":
        if not draft.completion.strip():
            told(Complaint("The text is empty.", "Remove the row."))
        return
    replies = bool(draft.history) and draft.history[-1].role == "tool"
    for text, name in ((draft.prompt, "prompt"), (draft.completion, "answer")):
        if not text.strip() and not (replies and name == "prompt"):
            told(Complaint(f"The {name} is empty.", f"Write the {name}, or remove the row."))
    if draft.prompt == draft.completion and draft.prompt.strip():
        told(Complaint("The answer is the prompt again.", "Write the answer, or remove the row."))
    if draft.form == "preference":
        if not draft.rejected.strip():
            told(Complaint("The rejected answer is empty.", "Write it, or remove the row."))
        elif draft.rejected == draft.completion:
            told(
                Complaint(
                    "The chosen and the rejected answer are the same, so nothing is preferred.",
                    "Remove the row.",
                )
            )
