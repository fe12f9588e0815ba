"""Decisions of a review on their way to the store: in the order of the keys, in a thread."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from textual.message import Message
from textual.message_pump import MessagePump

from engine.base.store import Store
from engine.data.curate import review, suspects
from engine.data.curate.review import Choice, Review
from engine.data.curate.suspects import Item
from engine.data.rows import Row


@dataclass
class Saved(Message):
    """A decision was saved."""

    made: Review


@dataclass
class Withdrawn(Message):
    """A decision was taken back; None when there was none."""

    made: Review | None


@dataclass
class Failed(Message):
    """A decision could not be saved."""

    error: Exception
    row_id: str = ""


@dataclass
class Found(Message):
    """The other row of a pair was looked for."""

    place: str
    row: Row | None


@dataclass(frozen=True)
class Amended:
    """The texts that a decision changes; None where they stay."""

    prompt: str | None = None
    completion: str | None = None
    scenario: str | None = None


AS_IT_IS = Amended()


class Decider:
    """Saves one person's decisions; no lock of the store ever stops the screen.

    Args:
        target: Gets `Saved`, `Withdrawn`, `Failed` and `Found`.
        store: The workspace's store.
        reviewer: Who decides.
    """

    def __init__(self, target: MessagePump, store: Store, reviewer: str) -> None:
        self._target, self._store, self._reviewer = target, store, reviewer
        self._saving = ThreadPoolExecutor(1, "review")
        self._seeking = ThreadPoolExecutor(1, "review-other")
        self.pending: set[str] = set()

    def decide(
        self,
        project_id: int,
        item: Item,
        decision: Choice,
        texts: Amended = AS_IT_IS,
        *,
        note: str = "",
        settle: bool = False,
    ) -> None:
        """Save a decision."""
        self.pending.add(item.row_id)
        save = partial(
            review.decide, self._store, project_id, item, self._reviewer, decision,
            prompt=texts.prompt, completion=texts.completion, scenario=texts.scenario,
            note=note, settle=settle,
        )  # fmt: skip
        self._submit(self._saving, lambda: Saved(save()), item.row_id)

    def undo(self, project_id: int) -> None:
        """Take the last decision back."""
        self._submit(
            self._saving,
            lambda: Withdrawn(review.withdraw(self._store, project_id, self._reviewer)),
        )

    def seek(self, project_id: int, place: str) -> None:
        """Look for a row in the newest dataset."""
        found = partial(suspects.kept_row, self._store, project_id, place)
        self._submit(self._seeking, lambda: Found(place, found()))

    async def finish(self) -> None:
        """Wait until everything is saved."""
        self._seeking.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._saving.shutdown)

    def _submit(
        self, thread: ThreadPoolExecutor, work: Callable[[], Message], row_id: str = ""
    ) -> None:
        thread.submit(contextvars.copy_context().run, self._guarded, work, row_id)

    def _guarded(self, work: Callable[[], Message], row_id: str) -> None:
        try:
            message = work()
        except Exception as error:  # noqa: BLE001 - a thread's boundary: the screen says it
            message = Failed(error, row_id)
        self._target.post_message(message)
