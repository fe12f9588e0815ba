"""What the rows are about: their language, and words that a person should look at.

Flags for review, never a verdict: nothing is removed for its content, and a row without a flag is
not thereby safe.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.data.findings import Cleaned
from engine.data.rows import Row
from engine.data.subject import flags, language

KINDS = ("answer in prompt", "language", "toxic", "sensitive", "semantic leak", "semantic match")
_BATCH = 10_000
_READ = 400  # characters of a text that tell its language


def inspect(cleaned: Cleaned, wanted: Sequence[str]) -> None:
    """Count languages, and flag rows in others than those wanted or with words to look at.

    Args:
        cleaned: The rows; findings are added to it.
        wanted: ISO 639-1 codes; empty for any.
    """
    for start in range(0, len(cleaned.rows), _BATCH):
        rows = cleaned.rows[start : start + _BATCH]
        texts = [f"{row.prompt}\n{row.completion}" for row in rows]
        spoken = language.languages([text[:_READ] for text in texts])
        cleaned.languages.update(spoken)
        for row, text, code in zip(rows, texts, spoken, strict=True):
            if wanted and code not in (*wanted, "und"):
                cleaned.note("language", row, f"in {code}", "flagged")
            _flag(cleaned, row, flags.flags(text))
    if cleaned.count("toxic", "sensitive"):
        cleaned.detectors["flags"] = flags.measured()


def _flag(cleaned: Cleaned, row: Row, found: Sequence[str]) -> None:
    if "toxic" in found:
        cleaned.note("toxic", row, "words that may offend", "flagged")
    subjects = [name for name in found if name != "toxic"]
    if subjects:
        cleaned.note("sensitive", row, ", ".join(subjects), "flagged")
