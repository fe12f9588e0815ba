"""Scoring subjects on splits: who is asked what, and the record of what came out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from engine.base.model import locate
from engine.base.paths import PROJECT_NAME
from engine.base.store import Row as Record
from engine.base.work import Work
from engine.data.chat.template import ChatTemplate
from engine.data.dataset import Dataset, Split
from engine.data.rows import Row
from engine.score.answers import Answer, Generator
from engine.score.metrics import EXACT, VALID, lost, measure
from engine.score.statistics import wilson

Subject = Literal["base", "few_shot", "tuned"]
Part = tuple[Subject, Split]
NAMES: Mapping[Subject, str] = {
    "base": "the prompted base",
    "few_shot": "the few-shot base",
    "tuned": "the tuned model",
}
SHOTS = 12


class Scoring:
    """The scoring of a base model, and of a run that tuned it, on one dataset.

    Args:
        work: The job.
        dataset: Where the rows are.
        model: The base model's name.
        run: The run's row; None where only the base is scored.
    """

    def __init__(self, work: Work, dataset: Dataset, model: str, run: Record | None = None) -> None:
        self._work = work
        self._dataset = dataset
        self._model = model
        self._run = run
        self._template = ChatTemplate.load(locate(model))
        self._limit = self._longest_answer()
        self._done = self._total = 0

    def score(self, parts: Sequence[Part]) -> dict[Part, int]:
        """Score each subject on its split; return the ids of the rows of `scores`.

        What was scored before is not scored again: see `_known`.
        """
        found = {part: self._known(*part) for part in parts}
        missing = [part for part in parts if found[part] is None]
        self._total = sum(len(self.rows(split)) for _, split in missing)
        for adapted in (False, True):
            subjects = dict.fromkeys(name for name, _ in missing if (name == "tuned") == adapted)
            if subjects:
                generator = Generator(self._model, self._adapter() if adapted else None)
            for subject in subjects:
                splits = [split for name, split in missing if name == subject]
                found |= self._score(generator, subject, splits)
        return {part: score for part, score in found.items() if score is not None}

    def rows(self, split: Split) -> list[Row]:
        """Return the rows of a split, each content once."""
        return list({row.id: row for row in self._dataset.rows(split)}.values())

    def _known(self, subject: Subject, split: Split) -> int | None:
        """Return an earlier score of the same subject under the same conditions.

        Of the base: one of the same model, dataset and project whose job was submitted after
        `project.yaml` was last written, so that the prompts are the same too. Of the tuned model:
        one of this very job, which was stopped and resumed.
        """
        work, tuned = self._work, subject == "tuned"
        written = (work.project_dir / PROJECT_NAME).stat().st_mtime
        found: int | None = work.store.scalar(
            "SELECT max(s.id) FROM scores s JOIN jobs j ON j.id = s.job_id "
            "WHERE s.project_id = ? AND s.dataset_id = ? AND s.model = ? AND s.subject = ? "
            "AND s.split = ? AND s.run_id IS ? AND j.created > ? AND (s.job_id = ? OR ?)",
            (
                *(work.project_id, self._dataset.id, self._model, subject, split),
                self._run["id"] if tuned and self._run else None,
                *(written, work.job_id, not tuned),
            ),
        )
        if found is not None:
            work.log(f"{NAMES[subject].capitalize()} was scored on the {split} rows before.")
        return found

    def _score(
        self, generator: Generator, subject: Subject, splits: Sequence[Split]
    ) -> dict[Part, int]:
        """Score a subject on some splits at once: their prompts share a start."""
        rows = {split: self.rows(split) for split in splits}
        every = [row for split in splits for row in rows[split]]
        started, before = time.monotonic(), self._done

        def report(answered: int) -> None:
            self._done = before + answered
            self._work.progress(
                self._done, self._total, f"{NAMES[subject]}, {' and '.join(splits)} rows"
            )
            self._work.check_stop()

        report(0)
        answers = iter(
            generator.answer(
                self._prompts(subject, every),
                self._limit,
                report,
                partial(lost, self._work.project.objective),
            )
        )
        per_row = (time.monotonic() - started) / len(every)
        return {
            (subject, split): self._record(
                subject, split, rows[split], list(islice(answers, len(rows[split]))), per_row
            )
            for split in splits
        }

    def _prompts(self, subject: Subject, rows: Sequence[Row]) -> list[list[int]]:
        objective = self._work.project.objective
        system = objective.instruction if subject == "tuned" else objective.prompt
        shots = self._dataset.few_shot(SHOTS) if subject == "few_shot" else []
        while True:
            prompts = [self._template.prompt_ids(system, shots, row) for row in rows]
            room = self._template.context - self._limit - max(map(len, prompts), default=0)
            if not shots or not self._template.context or room >= 0:
                return prompts
            shots.pop()
            self._work.log(f"The model's context has room for {len(shots)} examples.", "warning")

    def _record(
        self,
        subject: Subject,
        split: Split,
        rows: Sequence[Row],
        answers: Sequence[Answer],
        seconds_per_row: float,
    ) -> int:
        store, objective = self._work.store, self._work.project.objective
        measured = [
            measure(objective, row.completion, answer.text)
            for row, answer in zip(rows, answers, strict=True)
        ]
        score = {
            "project_id": self._work.project_id,
            "dataset_id": self._dataset.id,
            "run_id": self._run["id"] if subject == "tuned" and self._run else None,
            "job_id": self._work.job_id,
            "subject": subject,
            "split": split,
            "model": self._model,
            "rows": len(rows),
            "seconds": seconds_per_row * len(rows),
            "created": time.time(),
        }
        with store.transaction():
            score_id = store.insert("scores", score)
            for metric in dict.fromkeys(name for figures in measured for name in figures):
                of_rows = [figures[metric] for figures in measured if metric in figures]
                interval = wilson(sum(map(round, of_rows)), len(of_rows))
                store.insert(
                    "score_metrics",
                    {
                        "score_id": score_id,
                        "metric": metric,
                        "n": len(of_rows),
                        **interval._asdict(),
                    },
                )
            for row, answer, figures in zip(rows, answers, measured, strict=True):
                store.insert(
                    "answers",
                    {
                        "score_id": score_id,
                        "row_id": row.id,
                        "expected": row.completion,
                        "answer": answer.text,
                        "exact": int(figures[EXACT]),
                        "valid": int(figures[VALID]),
                        "tokens": answer.tokens,
                    },
                )
        self._work.log(
            f"{NAMES[subject].capitalize()} answers {sum(int(m[EXACT]) for m in measured)} of "
            f"{len(rows)} {split} rows exactly, in {score['seconds']:.1f} s."
        )
        return score_id

    def _longest_answer(self) -> int:
        """Return the most tokens of an answer: room for another layout of the longest one."""
        answers = (row.completion for row in self._dataset.rows("train"))
        longest = max((len(self._template.encode(answer)) for answer in answers), default=0)
        return math.ceil(1.25 * longest) + 4

    def _adapter(self) -> Path:
        assert self._run is not None
        return self._work.store.workspace / str(self._run["path"]) / "adapter"
