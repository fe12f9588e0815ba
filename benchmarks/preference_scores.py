"""What a model thinks of pairs of answers, computed apart from the training, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.base import project
from engine.base.model import locate
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Row
from engine.run.examples import tokenise


class Said(NamedTuple):
    """The log-likelihoods of a pair's answers in nats, and their lengths in tokens."""

    chosen: float
    rejected: float
    chosen_tokens: int
    rejected_tokens: int

    @property
    def prefers(self) -> bool:
        """Whether the better answer is the likelier one."""
        return self.chosen > self.rejected

    @property
    def prefers_by_token(self) -> bool:
        """The same of the mean over each answer's tokens."""
        return self.chosen / self.chosen_tokens > self.rejected / self.rejected_tokens


def score(folder: Path, rows: Sequence[Row], adapter: Path | None) -> list[Said]:
    """Return what the base model says, or with an adapter what that makes of it.

    Args:
        folder: The project's folder.
        rows: The pairs.
        adapter: The trained adapter; None for the base as it is.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    told = project.load(folder)
    base = locate(told.base_model)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter)
    model.eval()
    template = ChatTemplate.load(base)
    pairs = tokenise(template, told.objective.instruction, rows, 10**6, "dpo").rows
    found = []
    with torch.inference_mode():
        for pair in pairs:
            better, worse = pair["chosen_ids"], pair["rejected_ids"]
            said = _likelihoods(model, pair["prompt_ids"], better, worse)
            found.append(Said(*said, len(better), len(worse)))
    return found


def _likelihoods(
    model: Any, prompt: list[int], better: list[int], worse: list[int]
) -> tuple[float, float]:
    """Return both answers' log-likelihoods; what they share is computed once."""
    import torch

    known = model(input_ids=torch.tensor([prompt[:-1]]), use_cache=True).past_key_values
    same = next(n for n, (a, b) in enumerate(zip(better, worse, strict=False)) if a != b)
    first = _tokens(model, known, prompt[-1:], better)
    known.crop(same - len(better))
    rest = _tokens(model, known, (prompt + worse[:same])[-1:], worse[same:])
    return sum(first), sum(first[:same]) + sum(rest)


def _tokens(model: Any, known: Any, before: list[int], answer: list[int]) -> list[float]:
    """Return the log-likelihood of each token of an answer, and add the answer to what is known.

    Args:
        model: The model.
        known: The cache of everything but the last token before the answer.
        before: That token.
        answer: The answer's tokens.
    """
    import torch

    ids = torch.tensor([before + answer[:-1]])
    logits = model(input_ids=ids, past_key_values=known).logits[0]
    return logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None])[:, 0].tolist()
