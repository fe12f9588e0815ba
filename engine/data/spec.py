"""The data spec: what a dataset is made of, as a page for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.base.gates import Gate
from engine.base.project import Project
from engine.data.alike.duplicates import RELATED, SAME
from engine.data.alike.leakage import NEAR
from engine.data.chat.lengths import Lengths
from engine.data.dataset import SPLITS, Split
from engine.data.divide.balance import Thinned
from engine.data.divide.coverage import Coverage, to_markdown
from engine.data.findings import KINDS, Cleaned
from engine.data.rows import Row

_SHOWN = 20  # places listed per kind; the store has all of them


@dataclass(frozen=True)
class Draft:
    """A dataset before it is written: everything that its files and its spec tell.

    Attributes:
        id: The dataset's id.
        project: The project's settings.
        sources: The SHA-256 of each source, by its name.
        golden_sha256: That of the golden file, if there is one.
        cleaned: The rows, and everything found in them.
        splits: The rows by split.
        lengths: Their tokens.
        coverage: How many rows there are of each kind of case.
        balance: What was left out of the training rows for balance.
        gate: What the data gate says.
        accepted: The reason for which its failure was accepted.
    """

    id: str
    project: Project
    sources: Mapping[str, str]
    golden_sha256: str | None
    cleaned: Cleaned
    splits: Mapping[Split, list[Row]]
    lengths: Lengths
    coverage: Coverage
    balance: Thinned
    gate: Gate
    accepted: str


def write(draft: Draft) -> str:
    """Return the data spec as Markdown."""
    parts = (
        _head(draft),
        _sources(draft),
        _steps(draft.cleaned),
        _private(draft),
        _content(draft.cleaned),
        _table(draft.splits),
        _balance(draft),
        _coverage(draft),
        _tokens(draft),
        _golden(draft),
        _split(draft),
        _gate(draft),
        _limits(draft),
    )
    return "\n\n".join(parts) + "\n"


def percentile(values: Iterable[int], share: float) -> int:
    """Return the value below or at which `share` of the values lie; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def _head(draft: Draft) -> str:
    objective = draft.project.objective
    task = f"this task ({objective.task}, {objective.output} answers)"
    return "\n".join(
        (
            f"# Data spec: dataset {draft.id}",
            "",
            f"Project **{draft.project.name}**, written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
            "",
            "## Purpose",
            "",
            f"To teach `{draft.project.base_model}` {task}: {_cell(objective.instruction)}",
        )
    )


def _sources(draft: Draft) -> str:
    lines = [
        f"| {_cell(file)} | {draft.cleaned.lines[file]:,} | `{digest}` |"
        for file, digest in draft.sources.items()
    ]
    return _titled("Sources", "| file | rows | sha256 |", "|---|--:|---|", *lines)


def _steps(cleaned: Cleaned) -> str:
    found = cleaned.by_kind()
    lines = [f"| Records read | {cleaned.read:,} | |"]
    for kind, title in KINDS.items():
        findings = found.get(kind, [])
        places = [finding.place for finding in findings]
        counts = Counter(finding.action for finding in findings)
        actions = ", ".join(f"{count:,} {action}" for action, count in counts.most_common())
        more = f" and {len(places) - _SHOWN:,} more" if len(places) > _SHOWN else ""
        lines.append(f"| {title} | {actions or '0'} | {_cell(', '.join(places[:_SHOWN]))}{more} |")
    lines.append(f"| **Rows kept** | **{len(cleaned.rows):,}** | |")
    return _titled(
        "Cleaning",
        "In this order. Every find, with its reason, is in the table `dataset_findings`. "
        f"Near-duplicates have a Jaccard of {SAME} or more and the same answer; related rows, "
        f"from {RELATED} on, stay.",
        "",
        "| step | rows | where |",
        "|---|--:|---|",
        *lines,
    )


def _private(draft: Draft) -> str:
    found = [("personal data", kind, count) for kind, count in draft.cleaned.pii.items()]
    found += [("secret", kind, count) for kind, count in draft.cleaned.secrets.items()]
    lines = [f"| {what} | {_cell(kind)} | {count:,} |" for what, kind, count in sorted(found)]
    data = draft.project.data
    own = ", ".join(f"{kind}: {policy}" for kind, policy in sorted(data.entities.items()))
    return _titled(
        "Personal data and secrets",
        f"Policy of the project: **{data.pii}**{f'; {own}' if own else ''}. Patterns with "
        "checksums find what has a form: e-mail addresses, phone, card, bank and identity numbers, "
        "network addresses, and the keys of the usual providers. "
        "**Names and postal addresses are not found.**",
        "",
        *(["| what | kind | rows |", "|---|---|--:|", *lines] if lines else ["None found."]),
    )


def _content(cleaned: Cleaned) -> str:
    most = cleaned.languages.most_common(10)
    spoken = ", ".join(f"{code} {count:,}" for code, count in most) or "not looked at"
    lines = [f"- {_cell(sentence)}" for sentence in cleaned.detectors.values()]
    return _titled("Languages and subjects", f"Rows by language: {spoken}.", "", *lines).rstrip()


def _balance(draft: Draft) -> str:
    data = draft.project.data
    if not draft.balance.dropped:
        return _titled("Balance", "The training rows are as they came; none was left out.")
    wish = f"at most {data.cap:,} rows of a scenario" if data.cap else ""
    if data.temperature < 1:
        power = f"shares raised to the power {data.temperature:g}"
        wish = f"{wish}, {power}" if wish else power
    lines = [
        f"| {_cell(name) or '(none)'} | {before:,} | {after:,} |"
        for name, before, after in draft.balance.table
    ]
    return _titled(
        "Balance",
        f"In the training split only: {wish}. No row is copied.",
        "",
        "| scenario | before | after |",
        "|---|--:|--:|",
        *lines,
    )


def _coverage(draft: Draft) -> str:
    return _titled("Coverage", to_markdown(draft.coverage))


def _table(splits: Mapping[Split, list[Row]]) -> str:
    counts = {name: Counter(row.scenario for row in rows) for name, rows in splits.items()}
    scenarios = sorted({scenario for counter in counts.values() for scenario in counter})
    lines = [
        f"| {_cell(scenario) or '(none)'} | "
        + " | ".join(f"{counts[name][scenario]:,}" for name in splits)
        + " |"
        for scenario in scenarios
    ]
    total = " | ".join(f"**{len(rows):,}**" for rows in splits.values())
    return _titled(
        "Scenarios and splits",
        f"| scenario | {' | '.join(splits)} |",
        "|---|" + "--:|" * len(splits),
        *lines,
        f"| **all** | {total} |",
    )


def _tokens(draft: Draft) -> str:
    lines = []
    for name, counts in (
        ("whole example", draft.lengths.whole),
        ("answer (trained)", draft.lengths.trained),
    ):
        figures = " | ".join(
            f"{percentile(counts.values(), share):,}" for share in (0.5, 0.95, 0.99, 1.0)
        )
        lines.append(f"| {name} | {figures} |")
    return _titled(
        "Lengths in tokens",
        f"With the tokenizer and the chat template of `{draft.project.base_model}`.",
        "",
        "| part | median | 95 % | 99 % | longest |",
        "|---|--:|--:|--:|--:|",
        *lines,
    )


def _golden(draft: Draft) -> str:
    if not draft.golden_sha256:
        return _titled("Golden set", "None, so leaks could not be looked for.")
    return _titled(
        "Golden set",
        f"`{_cell(draft.project.data.golden)}`, {len(draft.splits['golden']):,} rows, sha256 "
        f"`{draft.golden_sha256}`. No training may read it. A row leaks, and was dropped, when its "
        f"prompt equals or contains a golden one, has a Jaccard of {NEAR} or more with it, or "
        f"shares 13 words in a row: {draft.cleaned.count('leak'):,} did. The set is frozen: its "
        "rows stay refused when they are taken out of the file.",
    )


def _split(draft: Draft) -> str:
    data, kept = draft.project.data, len(draft.cleaned.rows)
    asked = {"validation": data.validation, "test": data.test}
    asked["train"] = 1 - sum(asked.values())
    sizes = ", ".join(
        f"{name} {len(draft.splits[name]) / max(1, kept):.1%} (asked {asked[name]:.0%})"
        for name in SPLITS
        if name != "golden"
    )
    return _titled(
        "Split",
        f"{sizes}. Rows of one group, and rows whose prompts have a Jaccard of {RELATED} or more, "
        "are never on two sides. Within a scenario the order is that of a hash of content and "
        f"seed ({draft.project.seed}). A row that an earlier dataset of the project placed stays "
        "where it was.",
    )


def _gate(draft: Draft) -> str:
    reasons = [f"- {_cell(reason)}" for reason in draft.gate.reasons]
    accepted = [f"- Accepted all the same: {_cell(draft.accepted)}"] if draft.accepted else []
    if draft.gate.result != "fail":
        accepted = []
    return _titled("Data gate", f"**{draft.gate.result}**", "", *reasons, *accepted).rstrip()


def _limits(draft: Draft) -> str:
    return _titled(
        "Limits",
        "- Whether the answers are right was not checked, only whether they contradict each other.",
        "- Paraphrases without common wording are neither duplicates nor leaks to this check; "
        "`data: semantic: true` looks for them with a model, and suggests.",
        f"- {len(draft.splits['test']):,} test rows tell an accuracy to about "
        f"±{_half_width(len(draft.splits['test'])):.0%} (95 %, at 90 % right).",
    )


def _half_width(rows: int) -> float:
    return float(1.96 * (0.9 * 0.1 / max(1, rows)) ** 0.5)


def _titled(title: str, *lines: str) -> str:
    return "\n".join((f"## {title}", "", *lines))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
