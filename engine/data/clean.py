"""Cleaning: files in, the rows to keep out, with a record of everything removed or changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.data import duplicates, masking
from engine.data.leakage import Golden
from engine.data.load.read import read_all
from engine.data.normalise import Boilerplate, normalise
from engine.data.rows import Problem, Row, Rows

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Finding:
    """One thing found in one line, and what was done about it; it never quotes content.

    Attributes:
        kind: broken, leak, exact duplicate, near duplicate, conflict, pii, secret, too long.
        file: The file, as the user named it.
        row: The line in it, from 1.
        what: What was found.
        action: dropped, masked, pseudonymised, kept, fixed, grouped or flagged.
        fix: How to mend it; empty where the action did.
        row_id: The row's id as it was read; empty for what is no row.
        other: The place of the row it repeats, contradicts or gives away; else empty.
    """

    kind: str
    file: str
    row: int
    what: str
    action: str
    fix: str = ""
    row_id: str = ""
    other: str = ""

    @property
    def place(self) -> str:
        """The finding's `file:row`."""
        return f"{self.file}:{self.row}"


@dataclass
class Cleaned:
    """The result of cleaning.

    Attributes:
        read: How many lines held anything, broken ones included.
        lines: The same, by file.
        rows: The rows to keep.
        golden: The golden rows, masked like the others.
        related: Pairs of ids of kept rows that belong on one side of a split.
        distinct: How many different prompts the usable rows have.
        pii: For each kind of personal data, how many rows hold it.
        secrets: For each kind of secret, how many rows hold it.
        problems: The broken lines, of the golden set too.
        findings: Everything that was removed or changed, in file order within a kind.
    """

    read: int = 0
    lines: dict[str, int] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    golden: list[Row] = field(default_factory=list)
    related: list[tuple[str, str]] = field(default_factory=list)
    distinct: int = 0
    pii: Counter[str] = field(default_factory=Counter)
    secrets: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """Return how many findings of a kind there are."""
        return sum(finding.kind == kind for finding in self.findings)

    def found(self, kind: str) -> list[Finding]:
        """Return the findings of a kind."""
        return [finding for finding in self.findings if finding.kind == kind]

    def note(self, kind: str, row: Row, what: str, action: str = "dropped") -> None:
        """Record a finding about a row."""
        file, _, number = row.source.rpartition(":")
        self.findings.append(Finding(kind, file, int(number), what, action))


def clean(
    files: dict[str, Path],
    golden: dict[str, Path],
    policy: str,
    progress: Progress = lambda _: None,
) -> Cleaned:
    """Read, mask, and take out what leaks, repeats or contradicts.

    Args:
        files: The data files, each under the name by which findings call it.
        golden: The golden file likewise; empty for none.
        policy: What to do with personal data and secrets: mask, drop or keep.
        progress: Told the name of each step when it starts.
    """
    progress("reading")
    source, hard = read_all(files), read_all(golden)
    result = Cleaned(read=sum(source.lines.values()), lines=source.lines)
    result.problems = source.problems + hard.problems
    result.findings += [
        Finding("broken", problem.file, problem.row, problem.what, "dropped")
        for problem in result.problems
    ]
    result.distinct = len({normalise(row.prompt) for row in source.rows})
    progress("looking for personal data and secrets")
    rows = _private(source, policy, result)
    result.golden = _golden(hard, policy)
    progress("looking for leaks into the golden set")
    rows = _without_leaks(rows, result)
    progress("looking for duplicates and conflicts")
    _without_duplicates(rows, result)
    return result


def _private(source: Rows, policy: str, result: Cleaned) -> list[Row]:
    action = {"mask": "masked", "drop": "dropped", "keep": "kept"}[policy]
    rows = []
    for row in source.rows:
        masked = masking.mask(row)
        result.pii.update(masked.pii)
        result.secrets.update(masked.secrets)
        for kind, names in (("pii", masked.pii), ("secret", masked.secrets)):
            if names:
                result.note(kind, row, ", ".join(names), action)
        if policy == "keep" or not (masked.pii or masked.secrets):
            rows.append(row)
        elif policy == "mask":
            rows.append(masked.row)
    return rows


def _golden(hard: Rows, policy: str) -> list[Row]:
    rows = hard.rows if policy == "keep" else [masking.mask(row).row for row in hard.rows]
    return list({row.id: row for row in rows}.values())


def _without_leaks(rows: list[Row], result: Cleaned) -> list[Row]:
    if not result.golden:
        return rows
    golden = Golden(result.golden, Boilerplate([normalise(row.prompt) for row in rows]))
    kept = []
    for row in rows:
        leak = golden.leak(row)
        if leak is None:
            kept.append(row)
        else:
            result.note("leak", row, f"{leak[1]} as golden row {leak[0].source}")
    return kept


def _without_duplicates(rows: list[Row], result: Cleaned) -> None:
    found = duplicates.sort(rows)
    for row, earlier in found.exact:
        result.note("exact duplicate", row, f"repeats {earlier.source}")
    for row, earlier in found.near:
        result.note("near duplicate", row, f"asks nearly the same as {earlier.source}")
    for row, other in found.conflicts:
        result.note("conflict", row, f"asks the same as {other.source}, answers differently")
    result.rows, result.related = found.kept, found.related
