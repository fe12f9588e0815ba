"""A GGUF file at work: llama.cpp through llama-cpp-python's C interface.

Its `Llama` class keeps the logits of every token and takes over standard output while it loads, so
parity and chat use the functions below it: one sequence, whose memory is kept as far as the next
request begins alike (the system prompt, then all that was said), and logits only where wanted.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import psutil

from engine.base.errors import TunesmithError
from engine.base.hardware import machine

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

_BATCH = 256  # tokens computed at once; more needs memory for logits and is no faster
_ALL_LAYERS = 999
_SAMPLE_SECONDS = 0.25
_said: deque[str] = deque(maxlen=40)


@cache
def library() -> Any:
    """Return `llama_cpp`, with what llama.cpp would print kept for error messages instead."""
    import llama_cpp

    def keep(_level: int, text: bytes, _data: Any) -> None:
        _said.append(text.decode(errors="replace"))

    callback = llama_cpp.llama_log_callback(keep)
    llama_cpp.llama_log_set(callback, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    llama_cpp.tunesmith_callback = callback  # C holds no reference; without one it would be freed
    return llama_cpp


def last_words() -> str:
    """Return the last thing that llama.cpp said, for the message of a failure."""
    lines = [line.strip() for line in "".join(_said).splitlines() if line.strip(" .")]
    return lines[-1][:300] if lines else "it gives no reason"


class Runtime:
    """One GGUF in memory.

    Args:
        path: The file.
        context: The most tokens of one request, prompt and answer together; 0 for the model's own.
        threads: CPU threads; 0 for as many as there are idle cores now.

    Attributes:
        vocabulary: How many tokens it knows.
        eos_id: The token with which it ends an answer.
        context: The most tokens of one request.
        template: The text of the chat template inside the file; empty when there is none.

    Raises:
        TunesmithError: llama.cpp cannot load the file.
    """

    def __init__(self, path: Path, *, context: int = 0, threads: int = 0) -> None:
        lib = library()
        model = lib.llama_model_default_params()
        model.n_gpu_layers = _ALL_LAYERS if lib.llama_supports_gpu_offload() else 0
        self._model = lib.llama_model_load_from_file(str(path).encode(), model)
        self._context = self._model and lib.llama_init_from_model(
            self._model, _context_settings(context, threads or _idle_cores())
        )
        if not self._context:
            raise TunesmithError(
                f"llama.cpp cannot load this file: {last_words()}",
                "Export it again; if it is another program's file, check that it is whole.",
                str(path),
            )
        self.path = path
        self._vocab = lib.llama_model_get_vocab(self._model)
        self._memory = lib.llama_get_memory(self._context)
        self._batch = lib.llama_batch_init(_BATCH, 0, 1)
        self._past: list[int] = []
        self.vocabulary: int = lib.llama_vocab_n_tokens(self._vocab)
        self.eos_id: int = lib.llama_vocab_eos(self._vocab)
        self.context: int = lib.llama_n_ctx(self._context)
        self.template: str = (lib.llama_model_chat_template(self._model, None) or b"").decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the model's memory; the runtime cannot be used afterwards."""
        lib = library()
        lib.llama_batch_free(self._batch)
        lib.llama_free(self._context)
        lib.llama_model_free(self._model)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a rendered prompt, control tokens understood, nothing added."""
        raw = text.encode()
        room = len(raw) + 8
        ids = (library().llama_token * room)()
        count = library().llama_tokenize(self._vocab, raw, len(raw), ids, room, False, True)
        return list(ids[:count])

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens; control tokens have none."""
        return b"".join(map(self.piece, ids)).decode(errors="replace")

    def special(self) -> dict[str, str]:
        """Return the special tokens by role, as chat templates name them."""
        lib = library()
        ids = {"bos_token": lib.llama_vocab_bos(self._vocab), "eos_token": self.eos_id}
        return {
            role: lib.llama_vocab_get_text(self._vocab, token).decode()
            for role, token in ids.items()
            if token >= 0
        }

    def piece(self, token: int) -> bytes:
        """Return the bytes of one token; they may be part of a character."""
        buffer = ctypes.create_string_buffer(64)
        size = library().llama_token_to_piece(self._vocab, token, buffer, 64, 0, False)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = library().llama_token_to_piece(self._vocab, token, buffer, -size, 0, False)
        return buffer.raw[:size]

    def logits(self, ids: Sequence[int], start: int) -> NDArray[float32]:
        """Return the logits of what follows `ids[start]`, `ids[start + 1]` and so on to the end.

        Args:
            ids: A whole text as tokens.
            start: The first position of interest.

        Returns:
            One row a position, one column a token of the vocabulary.
        """
        import numpy as np

        same = sum(1 for _ in takewhile(lambda p: p[0] == p[1], zip(self._past, ids, strict=False)))
        done = self._forget_after(min(same, start))
        rows = np.empty((len(ids) - start, self.vocabulary), dtype=np.float32)
        for first in range(done, len(ids), _BATCH):
            piece = ids[first : first + _BATCH]
            self._compute(piece, first, start)
            for offset in range(max(start - first, 0), len(piece)):
                pointer = library().llama_get_logits_ith(self._context, offset)
                rows[first + offset - start] = np.ctypeslib.as_array(pointer, (self.vocabulary,))
        self._past = list(ids)
        return rows

    def continued(self, ids: Sequence[int], most: int) -> Iterator[int]:
        """Yield the greedy continuation token by token, up to an end token or `most` tokens."""
        text = list(ids)
        self._past = []  # added up in another order, near ties would tip
        for _ in range(min(most, self.context - len(text))):
            token = int(self.logits(text, len(text) - 1)[0].argmax())
            if library().llama_vocab_is_eog(self._vocab, token):
                return
            yield token
            text.append(token)

    def _forget_after(self, kept: int) -> int:
        """Forget all but the first tokens; models that can only forget everything do that."""
        if not library().llama_memory_seq_rm(self._memory, 0, kept, -1):
            library().llama_memory_clear(self._memory, True)
            return 0
        return kept

    def _compute(self, ids: Sequence[int], first: int, start: int) -> None:
        batch = self._batch
        batch.n_tokens = len(ids)
        for offset, token in enumerate(ids):
            batch.token[offset] = token
            batch.pos[offset] = first + offset
            batch.n_seq_id[offset] = 1
            batch.seq_id[offset][0] = 0
            batch.logits[offset] = first + offset >= start
        if library().llama_decode(self._context, batch) != 0:
            raise TunesmithError(
                f"llama.cpp cannot compute with this file: {last_words()}",
                "Shorten the message, or free some memory, and try again.",
                str(self.path),
            )


def _idle_cores() -> int:
    """Return how many cores are idle, at least one.

    llama.cpp's threads wait for each other by spinning: with two threads on two cores, of which
    another program takes one, it computes half as fast as with one thread (measured).
    """
    busy = psutil.cpu_percent(_SAMPLE_SECONDS) / 100
    return max(1, round(machine.read().cores * (1 - busy)))


def _context_settings(context: int, threads: int) -> Any:
    settings = library().llama_context_default_params()
    settings.n_ctx = context
    settings.n_batch = settings.n_ubatch = _BATCH
    settings.n_threads = settings.n_threads_batch = threads
    settings.no_perf = True
    return settings
