"""The evaluation of a run: base, few-shot base and tuned on unseen rows, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping

from engine.base import gates
from engine.base.errors import UsageError
from engine.base.work import Work
from engine.data import dataset
from engine.data.dataset import Split
from engine.run import result
from engine.score import records, verdict
from engine.score.scoring import Part, Scoring, Subject

_SPLITS: tuple[Split, ...] = ("test", "golden")
# the golden rows guard against a step back; the stronger baseline is enough for that
_SUBJECTS: Mapping[Split, tuple[Subject, ...]] = {
    "test": ("base", "few_shot", "tuned"),
    "golden": ("few_shot", "tuned"),
}


def evaluate(work: Work) -> None:
    """Score a run against its base, write the verdict and enforce the verdict gate.

    Args:
        work: The job; its arguments hold `run_id`, and in `accept` the reason to go on although
            the gate says no.

    Raises:
        UsageError: There is no such run, its training has not ended, or no row was held out.
        GateError: The tuned model is not better than the prompted base, or its form is not right.
    """
    run = work.store.row("SELECT * FROM runs WHERE id = ?", (work.args["run_id"],))
    if run is None:
        raise UsageError(f"There is no run {work.args['run_id']}.", "See `tunesmith runs`.")
    if result.path(work.store.workspace / run["path"]) is None:
        raise UsageError(
            f"Run {run['id']} has trained nothing yet.", "Let its training end first.", run["path"]
        )
    scoring = Scoring(work, dataset.load(work.store, run["dataset_id"]), run["model"], run)
    splits = [split for split in _SPLITS if scoring.rows(split)]
    if "test" not in splits:
        raise UsageError(
            "The dataset has no test rows, so nothing can be proven.",
            "Raise `data.test` in project.yaml and run `tunesmith data build`.",
            run["dataset_id"],
        )
    parts: list[Part] = [(subject, split) for split in splits for subject in _SUBJECTS[split]]
    scores = scoring.score(parts)
    objective = work.project.objective
    groups = {row.id: row.group for split in splits for row in scoring.rows(split)}
    comparisons = verdict.compare(work.store, objective, scores, groups)
    verdict.save(work.store, run["id"], work.job_id, scores, comparisons)
    work.log(records.sentence(work.store, run["id"]))
    gate = verdict.judge(objective, comparisons, records.table(work.store, run["id"]))
    accepted = work.args.get("accept", "")
    gates.record(
        work.store,
        work.project_id,
        gate,
        subject=f"run {run['id']}",
        job_id=work.job_id,
        accepted=accepted if gate.result == "fail" else "",
    )
    for reason in gate.reasons:
        work.log(reason, "warning")
    gates.enforce(gate, accepted)
