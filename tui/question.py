"""What a question of the wizard is: data, and pure functions of the answers before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.base.settings import nearest_name
from tui import proposals
from tui.proposals import Sample, split

__all__ = ["Answers", "Context", "Question", "Step", "filled", "fixed", "split"]

Answers = Mapping[str, str]
Kind = Literal["text", "paragraph", "choice", "number", "path"]


@dataclass(frozen=True)
class Context:
    """What a question may look at: the project's folder, and the answers."""

    folder: Path
    answers: Answers

    def __getitem__(self, key: str) -> str:
        return self.answers.get(key, "")

    def parts(self, key: str) -> list[str]:
        """Return an answer that is a list, split at its commas."""
        return split(self[key])

    def path(self, name: str) -> Path:
        """Return the path that a name stands for, seen from the project's folder."""
        return self.folder / Path(name).expanduser()

    @property
    def sample(self) -> Sample:
        """What the first rows of the example files show."""
        return proposals.sample(
            [self.path(name) for name in self.parts("sources")], self["columns"]
        )

    @property
    def fields(self) -> list[str]:
        """The keys of a JSON answer; none where the answer is text."""
        return self.parts("fields") if self["output"] == "json" else []


def fixed(value: str) -> Callable[[Context], str]:
    """Return a proposal that is always the same."""
    return lambda _: value


def filled(text: str, _: Context) -> str:
    """Check that there is an answer at all."""
    return "" if text.strip() else "This needs an answer."


def _always(_: Context) -> bool:
    return True


def _nothing(_: str, __: Context) -> str:
    return ""


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        key: Its name in an answers file.
        text: Its name on the screen, short.
        help: What it is about, in plain words.
        kind: How it is asked.
        default: The answer proposed, from the answers before it.
        check: Returns what is wrong with an answer; empty when it will do.
        note: What is known about an answer, such as a model's licence; may be empty.
        choices: The answers to choose from, with what each means.
        applies: Whether it is asked at all, from the other answers.
    """

    key: str
    text: str
    help: str
    kind: Kind
    default: Callable[[Context], str]
    check: Callable[[str, Context], str] = filled
    note: Callable[[str, Context], str] = _nothing
    choices: Mapping[str, str] = field(default_factory=dict)
    applies: Callable[[Context], bool] = _always

    def fault(self, answer: str, context: Context) -> str:
        """Return what is wrong with an answer; empty when it will do."""
        if self.choices and answer not in self.choices:
            hint = nearest_name(answer, list(self.choices))
            return f"Choose one of {', '.join(self.choices)}{hint}."
        return self.check(answer, context)

    def remark(self, answer: str, context: Context) -> str:
        """Return what is known about an answer; for a choice, what it means."""
        return self.choices.get(answer) or self.note(answer, context)


@dataclass(frozen=True)
class Step:
    """Some questions that belong together."""

    name: str
    title: str
    about: str
    questions: tuple[Question, ...]
