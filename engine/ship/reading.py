"""Readings: what a model would say next at every position of some known answers.

The known answers are what the tuned model said on the held-out rows. Every model is shown the
prompt and the known answer at once (a forced pass) and asked, at each position, for its own next
token. That is one pass instead of one per token, and all models are compared in equal contexts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.ship.runtime import Runtime

if TYPE_CHECKING:
    from numpy import float32, int64
    from numpy.typing import NDArray

_BATCH = 8  # rows that transformers computes at once
_CHANCES_BYTES = 256 * 2**20  # for log-probabilities that are kept to be compared


@dataclass(frozen=True)
class Question:
    """A held-out row, as every model is asked it.

    Attributes:
        row_id: The row.
        text: The rendered prompt.
        prompt: Its token ids.
        answer: The token ids of the tuned model's answer, its end token included.
        expected: The right answer.
        score: The tuned model's answer by the primary metric, 0 to 1.
        group: Rows of one group are resampled together.
    """

    row_id: str
    text: str
    prompt: list[int]
    answer: list[int]
    expected: str
    score: float
    group: str


@dataclass
class Reading:
    """What one model says to some questions.

    Attributes:
        choices: For each question, the most likely token at each position of the known answer.
        chances: The log-probabilities of all tokens there, for as many of the first questions as
            256 MiB hold.
        answers: The model's own greedy answer to each question, as text.
    """

    choices: list[NDArray[int64]] = field(default_factory=list)
    chances: list[NDArray[float32]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    _kept: int = 0

    def add(self, logits: NDArray[float32]) -> None:
        """Take the logits at the positions of the next question."""
        self.choices.append(logits.argmax(-1))
        self._kept += logits.nbytes
        if self._kept <= _CHANCES_BYTES:
            self.chances.append(log_softmax(logits))


def of_trained(model: Any, questions: Sequence[Question], check: Callable[[], None]) -> Reading:
    """Read what was trained, an adapter on its base or a whole model, through transformers.

    Args:
        model: The model, not merged.
        questions: What to ask.
        check: Called between batches; may raise to stop.
    """
    import torch

    reading = Reading()
    with torch.inference_mode():
        for start in range(0, len(questions), _BATCH):
            check()
            batch = questions[start : start + _BATCH]
            texts = [question.prompt + question.answer for question in batch]
            width = max(map(len, texts))
            ids = torch.zeros(len(texts), width, dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, text in enumerate(texts):
                ids[row, : len(text)] = torch.tensor(text)
                mask[row, : len(text)] = 1
            longest = width - min(len(question.prompt) for question in batch) + 1
            kept = torch.arange(width - longest, width)
            logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=kept).logits
            for row, question in enumerate(batch):
                first = len(question.prompt) - 1 - (width - longest)
                reading.add(logits[row, first : first + len(question.answer)].float().numpy())
    return reading


def of_file(
    runtime: Runtime, questions: Sequence[Question], most: int, check: Callable[[], None]
) -> Reading:
    """Read a GGUF through llama.cpp, and collect its own answers.

    As long as it chooses the known answer's tokens, its own greedy answer is that answer; so only
    what follows the first difference has to be generated.

    Args:
        runtime: The file, loaded.
        questions: What to ask.
        most: The most tokens of an answer.
        check: Called between questions; may raise to stop.
    """
    reading = Reading()
    for question in questions:
        check()
        text = question.prompt + question.answer
        start = len(question.prompt) - 1
        reading.add(runtime.logits(text[:-1], start))
        agreed = _agreed(reading.choices[-1].tolist(), question.answer)
        own = question.answer[:agreed]
        if agreed < len(question.answer):
            own = [*own, *runtime.continued(question.prompt + own, most - agreed)]
        reading.answers.append(runtime.decode(own))
    return reading


def agreement(reading: Reading, reference: Reading) -> tuple[float, int]:
    """Return the share of positions where both choose the same token, and how many there were."""
    pairs = list(zip(reading.choices, reference.choices, strict=False))
    count = sum(len(own) for own, _ in pairs)
    return sum(int((own == other).sum()) for own, other in pairs) / max(count, 1), count


def divergence(reading: Reading, reference: Reading) -> float:
    """Return the mean Kullback-Leibler divergence from the reference's next-token distribution.

    In nats, over the positions whose distributions both readings kept.
    """
    import numpy as np

    total, count = 0.0, 0
    for own, other in zip(reading.chances, reference.chances, strict=False):
        total += float((np.exp(other) * (other - own)).sum())
        count += len(own)
    return max(total / max(count, 1), 0.0)


def log_softmax(logits: NDArray[float32]) -> NDArray[float32]:
    """Return the natural logarithms of the probabilities that logits stand for, row by row."""
    import numpy as np

    shifted = logits - logits.max(-1, keepdims=True)
    result: NDArray[float32] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


def _agreed(choices: Sequence[int], answer: Sequence[int]) -> int:
    """Return how many tokens of an answer are chosen before the first difference."""
    return next(
        (place for place, token in enumerate(answer) if choices[place] != token), len(answer)
    )
