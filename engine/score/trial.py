"""The measured trial: how far the untuned base comes with a good prompt, before any training."""

from __future__ import annotations

from itertools import combinations

from engine.base.errors import UsageError
from engine.base.hardware import machine
from engine.base.store import Store
from engine.base.work import Work
from engine.data import dataset
from engine.plan import device, models
from engine.plan.advice import GAIN
from engine.score.scoring import NAMES, Scoring, Subject
from engine.score.statistics import Interval, paired_difference

MOST_ROWS = 150  # a share is known to 8 points either way from 150 rows, to 14 from 50
_FEWEST_ROWS = 40
_SECONDS = 60  # of reading, for each way to prompt that looks something up
_USED = {"cpu": 1.0, "gpu": 0.3}  # what reading reaches of a device's stated arithmetic


def trial(work: Work) -> None:
    """Score the base on the validation rows: told, shown fixed and similar examples, and passages.

    The test rows stay unseen, so that a decision made here cannot flatter the later verdict. Of
    more than 150 validation rows a sample is drawn by the project's seed, the same for each way to
    prompt; a slow box takes fewer, at least 40. Then each two ways are compared, row by row.

    Args:
        work: The job; `dataset_id` in its arguments names the dataset, else it is the newest.

    Raises:
        UsageError: There is no dataset, it holds no answers or no validation rows, or a document
            cannot be read.
    """
    dataset_id = work.args.get("dataset_id") or dataset.latest(work.store, work.project_id)
    dataset.require_answers(work.store, dataset_id)
    loaded = dataset.load(work.store, dataset_id)
    scoring = Scoring(work, loaded, work.project.base_model, most=MOST_ROWS)
    held_out = len({row.id for row in loaded.rows("validation")})
    if not held_out:
        raise UsageError(
            "The dataset has no validation rows to measure the base on.",
            "Raise `data.validation` in project.yaml and run `tunesmith data build`.",
            dataset_id,
        )
    looked_up: list[Subject] = ["similar"]
    if work.project.data.documents:
        looked_up.append("retrieval")
    least = min(_FEWEST_ROWS, held_out)
    rows = scoring.limit("validation", looked_up, _readable(work.project.base_model), least)
    if rows < held_out:
        work.log(f"{rows} of {held_out} validation rows are asked, drawn by seed.")
    subjects: list[Subject] = ["base", "few_shot", *looked_up]
    found = scoring.score([(subject, "validation") for subject in subjects])
    groups = {row.id: row.group for row in scoring.rows("validation")}
    scores = {subject: score for (subject, _), score in found.items()}
    for one, other in combinations(subjects, 2):
        gain, rows = _gain(work.store, scores[one], scores[other], groups)
        _save(work.store, scores[other], one, gain, rows)
        points = [round(100 * figure) for figure in gain]
        work.log(
            f"{NAMES[other].capitalize()} against {NAMES[one]}: {points[0]:+d} points "
            f"({points[1]:+d} to {points[2]:+d})."
        )


def _readable(model: str) -> float:
    """Return how many prompt tokens the box reads in the time that looking up may take."""
    parameters = models.find(model).dimensions.active_parameters
    box = device.choose(machine.read())
    return _SECONDS * _USED[box.kind] * box.flops / (2 * parameters)


def _gain(store: Store, one: int, other: int, groups: dict[str, str]) -> tuple[Interval, int]:
    """Return by how much a score is above another's, on the rows that both answered."""
    pairs = store.rows(
        "SELECT a.row_id, a.score AS old, b.score AS new FROM answers a JOIN answers b "
        "USING (row_id) WHERE a.score_id = ? AND b.score_id = ? ORDER BY row_id",
        (one, other),
    )
    gain = paired_difference(
        [pair["old"] for pair in pairs],
        [pair["new"] for pair in pairs],
        [groups[pair["row_id"]] for pair in pairs],
    )
    return gain, len(pairs)


def _save(store: Store, score: int, over: str, gain: Interval, rows: int) -> None:
    with store.transaction():
        store.execute(
            "INSERT OR REPLACE INTO score_metrics (score_id, metric, value, low, high, n) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (score, f"{GAIN}{over}", *gain, rows),
        )
