"""Scoring subjects on splits: who is asked what, and the record of what came out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from statistics import fmean

from engine.base.model import locate
from engine.base.paths import PROJECT_NAME
from engine.base.store import Row as Record
from engine.base.work import Work
from engine.data.chat.template import ChatTemplate
from engine.data.dataset import Dataset, Split
from engine.data.rows import Row
from engine.plan.advice import FOUND, IF_FOUND
from engine.run import result
from engine.score.answers import Answer, Generator, shared_start
from engine.score.documents import files
from engine.score.metrics import EXACT, VALID, lost, measure, measure_all
from engine.score.prompts import SHOTS, Prompts, Subject
from engine.score.retrieval import holds
from engine.score.statistics import Interval, interval

__all__ = ["NAMES", "SHOTS", "Part", "Scoring", "Subject"]

Part = tuple[Subject, Split]
NAMES: Mapping[Subject, str] = {
    "base": "the prompted base",
    "few_shot": "the few-shot base",
    "similar": "the base with similar examples",
    "retrieval": "the base with passages",
    "tuned": "the tuned model",
}
_LOOKED = 16  # rows by whose prompts the reading is estimated


class Scoring:
    """The scoring of a base model, and of a run that tuned it, on one dataset.

    Args:
        work: The job.
        dataset: Where the rows are.
        model: The base model's name.
        run: The run's row; None where only the base is scored.
        most: The most rows of a split; the same ones for every subject. 0 for all.
    """

    def __init__(
        self,
        work: Work,
        dataset: Dataset,
        model: str,
        run: Record | None = None,
        *,
        most: int = 0,
    ) -> None:
        self._work = work
        self._dataset = dataset
        self._model = model
        self._run = run
        self._template = ChatTemplate.load(locate(model))
        self._limit = self._longest_answer()
        self._most = most
        self._done = self._total = 0
        self._prompts = Prompts(
            work.project,
            work.project_dir,
            dataset,
            self._template,
            self._limit,
            work.log,
            self._prepare,
        )

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
                generator = Generator(self._model, self._trained() if adapted else None)
            for subject in subjects:
                splits = [split for name, split in missing if name == subject]
                found |= self._score(generator, subject, splits)
        return {part: score for part, score in found.items() if score is not None}

    def rows(self, split: Split) -> list[Row]:
        """Return the rows of a split, each content once; of many a sample drawn by the seed."""
        rows = list({row.id: row for row in self._dataset.rows(split)}.values())
        if not self._most or len(rows) <= self._most:
            return rows
        seed = str(self._work.project.seed)
        drawn = sorted(rows, key=lambda row: blake2b(f"{seed} {row.id}".encode()).digest())
        chosen = {row.id for row in drawn[: self._most]}
        return [row for row in rows if row.id in chosen]

    def limit(self, split: Split, parts: Sequence[Subject], tokens: float, least: int) -> int:
        """Take fewer rows of a split where what their prompts do not share would be too long.

        Args:
            split: The split; it has rows.
            parts: The subjects whose prompts are looked at.
            tokens: The most that each may read in all.
            least: The fewest rows.

        Returns:
            How many rows are left.
        """
        rows = self.rows(split)
        for subject in parts:
            sample = self._prompts.ids(subject, rows[:: max(1, len(rows) // _LOOKED)])
            length = fmean(map(len, sample)) - shared_start(sample)
            self._most = max(least, min(self._most or len(rows), int(tokens / length)))
        return len(self.rows(split))

    def _prepare(self, note: str) -> None:
        self._work.progress(self._done, max(1, self._total), note)
        self._work.check_stop()

    def _known(self, subject: Subject, split: Split) -> int | None:
        """Return an earlier score of the same subject under the same conditions.

        Of the base: one of the same model, dataset and project whose job was submitted after
        `project.yaml` was last written, so that the prompts are the same too. Of the tuned model:
        one of this very job, which was stopped and resumed.
        """
        work, tuned = self._work, subject == "tuned"
        written = (work.project_dir / PROJECT_NAME).stat().st_mtime
        if subject == "retrieval":
            written = max(written, self._documents_changed())
        found: int | None = work.store.scalar(
            "SELECT max(s.id) FROM scores s JOIN jobs j ON j.id = s.job_id "
            "WHERE s.project_id = ? AND s.dataset_id = ? AND s.model = ? AND s.subject = ? "
            "AND s.split = ? AND s.rows = ? AND s.run_id IS ? AND j.created > ? "
            "AND (s.job_id = ? OR ?)",
            (
                *(work.project_id, self._dataset.id, self._model, subject, split),
                len(self.rows(split)),
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
                self._prompts.ids(subject, every),
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

    def _documents_changed(self) -> float:
        named = self._work.project.data.documents
        paths = [path for name in named for path in files(self._work.project_dir, name)]
        return max((path.stat().st_mtime for path in paths), default=0.0)

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
            "metric": objective.metric,
            "model": self._model,
            "rows": len(rows),
            "seconds": seconds_per_row * len(rows),
            "created": time.time(),
        }
        found = self._of_all(subject, rows, answers, measured)
        with store.transaction():
            score_id = store.insert("scores", score)
            for metric, (figure, n) in found.items():
                store.insert(
                    "score_metrics",
                    {"score_id": score_id, "metric": metric, "n": n, **figure._asdict()},
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
                        "score": figures[objective.metric],
                        "tokens": answer.tokens,
                    },
                )
        self._work.log(
            f"{NAMES[subject].capitalize()} answers {sum(int(m[EXACT]) for m in measured)} of "
            f"{len(rows)} {split} rows exactly, in {score['seconds']:.1f} s."
        )
        return score_id

    def _of_all(
        self,
        subject: Subject,
        rows: Sequence[Row],
        answers: Sequence[Answer],
        measured: Sequence[Mapping[str, float]],
    ) -> dict[str, tuple[Interval, int]]:
        """Return each metric over all rows, and of how many rows it is."""
        objective = self._work.project.objective
        found = {}
        for metric in dict.fromkeys(name for figures in measured for name in figures):
            having = [place for place, figures in enumerate(measured) if metric in figures]
            values = [measured[place][metric] for place in having]
            found[metric] = interval(values, [rows[place].group for place in having]), len(having)
        expected, said = [row.completion for row in rows], [answer.text for answer in answers]
        groups = [row.group for row in rows]
        for metric, figure in measure_all(objective, expected, said, groups).items():
            found[metric] = figure, len(rows)
        if subject == "retrieval":
            told = zip(self._prompts.passages(rows), rows, strict=True)
            held = [holds(passages, row.completion) for passages, row in told]
            right = [
                figures[objective.metric]
                for figures, there in zip(measured, held, strict=True)
                if there
            ]
            found[FOUND] = interval([float(there) for there in held]), len(held)
            found[IF_FOUND] = interval(right), len(right)
        return found

    def _longest_answer(self) -> int:
        """Return the most tokens of an answer: room for another layout of the longest one."""
        answers = (row.completion for row in self._dataset.rows("train"))
        longest = max((len(self._template.encode(answer)) for answer in answers), default=0)
        return math.ceil(1.25 * longest) + 4

    def _trained(self) -> Path | None:
        assert self._run is not None
        return result.path(self._work.store.workspace / str(self._run["path"]))
