"""Asking a model: greedy answers for many prompts, the same whatever the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.base.hardware import machine
from engine.base.model import locate
from engine.data.chat.template import ChatTemplate
from engine.run import result
from engine.score import shared

_MOST_ROWS = 96
_MOST_PADDING = 1536  # tokens of a batch; reading them costs about as much as one more batch
_SCORES = 1 << 26  # attention scores held at once, 256 MB
_WORTH_DROPPING = 0.75  # share of a batch still going, below which the others are dropped
_START = 16  # tokens after which an answer may be given up


class Answer(NamedTuple):
    """What a model said: the text up to its end-of-turn token, and how many tokens it took."""

    text: str
    tokens: int


class Generator:
    """A base model, with an adapter or without.

    It runs on the GPU if there is one, in bfloat16 where the hardware multiplies it.

    Args:
        model: A name that `engine.base.model.locate` understands.
        trained: The folder of a PEFT adapter to put on it, or of the whole model it became.
    """

    def __init__(self, model: str, trained: Path | None = None) -> None:
        folder = locate(model)
        box = machine.read()
        self.template = ChatTemplate.load(folder)
        self._model: Any = _load(folder, trained, box).to("cuda:0" if box.gpus else "cpu")
        self._stops = _stops(self._model, self.template)
        self._model.eval()

    def answer(
        self,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        report: Callable[[int], None] | None = None,
        lost: Callable[[str], bool] = lambda _start: False,
    ) -> list[Answer]:
        """Return the greedy answer to each prompt, in order.

        Args:
            prompts: Token ids, as `ChatTemplate.prompt_ids` makes them.
            max_new_tokens: Where an answer that does not end is cut.
            report: Called after each batch with how many prompts are answered; may raise to stop.
            lost: Says of an answer's first 16 tokens whether the rest is not worth the time; then
                the text ends with an ellipsis.
        """
        import torch

        answers: dict[int, Answer] = {}
        with torch.inference_mode():
            for batch, reader in self._readers(prompts):
                told = self._continue(reader, len(batch), max_new_tokens, lost)
                answers |= zip(batch, told, strict=True)
                if report:
                    report(len(answers))
        return [answers[index] for index in range(len(prompts))]

    def _readers(
        self, prompts: Sequence[Sequence[int]]
    ) -> Iterator[tuple[list[int], shared.Reader]]:
        """Cut the prompts into batches of like length that share their start."""
        if not prompts:
            return
        own = self._model.config._attn_implementation  # noqa: SLF001 - no public name
        length = shared_start(prompts)
        trunk = shared.read(self._model, prompts[0][:length]) if length else None
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        if not shared.shareable(self._model, trunk, prompts[0]):
            for index in order:
                yield [index], shared.Alone(self._model, trunk, prompts[index][length:])
            return
        shared.set_attention(self._model, None)
        try:
            for batch in self._batches(order, [len(prompt) for prompt in prompts], length):
                rows = [prompts[index][length:] for index in batch]
                yield batch, shared.Branches(self._model, trunk, rows)
        finally:
            shared.set_attention(self._model, own)

    def _batches(
        self, order: Sequence[int], lengths: Sequence[int], start: int
    ) -> Iterator[list[int]]:
        heads = self._model.config.get_text_config().num_attention_heads
        batch: list[int] = []
        for index in order:
            width = lengths[index] - start
            most = min(_MOST_ROWS, _SCORES // (heads * width * lengths[index]))
            padding = sum(lengths[index] - lengths[other] for other in batch)
            if batch and (len(batch) >= most or padding > _MOST_PADDING):
                yield batch
                batch = []
            batch.append(index)
        yield batch

    def _continue(
        self, reader: shared.Reader, rows: int, limit: int, lost: Callable[[str], bool]
    ) -> list[Answer]:
        """Append the likeliest token until every row has ended, is lost or reached the limit."""
        told: list[list[int]] = [[] for _ in range(rows)]
        over: dict[int, Answer] = {}
        going = list(range(rows))
        logits = reader.start()
        while True:
            tokens = logits.argmax(-1)
            for row, token in zip(going, tokens.tolist(), strict=True):
                told[row].append(token)
                if row not in over and (answer := self._ended(told[row], limit, lost)):
                    over[row] = answer
            if len(over) == rows:
                return [over[row] for row in range(rows)]
            left = [place for place, row in enumerate(going) if row not in over]
            if len(left) <= _WORTH_DROPPING * len(going):
                reader.keep(left)
                going, tokens = [going[place] for place in left], tokens[left]
            logits = reader.go_on(tokens)

    def _ended(self, ids: Sequence[int], limit: int, lost: Callable[[str], bool]) -> Answer | None:
        """Return the answer if these tokens are all of it."""
        decode = self.template.tokenizer.decode
        if ids[-1] in self._stops:
            return Answer(decode(ids[:-1], skip_special_tokens=False), len(ids) - 1)
        if len(ids) == limit:
            return Answer(decode(ids, skip_special_tokens=False), limit)
        if len(ids) == _START and lost(start := decode(ids, skip_special_tokens=False)):
            return Answer(f"{start} …", _START)
        return None


def _load(folder: Path, trained: Path | None, box: machine.Machine) -> Any:
    """Return the model; an adapter is merged in float32, so that it is as fast as its base."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if _in_bf16(box) else torch.float32
    if trained is None or not result.is_adapter(trained):
        return AutoModelForCausalLM.from_pretrained(trained or folder, dtype=dtype)
    from peft import PeftModel

    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return PeftModel.from_pretrained(base, trained).merge_and_unload().to(dtype)


def _in_bf16(box: machine.Machine) -> bool:
    return box.gpu.bf16 is not False if box.gpu else box.bf16


def _stops(model: Any, template: ChatTemplate) -> set[int]:
    stated = model.generation_config.eos_token_id
    return {template.eos_id, *(stated if isinstance(stated, list) else [stated])} - {None}


def shared_start(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many first tokens all prompts share, leaving each at least one of its own."""
    first, last = min(map(list, prompts)), max(map(list, prompts))
    most = min(map(len, prompts)) - 1
    return next((place for place in range(most) if first[place] != last[place]), most)
