"""Parity: does an exported file still answer as the adapter that was trained and scored?

Perplexity alone does not show it, so three things are measured on the held-out test rows, through
the chat template, in the program that will serve the file:

    tokens      prompts become the same token ids; the template and the end token are the same
    next token  at every position of the tuned model's answers, the same choice (agreement), and
                how far the whole distribution moved (divergence)
    task        the file's own answers, scored as the tuned model's were, with a paired interval

The F16 file is compared with the adapter model itself, each quantised file with the F16 file: so
what the merge, the conversion and the quantisation do is told apart. The adapter's answers were
scored in bfloat16, whose rounding turns a near tie now and then. So that no file is blamed for it,
F16 must agree token by token and may not lose score, but its interval is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.base.errors import UsageError
from engine.base.gates import Gate, Result, judge
from engine.base.project import Objective
from engine.base.store import Store
from engine.data.chat.template import ChatTemplate
from engine.data.dataset import Dataset
from engine.score.metrics import measure
from engine.score.statistics import paired_difference
from engine.ship import reading
from engine.ship.reading import Question, Reading
from engine.ship.runtime import Runtime

F16_AGREEMENT = 0.99  # below, the export itself is wrong: nothing was quantised yet
PASS_AGREEMENT, FAIL_AGREEMENT = 0.97, 0.90
TOLERANCE = 0.05  # the loss of the score that nobody would notice
MOST_ROWS = 64  # of the held-out rows; each costs a pass through every file
ADAPTER_ROWS = 16  # for the F16 file: float32 is slow, and a wrong export is wrong everywhere
_LONGER = 16  # tokens by which an answer may outgrow the longest known one before it is cut


@dataclass(frozen=True)
class Parity:
    """How one file compares; the columns of the table `parity`.

    Attributes:
        reference: What it was compared with, position by position.
        result: pass, warn or fail.
        reasons: Why, one sentence each; empty for a clean pass.
        rows: Rows asked.
        tokens: Positions compared.
        token_agreement: Share of positions with the same choice, 0 to 1.
        divergence: Mean KL divergence from the reference, in nats.
        score: The file's own score by the primary metric, 0 to 1.
        difference: Its score less the reference's.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end of it.
    """

    reference: str
    result: Result
    reasons: tuple[str, ...]
    rows: int
    tokens: int
    token_agreement: float
    divergence: float
    score: float
    difference: float
    low: float
    high: float


def questions(
    store: Store, run_id: int, dataset: Dataset, template: ChatTemplate, instruction: str
) -> list[Question]:
    """Return what the tuned model was asked on the test split, with what it said.

    Raises:
        UsageError: The run was not evaluated yet.
    """
    score = store.scalar(
        "SELECT max(id) FROM scores WHERE run_id = ? AND subject = 'tuned' AND split = 'test'",
        (run_id,),
    )
    found = store.rows(
        "SELECT row_id, expected, answer, coalesce(score, exact) AS score FROM answers "
        "WHERE score_id = ? ORDER BY row_id LIMIT ?",
        (score, MOST_ROWS),
    )
    if not found:
        raise UsageError(
            "There is nothing to compare an export with: the run was not evaluated.",
            f"Do that first: `tunesmith eval {run_id}`.",
        )
    rows = {row.id: row for row in dataset.rows("test")}
    return [
        Question(
            row_id=answer["row_id"],
            text=template.prompt(instruction, (), rows[answer["row_id"]]),
            prompt=template.prompt_ids(instruction, (), rows[answer["row_id"]]),
            answer=[*template.encode(answer["answer"]), template.eos_id],
            expected=answer["expected"],
            score=float(answer["score"]),
            group=rows[answer["row_id"]].group,
        )
        for answer in found
    ]


def faults(runtime: Runtime, asked: Sequence[Question], template: ChatTemplate) -> list[str]:
    """Return what is wrong with a file's tokenizer, template or end token, in words."""
    found = []
    different = [q.row_id for q in asked if runtime.encode(q.text) != q.prompt]
    if different:
        found.append(
            f"{len(different)} of {len(asked)} prompts become other tokens than in training "
            f"(first: row {different[0]}): the tokenizer was not carried over whole."
        )
    if runtime.template != template.source:
        found.append("The chat template in the file is not the one of the training.")
    if runtime.eos_id != template.eos_id:
        found.append(
            f"The file ends an answer at token {runtime.eos_id}, the training at "
            f"{template.eos_id}: answers would run on."
        )
    return found


def context(asked: Sequence[Question]) -> int:
    """Return how many tokens a runtime must hold to be asked these questions."""
    return max(len(question.prompt) for question in asked) + _most(asked)


def read(runtime: Runtime, asked: Sequence[Question], check: Callable[[], None]) -> Reading:
    """Return what a file says to the questions."""
    return reading.of_file(runtime, asked, _most(asked), check)


def compare(
    runtime: Runtime,
    asked: Sequence[Question],
    reference: Reading,
    template: ChatTemplate,
    objective: Objective,
    *,
    kind: str,
    check: Callable[[], None],
) -> tuple[Parity, Reading]:
    """Measure one file against its reference.

    Args:
        runtime: The file, loaded.
        asked: The questions.
        reference: The adapter's reading for F16, the F16 file's for every other.
        template: The chat template of the training.
        objective: How answers are scored.
        kind: The file's type, such as `Q8_0`.
        check: Called between questions; may raise to stop.

    Returns:
        The result, and the file's own reading.
    """
    own = read(runtime, asked, check)
    share, tokens = reading.agreement(own, reference)
    scores = _scores(own, asked, objective)
    difference, low, high = paired_difference(
        _scores(reference, asked, objective), scores, [q.group for q in asked]
    )
    result, reasons = judged(
        kind, faults(runtime, asked, template), share, difference=difference, low=low
    )
    return Parity(
        reference="adapter" if kind == "F16" else "F16",
        result=result,
        reasons=reasons,
        rows=len(asked),
        tokens=tokens,
        token_agreement=share,
        divergence=reading.divergence(own, reference),
        score=sum(scores) / max(len(scores), 1),
        difference=difference,
        low=low,
        high=high,
    ), own


def judged(
    kind: str, wrong: Sequence[str], share: float, *, difference: float, low: float
) -> tuple[Result, tuple[str, ...]]:
    """Return what the figures of one file mean, and why.

    Args:
        kind: The file's type.
        wrong: Faults of tokenizer, template or end token.
        share: Token agreement, 0 to 1.
        difference: Exact match less the reference's.
        low: The lower end of that difference's 95 % interval.
    """
    least = F16_AGREEMENT if kind == "F16" else FAIL_AGREEMENT
    failures, warnings = list(wrong), []
    if share < least:
        failures.append(f"Only {share:.1%} of its next tokens agree (at least {least:.0%}).")
    elif share < PASS_AGREEMENT:
        warnings.append(f"{share:.1%} of its next tokens agree ({PASS_AGREEMENT:.0%} pass).")
    if difference < -TOLERANCE:
        failures.append(
            f"It loses {-100 * difference:.1f} points of the score (at most {100 * TOLERANCE:.0f})."
        )
    elif low < -TOLERANCE and kind != "F16":
        warnings.append(
            f"It may lose up to {-100 * low:.1f} points of the score; more test rows would tell."
        )
    gate = judge("parity", failures=failures, warnings=warnings)
    return gate.result, gate.reasons


def gate(results: dict[str, Parity]) -> Gate:
    """Return the parity gate of a whole export: it fails only when no file passed."""
    reasons = [
        f"{kind}: {' '.join(parity.reasons)}"
        for kind, parity in results.items()
        if parity.result != "pass"
    ]
    passed = any(parity.result == "pass" for parity in results.values())
    return judge(
        "parity",
        failures=[] if passed else ["No file passed.", *reasons],
        warnings=reasons if passed else [],
    )


def _scores(said: Reading, asked: Sequence[Question], objective: Objective) -> list[float]:
    """Return each answer's score by the primary metric; the adapter's are the evaluation's."""
    if not said.answers:
        return [question.score for question in asked]
    return [
        measure(objective, question.expected, answer)[objective.metric]
        for question, answer in zip(asked, said.answers, strict=True)
    ]


def _most(asked: Sequence[Question]) -> int:
    return max(len(question.answer) for question in asked) + _LONGER
