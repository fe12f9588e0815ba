"""The measured trial: how far the untuned base comes with a good prompt, before any training."""

from __future__ import annotations

from engine.base.errors import UsageError
from engine.base.work import Work
from engine.data import dataset
from engine.score.scoring import Part, Scoring

_PARTS: tuple[Part, ...] = (("base", "validation"), ("few_shot", "validation"))


def trial(work: Work) -> None:
    """Score the base, told how and shown examples, on the validation rows.

    The test rows stay unseen, so that a decision made here cannot flatter the later verdict.

    Args:
        work: The job; `dataset_id` in its arguments names the dataset, else it is the newest.

    Raises:
        UsageError: There is no dataset, it holds no answers, or it has no validation rows.
    """
    dataset_id = work.args.get("dataset_id") or dataset.latest(work.store, work.project_id)
    dataset.require_answers(work.store, dataset_id)
    scoring = Scoring(work, dataset.load(work.store, dataset_id), work.project.base_model)
    if not scoring.rows("validation"):
        raise UsageError(
            "The dataset has no validation rows to measure the base on.",
            "Raise `data.validation` in project.yaml and run `tunesmith data build`.",
            dataset_id,
        )
    scoring.score(_PARTS)
