"""The only thread that reads the store for the screens: one look a tick, one message a look.

A screen lends the feed a reader while it is shown. The feed calls it four times a second (less
over a slow line or out of focus, never while hidden) and posts what it returned as one `Fresh`.
Whatever the trainer writes in between, the screen handles one message and draws one frame.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from textual.message import Message
from textual.message_pump import MessagePump

from engine.base.errors import TunesmithError
from engine.base.store import Store

# Reads the store in the feed's thread; None means that nothing changed.
Reader = Callable[[Store], object | None]
_LOST_SECONDS = 2.0
_BLURRED_SECONDS = 1.0


class Fresh(Message):
    """What a reader returned; a newer one replaces it, so a busy screen never lags behind."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value

    def can_replace(self, message: Message) -> bool:
        """Take the place of an older look that was not handled yet."""
        return isinstance(message, Fresh)


class Broken(Message):
    """The store could not be read."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Feed:
    """The thread that looks at the store.

    Args:
        workspace: The folder of `runs.db`.
        period: Seconds between two looks while the terminal has the focus.
    """

    def __init__(self, workspace: Path, period: float) -> None:
        self._workspace = workspace
        self._period = period
        self._focused = True
        self._over = False
        self._watched: tuple[MessagePump, Reader] | None = None
        self._fault = ""
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start looking; call it from the app, whose context Textual's messages need."""
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="feed", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; wait for a look that is under way, at most a second."""
        self._over = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def watch(self, target: MessagePump, reader: Reader) -> None:
        """Read for `target` from now on, beginning at once."""
        self._watched = (target, reader)
        self._wake.set()

    def release(self, target: MessagePump) -> None:
        """Read no more for `target`, which is hidden or gone."""
        watched = self._watched
        if watched is not None and watched[0] is target:
            self._watched = None

    def look(self) -> None:
        """Look now: what the reader shall read has changed."""
        self._wake.set()

    def focus(self, focused: bool) -> None:
        """Look less often while nobody looks at the terminal."""
        self._focused = focused
        self._wake.set()

    def _run(self) -> None:
        store = Store(self._workspace)
        checked = 0.0
        while not self._over:
            self._wake.clear()
            watched = self._watched
            if watched is None:
                self._wake.wait()
                continue
            self._look(store, *watched)
            if time.monotonic() - checked > _LOST_SECONDS:
                checked = time.monotonic()
                self._mark_lost(store)
            self._wake.wait(self._period if self._focused else _BLURRED_SECONDS)
        store.close()

    def _look(self, store: Store, target: MessagePump, reader: Reader) -> None:
        try:
            value = reader(store)
        except Exception as error:  # noqa: BLE001 - a thread's boundary: the screen says it
            if str(error) != self._fault:  # once, not four times a second
                self._fault = str(error)
                target.post_message(Broken(error))
            return
        self._fault = ""
        if value is not None and not self._over:
            target.post_message(Fresh(value))

    def _mark_lost(self, store: Store) -> None:
        from engine.base.jobs import mark_lost

        with suppress(TunesmithError):  # a full disk, which must not end the looking
            mark_lost(store)
