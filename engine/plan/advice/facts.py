"""What the advice rests on: the dataset, the base model and the trial, as the store has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.base.errors import TunesmithError, UsageError
from engine.base.project import Objective, Project
from engine.base.store import Row, Store
from engine.plan import models, power
from engine.plan.advice import reach
from engine.plan.models import Model

# Metrics that the trial records beside the scores. By how much a way to prompt is above another:
GAIN = "gain over "
# of the passages in a prompt, whether they hold the answer, and the primary metric where they do:
FOUND, IF_FOUND = "passage_found", "right_if_found"
SUBJECTS = {
    "base": "The base model alone",
    "few_shot": "The base model with examples in its prompt",
    "similar": "The base model with similar examples, chosen for each question,",
    "retrieval": "The base model with passages of your documents",
}


@dataclass(frozen=True)
class Score:
    """One metric of the measured trial with its 95% interval."""

    value: float
    low: float
    high: float
    n: int


Trial = Mapping[str, Mapping[str, Score]]


@dataclass(frozen=True)
class Facts:
    """Everything that a rule may look at.

    Attributes:
        project: The project.
        form: What the rows teach: answer, preference, feedback or text.
        train: Training rows.
        test: Test rows.
        golden: Golden rows.
        read: The rows that were read.
        kept: Those that were kept.
        tokens: Tokens to train on.
        repeated: Rows dropped as duplicates, exact or near.
        conflicting: Rows dropped because they contradict others.
        personal: Findings of personal data and keys that were kept.
        model: The base model; None where it cannot be read.
        reach: Whether the answers can be learnt; None where nobody can tell.
        sample: The test rows that the objective needs.
        trial: subject -> metric -> score; empty before the trial.
    """

    project: Project
    form: str
    train: int
    test: int
    golden: int
    read: int
    kept: int
    tokens: int = 0
    repeated: int = 0
    conflicting: int = 0
    personal: int = 0
    model: Model | None = None
    reach: reach.Reach | None = None
    sample: power.Sample | None = None
    trial: Trial = field(default_factory=dict)

    @property
    def objective(self) -> Objective:
        """The project's objective."""
        return self.project.objective


def read(store: Store, project: Project, project_id: int, dataset_id: str) -> Facts:
    """Collect the facts about a dataset.

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
    found = _findings(store, dataset_id)
    try:
        model = models.find(project.base_model)
    except TunesmithError:  # of another box, or not to be had without a network
        model = None
    objective = project.objective
    return Facts(
        project=project,
        form=dataset["form"],
        train=dataset["train"],
        test=dataset["test"],
        golden=dataset["golden"],
        read=dataset["rows_read"],
        kept=dataset["rows_kept"],
        tokens=dataset["tokens_train"],
        repeated=_count(found, ("exact duplicate", "near duplicate"), "dropped"),
        conflicting=_count(found, ("conflict",), "dropped"),
        personal=_count(found, ("pii", "secret"), "kept"),
        model=model,
        reach=_reach(store, dataset, objective),
        sample=power.required(objective, power.observed(store, dataset_id)),
        trial=baselines(store, dataset_id),
    )


def baselines(store: Store, dataset_id: str) -> dict[str, dict[str, Score]]:
    """Return the newest trial on the validation rows: subject -> metric -> score.

    The subjects are base, few_shot, similar and retrieval; among the metrics are `GAIN` with
    another subject's name, and of retrieval `FOUND` and `IF_FOUND`.
    """
    rows = store.rows(
        "SELECT s.subject, m.metric, m.value, m.low, m.high, m.n FROM scores s "
        "JOIN score_metrics m ON m.score_id = s.id "
        "WHERE s.id IN (SELECT max(id) FROM scores WHERE dataset_id = ? AND split = 'validation' "
        "AND run_id IS NULL AND artifact_id IS NULL GROUP BY subject) ORDER BY s.subject",
        (dataset_id,),
    )
    found: dict[str, dict[str, Score]] = {name: {} for name in SUBJECTS}
    for row in rows:
        score = Score(row["value"], row["low"], row["high"], row["n"])
        found.setdefault(row["subject"], {})[row["metric"]] = score
    return {subject: metrics for subject, metrics in found.items() if metrics}


def describe(subject: str, metric: str, score: Score) -> str:
    """Return one baseline as a sentence."""
    return (
        f"{SUBJECTS.get(subject, subject)} scores {score.value:.2f} {metric.replace('_', ' ')} "
        f"(95% interval {score.low:.2f} to {score.high:.2f}, {score.n} validation rows)."
    )


def _findings(store: Store, dataset_id: str) -> dict[tuple[str, str], int]:
    rows = store.rows(
        "SELECT kind, action, count(*) AS count FROM dataset_findings WHERE dataset_id = ? "
        "GROUP BY kind, action",
        (dataset_id,),
    )
    return {(row["kind"], row["action"]): row["count"] for row in rows}


def _count(found: Mapping[tuple[str, str], int], kinds: tuple[str, ...], action: str) -> int:
    return sum(found.get((kind, action), 0) for kind in kinds)


def _reach(store: Store, dataset: Row, objective: Objective) -> reach.Reach | None:
    if dataset["form"] != "answer":
        return None
    return reach.measure(store.workspace / dataset["path"], objective)
