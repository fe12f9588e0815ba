"""The watcher of a process that writes nothing: it counts, and leaves the rest to process 0."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback


class Quiet(TrainerCallback):  # type: ignore[misc]
    """Stands where process 0 has its watcher.

    Attributes:
        tokens: Tokens trained on in this session; the trainer counts them.
    """

    def __init__(self) -> None:
        self.tokens = 0

    def on_log(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Forget the points; process 0 has written them."""
        state.log_history.clear()

    def complete(self, step: int) -> None:
        """Leave it to process 0 to make a checkpoint valid."""
