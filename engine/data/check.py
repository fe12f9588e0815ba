"""The data check: what is wrong with some files, in a second, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.base.gates import Gate, judge
from engine.base.project import DataSettings
from engine.data.clean import Cleaned, Finding, clean

LEAST_ROWS = 50  # below this, prompting with a few of the rows does as well and costs nothing
LEAST_DISTINCT = 20
MOST_BAD = 0.20  # share of the lines that may be broken or in conflict
MOST_REPEATED = 0.80  # share of the rows that may repeat others
MANY_REPEATED = 0.30  # from this share on, the way the rows were made needs a look
_EXAMPLES = 3


@dataclass(frozen=True)
class Report:
    """What the check found.

    Attributes:
        cleaned: The rows, and everything found in them.
        gate: What the data gate says.
    """

    cleaned: Cleaned
    gate: Gate

    def to_json(self) -> dict[str, Any]:
        """Return the report under the keys of docs/data.md; counts are of rows."""
        cleaned = self.cleaned
        return {
            "rows": cleaned.read,
            "kept": len(cleaned.rows),
            "duplicates": {
                "exact": cleaned.count("exact duplicate"),
                "near": cleaned.count("near duplicate"),
            },
            "conflicts": cleaned.count("conflict"),
            "pii": dict(sorted(cleaned.pii.items())),
            "secrets": dict(sorted(cleaned.secrets.items())),
            "leaks": cleaned.count("leak"),
            "problems": [asdict(problem) for problem in cleaned.problems],
            "findings": [asdict(finding) for finding in cleaned.findings],
            "gate": {"result": self.gate.result, "reasons": list(self.gate.reasons)},
        }


def check(
    paths: Sequence[Path], golden: Path | None = None, project_data: DataSettings | None = None
) -> Report:
    """Check data files as the data stage will read them.

    Args:
        paths: JSONL files.
        golden: The golden set, to find rows that leak into it.
        project_data: The project's settings; without them personal data counts as to be masked.

    Raises:
        UsageError: A file does not exist or cannot be read.
    """
    cleaned = clean(
        {str(path): path for path in paths},
        {str(golden): golden} if golden else {},
        project_data.pii if project_data else "mask",
    )
    return Report(cleaned, data_gate(cleaned))


def data_gate(cleaned: Cleaned, failures: Sequence[str] = (), warnings: Sequence[str] = ()) -> Gate:
    """Return what the data gate says; the build adds what only it can see."""
    return judge(
        "data",
        failures=[*_failures(cleaned), *failures],
        warnings=[*_warnings(cleaned), *warnings],
    )


def examples(findings: Sequence[Finding]) -> str:
    """Return the first places as ` (file:row, file:row, ...)`, or an empty text."""
    places = [finding.place for finding in findings[:_EXAMPLES]]
    if len(findings) > _EXAMPLES:
        places.append("...")
    return f" ({', '.join(places)})" if places else ""


def rows_of(count: int) -> str:
    """Return `1 row`, `2 rows`."""
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _failures(cleaned: Cleaned) -> list[str]:
    if not cleaned.read:
        return ["There are no rows; name a JSONL file that holds some."]
    broken = cleaned.found("broken")
    if not cleaned.distinct:  # broken golden rows count as broken too
        return [f"No row can be read{examples(broken)}: {broken[0].what}"]
    reasons = []
    bad = cleaned.found("broken") + cleaned.found("conflict")
    if len(bad) > MOST_BAD * cleaned.read:
        reasons.append(
            f"{rows_of(len(bad))} of {cleaned.read:,} are broken or contradict each other"
            f"{examples(bad)}, more than {MOST_BAD:.0%}; mend them first."
        )
    repeated = cleaned.count("exact duplicate") + cleaned.count("near duplicate")
    if cleaned.distinct < LEAST_DISTINCT or repeated > MOST_REPEATED * cleaned.read:
        reasons.append(
            f"The data says little: {cleaned.distinct:,} different prompts, and "
            f"{repeated / cleaned.read:.0%} of the rows repeat others; a model would learn them "
            "by heart. Collect rows that differ."
        )
    if len(cleaned.rows) < LEAST_ROWS:
        reasons.append(
            f"{rows_of(len(cleaned.rows))} left after cleaning, fewer than {LEAST_ROWS}; "
            "collect more, or put these into the prompt as examples."
        )
    return reasons


def _warnings(cleaned: Cleaned) -> list[str]:
    reasons = []
    for kind, sentence in (
        ("broken", "left out as unreadable; mend or remove"),
        ("leak", "dropped for giving the golden set away; take out of the file"),
        ("conflict", "dropped for asking the same with another answer; decide which is right"),
    ):
        found = cleaned.found(kind)
        if found:
            reasons.append(f"{rows_of(len(found))} {sentence}{examples(found)}.")
    repeated = cleaned.found("exact duplicate") + cleaned.found("near duplicate")
    if len(repeated) > MANY_REPEATED * cleaned.read:
        reasons.append(
            f"{rows_of(len(repeated))} repeat others and were dropped{examples(repeated)}; "
            "look at how the file was made."
        )
    for kind, what in (("pii", "personal data"), ("secret", "keys or passwords")):
        found = cleaned.found(kind)
        if found:
            wish = "withdraw the keys" if kind == "secret" else "names and addresses are not found"
            reasons.append(
                f"{rows_of(len(found))} held {what}, {_done(found)}{examples(found)}; {wish}."
            )
    return reasons


def _done(found: list[Finding]) -> str:
    return {
        "masked": "now masked",
        "dropped": "and were dropped",
        "kept": "and were kept so, as the project's `pii: keep` says",
    }[found[0].action]
