"""Findings: what the data stage found in the rows, and what it did about it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from engine.data.rows import Form, Problem, Row

_SUSPECTS = 2000  # rows of each kind kept for a person's review


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in one record, and what was done about it; it never quotes content.

    Attributes:
        kind: A key of `KINDS`.
        file: The file, as the user named it.
        row: The line or record in it, from 1.
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


# kind -> what it means, in the order of the steps
KINDS = {
    "broken": "Records that cannot be read",
    "fixed": "Records that were mended",
    "rejected": "Rows that a person rejected",
    "edited": "Rows that a person edited",
    "disputed": "Rows that two people judged differently",
    "pii": "Personal data",
    "secret": "Keys and passwords",
    "leak": "Rows that give away the golden set",
    "exact duplicate": "Exact duplicates",
    "near duplicate": "Near-duplicates with the same answer",
    "conflict": "Same question, different answer",
    "related": "Rows much like another: kept, on the same side of the split",
    "semantic leak": "Rows that may rephrase a golden row",
    "semantic match": "Rows that may rephrase another",
    "answer in prompt": "Answers that stand whole in their prompt",
    "form": "Answers in another form than the objective's",
    "language": "Rows in a language that was not asked for",
    "toxic": "Rows with words that may offend",
    "sensitive": "Rows about a sensitive subject",
    "too long": "Longer than the model can read",
    "bridge": "New rows that tie a training row to a held-out one",
    "balance": "Training rows left out for balance",
}


@dataclass
class Cleaned:
    """The result of cleaning.

    Attributes:
        read: How many records held anything, broken ones included.
        lines: The same, by file.
        form: What is learnt from the rows; see `Row.form`.
        rows: The rows to keep.
        golden: The golden rows, masked like the others.
        related: Pairs of ids of kept rows that belong on one side of a split.
        absorbed: Pairs of a kept row's id and the id of a row merged into it.
        star: The row that most near-duplicates were merged into, and how many.
        distinct: How many different questions the usable rows have.
        answers: How many different answers the kept rows have.
        pii: For each kind of personal data, how many rows hold it.
        secrets: For each kind of secret, how many rows hold it.
        languages: For each language, how many kept rows are in it.
        problems: The broken records, of the golden set too.
        findings: Everything that was removed, changed or flagged, in file order within a kind.
        suspects: Rows worth a person's look, by their id as read; masked before anybody sees them.
        detectors: For each detector that errs, its own measured error, as a sentence.
    """

    read: int = 0
    lines: dict[str, int] = field(default_factory=dict)
    form: Form = "answer"
    rows: list[Row] = field(default_factory=list)
    golden: list[Row] = field(default_factory=list)
    related: list[tuple[str, str]] = field(default_factory=list)
    absorbed: list[tuple[str, str]] = field(default_factory=list)
    star: tuple[Row, int] | None = None
    distinct: int = 0
    answers: int = 0
    pii: Counter[str] = field(default_factory=Counter)
    secrets: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    suspects: dict[str, Row] = field(default_factory=dict)
    detectors: dict[str, str] = field(default_factory=dict)
    _read_ids: dict[str, str] = field(default_factory=dict, repr=False)
    _held: Counter[str] = field(default_factory=Counter, repr=False)

    def count(self, *kinds: str) -> int:
        """Return how many findings of some kinds there are."""
        return sum(finding.kind in kinds for finding in self.findings)

    def found(self, *kinds: str) -> list[Finding]:
        """Return the findings of some kinds."""
        return [finding for finding in self.findings if finding.kind in kinds]

    def by_kind(self) -> dict[str, list[Finding]]:
        """Return all findings by kind, kinds in the order of the steps."""
        groups: dict[str, list[Finding]] = defaultdict(list)
        for finding in self.findings:
            groups[finding.kind].append(finding)
        return {kind: groups[kind] for kind in KINDS if kind in groups}

    def renamed(self, before: str, after: str) -> None:
        """Remember a row's id as read, when masking or an edit gave it another."""
        if before != after:
            self._read_ids[after] = self._read_ids.get(before, before)

    def read_id(self, row_id: str) -> str:
        """Return the id that a row had when it was read from its file, before any mask or edit."""
        return self._read_ids.get(row_id, row_id)

    def note(
        self,
        kind: str,
        row: Row,
        what: str,
        action: str = "dropped",
        *,
        other: str = "",
        fix: str = "",
    ) -> None:
        """Record a finding about a row; of each kind some rows are kept for review."""
        file, _, number = row.source.rpartition(":")
        read_id = self.read_id(row.id)
        self.findings.append(Finding(kind, file, int(number), what, action, fix, read_id, other))
        self._held[kind] += 1
        if self._held[kind] <= _SUSPECTS:
            self.suspects.setdefault(read_id, row)
