"""Labels of a classification: one row's rightness, and the macro F1 of all rows together."""

from __future__ import annotations

import string
from collections.abc import Hashable, Sequence

from engine.base.project import Objective
from engine.score.metrics import objects, texts
from engine.score.statistics import Interval, resampled

MACRO_F1 = "macro_f1"


def label(objective: Objective, text: str) -> str:
    """Return the label that an answer gives; an empty text when it gives none.

    Of JSON it is the object's values of the objective's fields; of text the whole answer, without
    regard to case and to punctuation around it.
    """
    if objective.output == "json":
        found = objects.parse(text)
        if found is None:
            return ""
        names = objective.fields or tuple(sorted(found))
        if any(name not in found for name in names):
            return ""
        return objects.key([found[name] for name in names])
    return texts.folded(text).casefold().strip(string.punctuation + string.whitespace)


def right(objective: Objective, expected: str, answer: str) -> float:
    """Say whether an answer gives the expected label."""
    wanted = label(objective, expected)
    return float(bool(wanted) and label(objective, answer) == wanted)


def macro_f1(
    objective: Objective,
    expected: Sequence[str],
    answers: Sequence[str],
    groups: Sequence[Hashable] | None = None,
) -> Interval:
    """Return the mean F1 of the labels, each counting alike, with a bootstrap interval.

    It belongs to the whole set and to no row, so it cannot be paired and is no primary metric: it
    shows what the share of right answers hides, a rare label that is never found. The labels are
    those that the expected answers have; an answer with any other label is a miss. As in
    scikit-learn, a label never found has an F1 of 0.
    """
    import numpy as np

    wanted = [label(objective, text) for text in expected]
    said = [label(objective, text) for text in answers]
    names = list(dict.fromkeys(wanted))
    of_wanted = np.array([[text == name for name in names] for text in wanted], dtype=float)
    of_said = np.array([[text == name for name in names] for text in said], dtype=float)

    def mean_f1(weights: object) -> object:
        hits = weights @ (of_wanted * of_said)
        both = weights @ of_wanted + weights @ of_said
        present = (weights @ of_wanted) > 0
        each = np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0)
        return (each * present).sum(-1) / np.maximum(present.sum(-1), 1)

    return resampled(mean_f1, len(wanted), groups)
