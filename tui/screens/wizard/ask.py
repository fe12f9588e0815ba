"""Checking and keeping the answers, off the screen's thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from textual.message import Message
from textual.screen import Screen

from engine.base.errors import TunesmithError
from engine.base.project import here
from engine.base.settings import dump
from tui import drafts
from tui.described import to_project
from tui.drafts import Draft
from tui.question import Context
from tui.steps import QUESTIONS, complete, faults


@dataclass
class Checked(Message):
    """All answers, and what is wrong with them.

    Attributes:
        turn: Which check this is; only the newest counts.
        answers: Every answer, given or proposed.
        faults: What is wrong, by question.
        asked: The questions that apply.
        yaml: The project as it would be written; empty while something is wrong.
        saved: Whether the draft is kept.
    """

    turn: int = 0
    answers: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    yaml: str = ""
    saved: bool = False


@dataclass
class Failed(Message):
    """Something that was asked for did not work."""

    error: Exception


class Asker:
    """Holds what was answered; after every answer a thread checks all and keeps the draft.

    Args:
        screen: Gets a `Checked` after every check.
        workspace: Where drafts are kept.
    """

    def __init__(self, screen: Screen[None], workspace: Path) -> None:
        self._screen = screen
        self._workspace = workspace
        self._lock = threading.Lock()
        self._turn = 0
        self.folder = Path()
        self.given: dict[str, str] = {}
        self.last = Checked()

    def begin(self, folder: Path, given: Mapping[str, str]) -> None:
        """Go on with what was given for a folder."""
        self.folder, self.given, self.last = folder, dict(given), Checked()

    def give(self, key: str, answer: str, step: str) -> None:
        """Take an answer; one that is what was shown already is a proposal, not an answer."""
        if answer != self.last.answers.get(key, answer):
            self.given[key] = answer
            self.check(step)

    def check(self, step: str) -> None:
        """Check all answers and keep the draft, in a thread."""
        self._turn += 1
        work = partial(self._work, self._turn, self.folder, dict(self.given), step)
        self._screen.run_worker(work, thread=True, group="ask", exit_on_error=False)

    @property
    def settled(self) -> bool:
        """Whether the newest answers are checked and kept."""
        return self.last.turn == self._turn

    def accepts(self, message: Checked) -> bool:
        """Take a check's result, unless a newer check is under way."""
        if message.turn != self._turn:
            return False
        self.last = message
        return True

    def _work(self, turn: int, folder: Path, given: Mapping[str, str], step: str) -> None:
        with self._lock:  # drafts are written in the order of the answers
            if turn != self._turn:
                return
            saved = self._save(folder, Draft(given, step))
            answers = complete(given, folder)
            found = faults(answers, folder)
            yaml = "" if found else dump(asdict(to_project(answers, here(folder))))
        context = Context(folder, answers)
        asked = frozenset(key for key, q in QUESTIONS.items() if q.applies(context))
        self._screen.post_message(Checked(turn, answers, found, asked, yaml, saved))

    def _save(self, folder: Path, draft: Draft) -> bool:
        try:
            drafts.save(self._workspace, folder, draft)
        except (TunesmithError, OSError) as error:
            self._screen.post_message(Failed(error))
            return False
        return True
