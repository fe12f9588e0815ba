"""Personal data: speed, precision and recall, beside Presidio's pattern recognisers.

    python benchmarks/pii.py [--rows 4000] [--seed 7] [--presidio FOLDER]

Rows are generated from presidio-evaluator's templates (the generator of the tests). Both get the
same rows in the same process, one after the other, in CPU time. Presidio runs without a language
model: its recognisers for cards, e-mail, IBAN, IP, phone, URL and US social security, with its
threshold of 0.4, the context words that it looks for, and a suffix list that needs no network.
Prints rows a CPU-second, precision and recall of both; exits 1 unless ours is at least 10 times as
fast at equal or better recall, and takes 25,000 rows a CPU-second.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from engine.data.private import pii
from tests.engine.data.private.pii_generator import (
    PACKAGE,
    Sample,
    Score,
    installed,
    samples,
    score,
)

TIMES_FASTER = 10.0
ROWS_A_SECOND = 25_000.0
THRESHOLD = 0.4  # Presidio's advice: a pattern without its context scores less
KINDS = {
    "CREDIT_CARD": "CARD",
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "PHONE_NUMBER": "PHONE",
    "URL": "URL",
    "US_SSN": "SSN",
}
Find = Callable[[str], Iterable[tuple[str, int, int]]]


def main() -> int:
    """Measure both and print; return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=4000)
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument(
        "--presidio", type=Path, default=Path(tempfile.gettempdir()) / "presidio"
    )
    options = arguments.parse_args()
    sys.path.append(str(options.presidio))
    if not installed():
        print(f"The templates are missing; get them with `pip install --no-deps {PACKAGE}`.")
        return 2
    rows = list(samples(options.rows, options.seed))
    print(
        f"{len(rows):,} rows, {sum(len(row.spans) for row in rows):,} values, seed {options.seed}"
    )
    ours, speed = measure("tunesmith", rows, pii.find)
    try:
        find = presidio()
    except ImportError:
        print(
            "Presidio is missing; get it beside this environment with `pip install --target "
            f"{options.presidio} presidio-analyzer`, or name its folder with --presidio."
        )
        return 2
    theirs, their_speed = measure("presidio", rows, find)
    print(f"ratio      {speed / their_speed:8.1f} x the rows a CPU-second")
    fast = speed >= max(ROWS_A_SECOND, TIMES_FASTER * their_speed)
    return int(not (fast and ours.recall >= theirs.recall))


def measure(name: str, rows: list[Sample], find: Find) -> tuple[Score, float]:
    """Print and return what a detector finds, and its rows a CPU-second."""
    for row in rows[:100]:
        list(find(row.text))
    began = time.process_time()
    found = [list(find(row.text)) for row in rows]
    speed = len(rows) / (time.process_time() - began)
    given = {row.text: spans for row, spans in zip(rows, found, strict=True)}
    result = score(rows, given.__getitem__)
    print(
        f"{name:<10} {speed:8,.0f} rows/CPU-s   precision {result.precision:.3f}   "
        f"recall {result.recall:.3f}"
    )
    for kind, (precision, recall, number) in result.by_kind.items():
        print(f"  {kind:<8} precision {precision:.3f}   recall {recall:.3f}   of {number}")
    return result, speed


def presidio() -> Find:
    """Return Presidio's pattern recognisers as one detector."""
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
    from presidio_analyzer.nlp_engine import NlpEngine, SpacyNlpEngine

    # a list of suffixes from within the package: the default one is fetched on first use
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())

    class Blank(SpacyNlpEngine):  # type: ignore[misc]
        """A tokeniser without a model."""

        def __init__(self) -> None:
            super().__init__()
            self.nlp: dict[str, Any] = {"en": spacy.blank("en")}

    engine: NlpEngine = Blank()
    registry = RecognizerRegistry(supported_languages=["en"])
    for name in (
        "CreditCardRecognizer",
        "EmailRecognizer",
        "IbanRecognizer",
        "IpRecognizer",
        "PhoneRecognizer",
        "UrlRecognizer",
        "UsSsnRecognizer",
    ):
        registry.add_recognizer(getattr(predefined_recognizers, name)())
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])

    def find(text: str) -> list[tuple[str, int, int]]:
        found = analyzer.analyze(text, language="en", score_threshold=THRESHOLD)
        spans = [(KINDS[item.entity_type], item.start, item.end) for item in found]
        # a URL inside an e-mail address is no mistake of its own
        return [
            span
            for span in spans
            if not any(
                other != span and other[1] <= span[1] and span[2] <= other[2] for other in spans
            )
        ]

    return find


if __name__ == "__main__":
    sys.exit(main())
