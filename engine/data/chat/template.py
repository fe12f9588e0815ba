"""The chat template: from a conversation to the exact token ids the model sees and learns.

Needs only `tokenizers` and a sandboxed Jinja, so it is cheap enough for the data stage, and it is
the same code that trains, scores and exports. A test compares it with transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from engine.base.errors import TunesmithError
from engine.data.chat import chat_jinja, model_files
from engine.data.chat.example import Example, of_offsets, of_pieces
from engine.data.rows import Row, make

Message = dict[str, str]
_PROBE = "Probe the text."
_MARK = "zqanswerqz"
_SAME = 8  # characters before an answer that tell that it is asked for and written alike


class ChatTemplate:
    """A model's tokenizer and chat template.

    Args:
        tokenizer: A `tokenizers.Tokenizer`.
        source: The template's text; empty for a model that has none and reads raw text only.
        special: The special tokens by role, such as `eos_token`, for the template to use.
        stops: Ids that may end a turn, most likely first; the first is the end-of-sequence token.
        context: How many tokens the model can read; 0 when unknown.

    Attributes:
        eos_id: The token that ends every answer in training, and stops it in use.
        marks_end: Whether the template itself writes that token after an answer.
        folds: Whether a system text is put before the first user message, because the template
            refuses the system role or leaves its text out.
    """

    def __init__(
        self,
        tokenizer: Any,
        source: str,
        special: dict[str, str],
        stops: Sequence[int],
        context: int = 0,
    ) -> None:
        self.tokenizer = tokenizer
        self.source = source
        self.context = context
        self.stops = tuple(stops)
        self.special = special
        self._compiled = chat_jinja.compiled(source) if source else None
        self.folds = False
        self.folds = self._folds() if source else False
        self.eos_id, self.marks_end = self._turn_end() if source else (self.stops[0], False)

    @classmethod
    def load(cls, folder: Path) -> ChatTemplate:
        """Read the tokenizer and the template of a model folder.

        Raises:
            TunesmithError: The tokenizer is missing or cannot be used, or the template cannot.
        """
        from tokenizers import Tokenizer

        config = model_files.read(folder / "tokenizer_config.json")
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises nothing narrower
            raise TunesmithError(
                "The tokenizer cannot be read.",
                "Save it again with transformers' `save_pretrained`.",
                str(folder / "tokenizer.json"),
            ) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        special = model_files.special_tokens(folder, config)
        return cls(
            tokenizer,
            model_files.source(folder, config),
            special,
            model_files.stops(folder, tokenizer, special),
            model_files.context(folder, config),
        )

    def render(self, messages: Sequence[Message], *, generation: bool) -> str:
        """Return the conversation as the text the model reads.

        Args:
            messages: Dicts with `role` and `content`.
            generation: Whether to end with the start of the answer to come.
        """
        from jinja2.exceptions import TemplateError

        if self._compiled is None:
            raise TunesmithError(
                "The model has no chat template, so it does not know what a message is.",
                "Use its instruction-tuned variant (often called -Instruct or -it); raw text it "
                "can learn as it is.",
            )
        try:
            text: str = self._compiled.render(
                messages=[dict(message) for message in messages],
                add_generation_prompt=generation,
                tools=None,
                documents=None,
                **self.special,
            )
        except (TemplateError, TypeError) as error:
            raise TunesmithError(
                f"The model's chat template refuses this conversation ({error}).",
                "Use an instruction-tuned model, or mend its `chat_template`.",
            ) from error
        return text

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a rendered text; nothing is added to it."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def prompt(self, system: str, shots: Sequence[Row], asked: Row | str) -> str:
        """Return the text that asks for an answer.

        It holds the system text, worked examples, the turns before, the message, and the start of
        the answer.

        Args:
            system: The system text; the row's own takes its place.
            shots: Worked examples, with their own earlier turns.
            asked: A row, or a message on its own.

        Raises:
            TunesmithError: The template refuses the conversation; it names the row.
        """
        row = make(asked, "") if isinstance(asked, str) else asked
        return self._render(self._conversation(system, shots, row), row)

    def prompt_ids(self, system: str, shots: Sequence[Row], asked: Row | str) -> list[int]:
        """Return the token ids of `prompt`."""
        return self.encode(self.prompt(system, shots, asked))

    def texts(self, system: str, row: Row) -> tuple[str, str]:
        """Return the text of a row's prompt, and what the template writes behind it.

        Where a template writes the start of a past answer otherwise than that of one to come, the
        latter is the bare answer: the model is asked with the prompt as it is.
        """
        conversation = self._conversation(system, (), row)
        prompt = self._render(conversation, row)
        return prompt, self._answer(conversation, prompt, row)[0]

    def example(self, system: str, row: Row) -> Example:
        """Return a row as the model is trained on it.

        Every answer is learnt, with the token that ends its turn; of a preference the chosen one;
        of a raw text everything. The ids are those of the whole conversation as the template
        writes it, up to the end of the last turn; what the template adds after it is cut. They
        start with exactly the ids of `prompt_ids`: what is trained is what is asked. Where the
        tokenizer would join the prompt's end and the answer's start, they are kept apart for that.

        Args:
            system: The system text; the row's own takes its place.
            row: The row.

        Raises:
            TunesmithError: The template refuses the conversation; it names the row.
        """
        if row.form == "text":
            ids = [*self.encode(row.completion), self.eos_id]
            return Example(ids, ((0, len(ids)),))
        conversation = self._conversation(system, (), row)
        prompt = self._render(conversation, row)
        answer, bare = self._answer(conversation, prompt, row)
        prompt_ids, whole = self.encode(prompt), self.encode(prompt + answer)
        size = len(prompt_ids)
        exact = whole[:size] == prompt_ids and len(whole) > size
        ids = prompt_ids + self._ended(whole[size:] if exact else self.encode(answer))
        ranges = self._earlier(conversation, prompt)
        spans = self._spans(prompt, prompt_ids, ranges) if ranges else ()
        return Example(ids, (*spans, (size, len(ids))), last_only=ranges is None, bare=bare)

    def rejected(self, system: str, row: Row) -> Example:
        """Return a preference's pair with the answer that is not wanted in the other's place."""
        return self.example(system, replace(row, completion=row.rejected))

    def _render(self, messages: list[Message], row: Row, *, generation: bool = True) -> str:
        try:
            return self.render(messages, generation=generation)
        except TunesmithError as error:
            raise TunesmithError(error.what, error.fix, error.where or row.source) from error

    def _answer(self, conversation: list[Message], prompt: str, row: Row) -> tuple[str, bool]:
        """Return what follows the prompt, and whether it is the bare answer."""
        turn = {"role": "assistant", "content": row.completion}
        whole = self._render([*conversation, turn], row, generation=False)
        if whole.startswith(prompt):
            return whole.removeprefix(prompt), False
        marked = [*conversation, {"role": "assistant", "content": _MARK}]
        before = self.render(marked, generation=False).partition(_MARK)[0]
        blanks = _blanks_between(prompt, before)
        if blanks is not None:
            return blanks + row.completion, False
        opening = prompt.removeprefix(self.render(conversation, generation=False))
        return _without_opening(row.completion, opening), True

    def _ended(self, ids: list[int]) -> list[int]:
        end = _last(ids, self.eos_id)
        return [*ids, self.eos_id] if end is None else ids[: end + 1]

    def _earlier(self, conversation: list[Message], prompt: str) -> list[tuple[int, int]] | None:
        """Return where in a prompt's text the earlier answers stand, each with its end token.

        None when they do not stand there as they were asked for and given.
        """
        ranges = []
        for place, message in enumerate(conversation):
            if message["role"] != "assistant":
                continue
            try:
                asked = self.render(conversation[:place], generation=True)
                given = self.render(conversation[: place + 1], generation=False)
            except TunesmithError:
                return None
            end = self._end_of_turn(prompt, len(asked), _common(given, prompt))
            if not prompt.startswith(asked) or end is None:
                return None
            ranges.append((len(asked), end))
        return ranges

    def _end_of_turn(self, text: str, start: int, end: int) -> int | None:
        """Return where the last end-of-turn token within a part of a text ends."""
        tokens = [self.tokenizer.id_to_token(stop) for stop in self.stops]
        found = [(text.rfind(token, start, end), len(token)) for token in tokens if token]
        return max((place + size for place, size in found if place >= 0), default=None)

    def _spans(
        self, text: str, ids: list[int], ranges: list[tuple[int, int]]
    ) -> tuple[tuple[int, int], ...]:
        """Return the tokens of some ranges of a text, whether they end where those do or not."""
        cuts = [0, *(place for span in ranges for place in span), len(text)]
        pieces = [self.encode(text[start:end]) for start, end in pairwise(cuts)]
        if list(chain.from_iterable(pieces)) == ids:
            learnt = [place % 2 == 1 for place in range(len(pieces))]
            return of_pieces([len(piece) for piece in pieces], learnt)
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        return of_offsets(encoding.offsets, ranges)

    def _folds(self) -> bool:
        probe = make("Hello", "", system=_PROBE)
        try:
            return _PROBE not in self.prompt("", (), probe)
        except TunesmithError:
            return True

    def _turn_end(self) -> tuple[int, bool]:
        """Return the stop id that this template puts after an answer, and whether it does.

        Raises:
            TunesmithError: The template leaves out what is said, as some of vision models do.
        """
        row = make(_PROBE, _MARK)
        turn = {"role": "assistant", "content": _MARK}
        whole = self.render([*self._conversation("", (), row), turn], generation=False)
        said, _, after = whole.partition(_MARK)
        if _PROBE not in said or _MARK not in whole:
            raise TunesmithError(
                "The model's chat template leaves out messages that are plain text.",
                "Use a text model; that of a vision model wants every message in parts.",
            )
        ids = self.encode(after)
        found = next((stop for stop in self.stops if stop in ids), None)
        return (self.stops[0], False) if found is None else (found, True)

    def _conversation(self, system: str, shots: Sequence[Row], row: Row) -> list[Message]:
        """Return everything up to the message that is to be answered."""
        system = row.system or system
        messages = [{"role": "system", "content": system}] if system else []
        for shot in shots:
            messages += [*_turns(shot), {"role": "assistant", "content": shot.completion}]
        messages += _turns(row)
        if system and self.folds:
            del messages[0]
            first = next((item for item in messages if item["role"] == "user"), messages[0])
            first["content"] = f"{system}\n\n{first['content']}"
        return messages


def _turns(row: Row) -> list[Message]:
    """Return a row's turns up to its answer; it may answer a tool, and then has no prompt."""
    earlier = [{"role": turn.role, "content": turn.content} for turn in row.history]
    if not row.prompt and earlier and earlier[-1]["role"] != "assistant":
        return earlier
    return [*earlier, {"role": "user", "content": row.prompt}]


def _blanks_between(prompt: str, before: str) -> str | None:
    """Return the blanks that a template writes between a prompt and its answer.

    Args:
        prompt: The prompt.
        before: What the template writes before the answer once it is given; it may differ from
            the prompt further up (Mistral's leaves the system text out).

    Returns:
        The blanks; None where the two end otherwise, so that nothing can be said.
    """
    asked, given = prompt.rstrip(), before.rstrip()
    own, blanks = prompt[len(asked) :], before[len(given) :]
    if asked[-_SAME:] != given[-_SAME:] or not blanks.startswith(own):
        return None
    return blanks.removeprefix(own)


def _without_opening(completion: str, opening: str) -> str:
    """Return an answer without a tag, such as `<think>`, that the prompt has opened already."""
    tails = (opening[place:] for place in range(len(opening)) if opening[place] == "<")
    tail = next((tail for tail in tails if completion.startswith(tail)), "")
    return completion.removeprefix(tail)


def _common(one: str, other: str) -> int:
    """Return how many first characters two texts share."""
    if other.startswith(one):
        return len(one)
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _last(ids: list[int], wanted: int) -> int | None:
    return next((place for place in reversed(range(len(ids))) if ids[place] == wanted), None)
