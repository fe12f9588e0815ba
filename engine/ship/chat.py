"""Chat: a message to a GGUF, asked just as in training, answered word by word."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from engine.base import project
from engine.base.errors import TunesmithError, UsageError
from engine.base.store import Store
from engine.data.chat.template import ChatTemplate
from engine.run import launch
from engine.ship.history import resolve_run
from engine.ship.runtime import Runtime

_CONTEXT = 4096  # tokens of message and answer together; a larger one takes memory at once
_LONGEST_ANSWER = 1024


class Chat:
    """An exported model that answers messages, each on its own, as it was trained to.

    Args:
        path: The GGUF file.
        instruction: The system prompt of the training.

    Raises:
        TunesmithError: The file cannot be loaded, or holds no chat template.
    """

    def __init__(self, path: Path, instruction: str) -> None:
        self.path = path
        self.instruction = instruction
        self._runtime = Runtime(path, context=_CONTEXT)
        if not self._runtime.template:
            raise TunesmithError(
                "The file holds no chat template, so it does not know what a message is.",
                "Export it from a model that has one.",
                str(path),
            )
        self._template = ChatTemplate(
            _Tokenizer(self._runtime),
            self._runtime.template,
            self._runtime.special(),
            [self._runtime.eos_id],
        )

    def reply(self, message: str) -> str:
        """Return the whole answer to a message."""
        return "".join(self.stream(message))

    def stream(self, message: str) -> Iterator[str]:
        """Yield the answer to a message as it is made: greedy, so it is the same every time.

        Raises:
            UsageError: The message is empty or longer than the model can read.
        """
        prompt = self._template.prompt_ids(self.instruction, (), message)
        if not message.strip() or len(prompt) >= self._runtime.context:
            raise UsageError(
                "The message is empty."
                if not message.strip()
                else f"The message is too long: {len(prompt)} tokens, {_CONTEXT} at most.",
                "Write a message, not longer than that.",
            )
        text = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for token in self._runtime.continued(prompt, _LONGEST_ANSWER):
            if piece := text.decode(self._runtime.piece(token)):
                yield piece
        if rest := text.decode(b"", final=True):
            yield rest

    def close(self) -> None:
        """Free the model's memory."""
        self._runtime.close()


def open_chat(store: Store, target: str) -> Chat:
    """Open what a person wants to talk to.

    Args:
        store: The workspace's store.
        target: An artifact's id (`a12`), a `.gguf` file, or a run's id or name, which means the
            smallest of its files that passed parity.

    Raises:
        UsageError: There is no such thing, or nothing of the run may be used.
    """
    path, run_id = _find(store, target)
    if not path.is_file():
        raise UsageError("The file is gone.", "Export the run again.", str(path))
    trained = project.load(launch.folder(store, run_id)) if run_id is not None else None
    return Chat(path, trained.objective.instruction if trained else "")


@dataclass(frozen=True)
class _Tokenizer:
    """llama.cpp's tokenizer, with the one method of `tokenizers` that a chat template needs."""

    runtime: Runtime

    def encode(self, text: str, *, add_special_tokens: bool) -> SimpleNamespace:
        assert not add_special_tokens  # the template has written them already
        return SimpleNamespace(ids=self.runtime.encode(text))


def _find(store: Store, target: str) -> tuple[Path, int | None]:
    """Return the file, and the run it came from if it is one of ours."""
    if target.endswith(".gguf"):
        path = Path(target).expanduser().resolve()
        for row in store.rows("SELECT run_id, path FROM artifacts WHERE kind LIKE 'gguf:%'"):
            if (store.workspace / row["path"]).resolve() == path:
                return path, int(row["run_id"])
        return path, None
    if target[:1] == "a" and target[1:].isdigit():
        named = store.row(
            "SELECT run_id, path FROM artifacts WHERE id = ? AND kind LIKE 'gguf:%'",
            (int(target[1:18]),),
        )
        if named is None:
            raise UsageError(
                f"{target} is no GGUF artifact.", "`tunesmith show RUN` lists a run's artifacts."
            )
        return store.workspace / named["path"], int(named["run_id"])
    run_id = resolve_run(store, target)
    path = store.scalar("SELECT path FROM artifacts WHERE run_id = ? AND recommended", (run_id,))
    if path is None:
        raise UsageError(
            f"Run {run_id} has no exported file that passed parity.",
            f"Make one: `tunesmith export {run_id}`; or name an artifact or a .gguf file.",
        )
    return store.workspace / path, run_id
