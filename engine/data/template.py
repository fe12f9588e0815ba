"""The chat template: from a prompt and an answer to the exact token ids the model sees.

Needs only `tokenizers` and a sandboxed Jinja, so it is cheap enough for the data stage, and it is
the same code that trains, scores and exports. The environment is the one that transformers gives
to templates; a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from engine.base.errors import TunesmithError
from engine.data import model_files
from engine.data.rows import Row, make

Message = dict[str, str]


class ChatTemplate:
    """A model's tokenizer and chat template.

    Args:
        tokenizer: A `tokenizers.Tokenizer`.
        source: The template's text.
        special: The special tokens by role, such as `eos_token`, for the template to use.
        stops: Ids that may end a turn, most likely first; the first is the end-of-sequence token.
        context: How many tokens the model can read; 0 when unknown.

    Attributes:
        eos_id: The token that ends every answer in training, and stops it in use.
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
        self._special = special
        self._compiled = _compile(source)
        self.eos_id = self._turn_end(stops)

    @classmethod
    def load(cls, folder: Path) -> ChatTemplate:
        """Read the tokenizer and the template of a model folder.

        Raises:
            TunesmithError: The folder lacks them, or they cannot be used.
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

        try:
            text: str = self._compiled.render(
                messages=[dict(message) for message in messages],
                add_generation_prompt=generation,
                **self._special,
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

    def prompt_ids(self, system: str, shots: Sequence[Row], message: str) -> list[int]:
        """Return the ids of a prompt: system, worked examples, message, start of the answer."""
        return self.encode(self.render(_conversation(system, shots, message), generation=True))

    def example_ids(self, system: str, row: Row) -> tuple[list[int], int]:
        """Return the ids of a training example and how many of them are the prompt.

        The prompt's ids are exactly those of `prompt_ids`: what is trained is what is asked. The
        example ends with the end-of-turn token; line ends that a template adds after it are cut.
        """
        conversation = _conversation(system, (), row.prompt)
        prompt = self.render(conversation, generation=True)
        prompt_ids = self.encode(prompt)
        answer_ids = self.encode(self._answer(conversation, prompt, row.completion))
        return prompt_ids + self._ended(answer_ids), len(prompt_ids)

    def _answer(self, conversation: list[Message], prompt: str, completion: str) -> str:
        """Return what follows the prompt; the bare answer where a template rewrites the turn."""
        turn = {"role": "assistant", "content": completion}
        whole = self.render([*conversation, turn], generation=False)
        return whole.removeprefix(prompt) if whole.startswith(prompt) else completion

    def _ended(self, ids: list[int]) -> list[int]:
        end = _last(ids, self.eos_id)
        return [*ids, self.eos_id] if end is None else ids[: end + 1]

    def _turn_end(self, stops: Sequence[int]) -> int:
        """Return the stop id that this template puts after an answer."""
        conversation = _conversation("", (), "Hello")
        ids = self.encode(
            self._answer(conversation, self.render(conversation, generation=True), "Yes")
        )
        return next((stop for stop in stops if stop in ids), stops[0])


def _conversation(system: str, shots: Sequence[Row], message: str) -> list[Message]:
    messages = [{"role": "system", "content": system}] if system else []
    for shot in (*shots, make(message, "")):
        messages.append({"role": "user", "content": shot.prompt})
        messages.append({"role": "assistant", "content": shot.completion})
    return messages[:-1]


def _last(ids: list[int], wanted: int) -> int | None:
    return next((place for place in reversed(range(len(ids))) if ids[place] == wanted), None)


def _compile(source: str) -> Any:
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks the trained part for other trainers; here it is transparent."""

        tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    def strftime_now(pattern: str) -> str:
        return datetime.now().astimezone().strftime(pattern)

    def tojson(value: Any, indent: int | None = None, **options: Any) -> str:
        return json.dumps(value, indent=indent, **{"ensure_ascii": False, **options})

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise TunesmithError(
            f"The model's chat template is not valid ({error.message}).",
            "Use the tokenizer files of the model's publisher.",
            f"chat_template:{error.lineno}",
        ) from error
