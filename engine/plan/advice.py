"""Should you fine-tune at all? Rules first, then the evidence of the measured trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.base.errors import UsageError
from engine.base.project import Objective, Project
from engine.base.store import Row, Store

Verdict = Literal["stop: prompting is enough", "collect data first", "fine-tune"]

# From the guides surveyed in docs/plan.md: an effect shows from 50 rows, is solid from 500, and
# below 50 held-out rows no result can be told from luck.
_FEWEST_ROWS, _SOLID_ROWS, _FEWEST_TEST_ROWS = 50, 500, 50
_MUCH_DROPPED = 0.20
_SUBJECTS = {
    "base": "The base model alone",
    "few_shot": "The base model with examples in its prompt",
}


@dataclass(frozen=True)
class Advice:
    """What to do, and why.

    Attributes:
        verdict: The advice.
        reasons: One sentence each, with its evidence.
        change: What would change the verdict.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    change: str


@dataclass(frozen=True)
class Score:
    """One metric of the measured trial with its 95% interval."""

    value: float
    low: float
    high: float
    n: int


def advise(store: Store, project: Project, project_id: int, dataset_id: str) -> Advice:
    """Advise for or against fine-tuning, from the dataset and the trial if it was measured.

    Raises:
        UsageError: The project has no such dataset.
    """
    dataset = store.row(
        "SELECT * FROM datasets WHERE id = ? AND project_id = ?", (dataset_id, project_id)
    )
    if dataset is None:
        raise UsageError(
            f"There is no dataset {dataset_id}.", "Make one: `tunesmith data build`.", "dataset"
        )
    missing = _missing(dataset)
    if missing:
        return Advice(
            "collect data first",
            tuple(missing),
            "More rows; then run `tunesmith data build` again.",
        )
    reasons = _about(dataset)
    trial = baselines(store, dataset_id)
    if not trial:
        return Advice(
            "fine-tune",
            (*reasons, "Whether prompting alone is enough has not been measured."),
            "`tunesmith advise --trial` measures it; a prompt that is good enough needs no tuning.",
        )
    return _weigh(project.objective, reasons, trial)


def baselines(store: Store, dataset_id: str) -> dict[str, dict[str, Score]]:
    """Return the newest trial on the validation rows: base or few_shot -> metric -> score."""
    rows = store.rows(
        "SELECT s.subject, m.metric, m.value, m.low, m.high, m.n FROM scores s "
        "JOIN score_metrics m ON m.score_id = s.id "
        "WHERE s.id IN (SELECT max(id) FROM scores WHERE dataset_id = ? AND split = 'validation' "
        "AND run_id IS NULL AND artifact_id IS NULL GROUP BY subject) ORDER BY s.subject",
        (dataset_id,),
    )
    found: dict[str, dict[str, Score]] = {}
    for row in rows:
        score = Score(row["value"], row["low"], row["high"], row["n"])
        found.setdefault(row["subject"], {})[row["metric"]] = score
    return found


def describe(subject: str, metric: str, score: Score) -> str:
    """Return one baseline as a sentence."""
    return (
        f"{_SUBJECTS.get(subject, subject)} scores {score.value:.2f} {metric.replace('_', ' ')} "
        f"(95% interval {score.low:.2f} to {score.high:.2f}, {score.n} validation rows)."
    )


def _missing(dataset: Row) -> list[str]:
    missing = []
    if dataset["train"] < _FEWEST_ROWS:
        missing.append(
            f"There are {dataset['train']} training rows; below {_FEWEST_ROWS} tuning shows no "
            f"effect, and it is solid from {_SOLID_ROWS}."
        )
    held_out = max(dataset["test"], dataset["golden"])
    if held_out < _FEWEST_TEST_ROWS:
        missing.append(
            f"The larger of test split and golden set has {held_out} rows; below "
            f"{_FEWEST_TEST_ROWS} no result can be told from luck."
        )
    return missing


def _about(dataset: Row) -> list[str]:
    rows = dataset["train"]
    enough = "enough for a solid effect" if rows >= _SOLID_ROWS else "enough to see an effect"
    reasons = [
        f"There are {rows} training rows, {enough}, and {dataset['test']} test rows to prove it."
    ]
    dropped = 1 - dataset["rows_kept"] / max(1, dataset["rows_read"])
    if dropped > _MUCH_DROPPED:
        reasons.append(
            f"{dropped:.0%} of the rows read were dropped as duplicate, faulty or leaking; "
            "the source deserves a look."
        )
    return reasons


def _weigh(
    objective: Objective, reasons: list[str], trial: Mapping[str, Mapping[str, Score]]
) -> Advice:
    metric = objective.metric
    measured = {subject: scores for subject, scores in trial.items() if metric in scores}
    reasons += [describe(subject, metric, scores[metric]) for subject, scores in measured.items()]
    good = [subject for subject, scores in measured.items() if _good_enough(objective, scores)]
    best = max(measured, key=lambda subject: measured[subject][metric].value, default="")
    if good:
        winner = max(good, key=lambda subject: measured[subject][metric].value)
        return Advice(
            "stop: prompting is enough",
            (*reasons, f"{_SUBJECTS[winner]} meets your threshold of {objective.threshold:.2f}."),
            f"A threshold above {measured[winner][metric].value:.2f}, or prompts that cost too "
            "much time in use; a tuned model needs no examples in its prompt.",
        )
    gap = objective.threshold - measured[best][metric].value if best else objective.threshold
    why = (
        f"The best prompt is {gap:.2f} below your threshold of {objective.threshold:.2f}; LoRA "
        "fine-tuning (recipe sft-lora) teaches form and task from your rows."
        if gap > 0
        else "The best prompt reaches your threshold, but not surely enough or not in the right "
        "form; LoRA fine-tuning (recipe sft-lora) teaches both."
    )
    return Advice(
        "fine-tune",
        (*reasons, why),
        f"A prompt that scores {objective.threshold:.2f} or more on the validation rows.",
    )


def _good_enough(objective: Objective, scores: Mapping[str, Score]) -> bool:
    score, form = scores[objective.metric], scores.get("valid_json")
    in_form = objective.output != "json" or form is None or form.value >= objective.valid_json
    return (
        in_form
        and score.value >= objective.threshold
        and score.low > objective.threshold - objective.minimum_effect
    )
