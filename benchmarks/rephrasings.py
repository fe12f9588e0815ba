"""How many rephrasings each detector finds, and how many other questions it takes for one.

    python benchmarks/rephrasings.py [--file tests/engine/data/subject/rephrasings.yaml]

The file holds, by language, lists of a prompt, its rephrasing, and another question on the same
subject. Columns: the share of rephrasings found; of the other questions, the share wrongly found;
the share of prompts of which an unrelated text (any other prompt's rephrasing) is found.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

from engine.data.alike.normalise import jaccard, normalise, shingles, words
from engine.data.subject import encoder

THRESHOLDS = (0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90)
FILE = Path(__file__).parents[1] / "tests" / "engine" / "data" / "subject" / "rephrasings.yaml"
Likeness = Callable[[list[str], list[str]], np.ndarray]


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--file", type=Path, default=FILE)
    options = arguments.parse_args()
    texts = yaml.safe_load(options.file.read_text(encoding="utf-8"))
    print(f"{'language':9}{'detector':22}{'found':>8}{'wrong':>8}{'unrelated':>11}")
    for code, triples in texts.items():
        for kind in encoder.available():
            if code in kind.languages:
                start = time.perf_counter()
                likeness = by_meaning(encoder.Encoder(kind))
                for at, *shares in measure(triples, likeness, THRESHOLDS):
                    show(code, f"{kind.name} cosine {at:.2f}", shares)
                spent = time.perf_counter() - start
                print(f"{'':9}{kind.name}: {3 * len(triples) / spent:.0f} texts/s with its loading")
        for at, *shares in measure(triples, by_pairs(five_characters), (0.5, 0.7, 0.8)):
            show(code, f"Jaccard {at:.2f}", shares)
        for _, *shares in measure(triples, by_pairs(thirteen_words), (1.0,)):
            show(code, "13 words in a row", shares)


def show(code: str, name: str, shares: list[float]) -> None:
    """Print one line of the table."""
    found, wrong, unrelated = shares
    print(f"{code:9}{name:22}{found:8.1%}{wrong:8.1%}{unrelated:11.1%}")


def measure(
    triples: list[list[str]], likeness: Likeness, thresholds: tuple[float, ...]
) -> list[tuple[float, float, float, float]]:
    """Return (threshold, found, wrong, unrelated) for each threshold."""
    prompts, rephrased, others = ([triple[part] for triple in triples] for part in range(3))
    cosines = likeness(prompts, rephrased)
    right = np.diag(cosines).copy()
    np.fill_diagonal(cosines, -1.0)
    strangers = cosines.max(axis=1)
    wrong = np.diag(likeness(prompts, others))
    return [
        (at, *(float((part >= at).mean()) for part in (right, wrong, strangers)))
        for at in thresholds
    ]


def by_meaning(model: encoder.Encoder) -> Likeness:
    """Return the cosine by a model."""
    return lambda one, other: model.encode(one) @ model.encode(other).T


def by_pairs(compare: Callable[[str, str], float]) -> Likeness:
    """Return the likeness of each pair, by a function of two normalised texts."""

    def likeness(one: list[str], other: list[str]) -> np.ndarray:
        mine, theirs = [normalise(text) for text in one], [normalise(text) for text in other]
        return np.array([[compare(a, b) for b in theirs] for a in mine])

    return likeness


def five_characters(one: str, other: str) -> float:
    """Return the Jaccard of the shingles, as the check for near-duplicates does."""
    return jaccard(shingles(one), shingles(other))


def thirteen_words(one: str, other: str) -> float:
    """Return 1 when the texts share 13 words in a row, or all words of a shorter text; else 0."""
    mine, theirs = words(one), words(other)
    size = min(13, len(mine), len(theirs))
    grams = {tuple(mine[i : i + size]) for i in range(len(mine) - size + 1)}
    return float(any(tuple(theirs[i : i + size]) in grams for i in range(len(theirs) - size + 1)))


if __name__ == "__main__":
    main()
