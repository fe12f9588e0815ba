"""Labelling guidelines: what two people must know to label a row alike, made from the project.

They follow what the literature on annotation asks for: task, form, labels with examples, an order
of decisions, a way to say "cannot tell", worked disagreements, a pilot with two people, a version.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from engine.base.objectives import template
from engine.base.project import Objective
from engine.data.curate.agreement import GOOD, LEAST, TENTATIVE
from engine.data.curate.suspects import Item
from engine.data.private import masking
from engine.data.rows import Row

MOST_LABELS = 60  # more different answers than this are no set of labels
_REPEATED = 3  # rows that a label has on average, at least
_RARE = 5  # rows below which nobody can learn what a label means
_SHOWN = 300  # characters of a text
_CONFLICTS = 10
_DOUBLE = "5 to 10 %"  # of the later rows that two people label


@dataclass(frozen=True)
class Conflict:
    """Two rows that ask the same and answer differently; the texts are masked.

    Attributes:
        places: Both rows, as `file:row`.
        prompt: What they ask.
        answers: What each answers.
    """

    places: tuple[str, str]
    prompt: str
    answers: tuple[str, str]


def labels(objective: Objective, rows: Iterable[Row]) -> tuple[dict[str, int], dict[str, str]]:
    """Return the labels of the answers with their rows' number, and the place of one row of each.

    A label is a whole answer or, of JSON answers, a key with its value, as in `intent: refund`.
    Answers that hardly repeat are no labels, and neither are the values of such a key.
    """
    values: dict[str, Counter[str]] = {}
    examples: dict[str, str] = {}
    known: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        if row.completion not in known:
            known[row.completion] = _labels(objective, row)
        for key, label in known[row.completion]:
            values.setdefault(key, Counter())[label] += 1
            examples.setdefault(label, f"{row.source} (row {row.id})")
    counts: dict[str, int] = {}
    for found in values.values():
        if len(found) <= MOST_LABELS and sum(found.values()) >= _REPEATED * len(found):
            counts.update(sorted(found.items(), key=lambda item: (-item[1], item[0])))
    return counts, {label: examples[label] for label in counts}


def _labels(objective: Objective, row: Row) -> list[tuple[str, str]]:
    answer = masking.mask(row).row.completion.strip()
    if objective.output == "text":
        return [("", answer)]
    try:
        content = json.loads(answer)
    except (ValueError, RecursionError):
        return []
    if not isinstance(content, dict):
        return [("", answer)]
    return [
        (key, f"{key}: {value if isinstance(value, str) else json.dumps(value)}")
        for key, value in content.items()
        if not isinstance(value, dict | list)
    ]


def conflicts(items: Iterable[Item]) -> list[Conflict]:
    """Return the pairs of contradicting rows in a review's queue, each pair once."""
    by_place = {item.source: item for item in items if "conflict" in item.kinds}
    found: dict[frozenset[str], Conflict] = {}
    for item in by_place.values():
        other = by_place.get(item.other)
        if other is not None and item.completion != other.completion:
            pair = frozenset((item.source, other.source))
            answers = (item.completion, other.completion)
            places = (item.source, other.source)
            found.setdefault(pair, Conflict(places, item.prompt, answers))
    return list(found.values())


def write(
    objective: Objective,
    labels: Mapping[str, int],
    examples: Mapping[str, str],
    conflicts: Sequence[Conflict] = (),
) -> str:
    """Return the guidelines as Markdown; the same input gives the same text and version.

    Args:
        objective: What the model shall do.
        labels: For each label, how many rows have it; empty where the answers are free.
        examples: For each label, the place of one row that has it.
        conflicts: Rows that contradict each other, masked.
    """
    parts = [
        _task(objective),
        _alike(objective),
        _labels_section(labels, examples),
        _order(objective, bool(labels)),
        _disagreements(conflicts),
        _quality(),
    ]
    body = "\n".join(parts)
    return f"# Labelling guidelines\n\nVersion {version(body)}.\n\n{body}"


def version(body: str) -> str:
    """Return what names one state of the guidelines: 8 hex characters of their text's hash."""
    return blake2b(body.encode(), digest_size=4).hexdigest()


def version_of(text: str) -> str:
    """Return the version of guidelines that `write` returned."""
    return text.split("Version ", 1)[1][:8]


def _task(objective: Objective) -> str:
    lines = [f"## Task\n\nKind of task: {objective.task}. The model is told:\n"]
    lines += [_quoted(objective.instruction), ""]
    if objective.prompt.strip() != objective.instruction.strip():
        lines += ["At length:\n", _quoted(objective.prompt), ""]
    lines.append("## Form of an answer\n")
    if objective.output == "json":
        keys = ", ".join(_code(key) for key in objective.fields)
        lines.append("An answer is one JSON object and nothing besides.")
        if keys:
            lines.append(f"It has these keys, in this order, and no others: {keys}.")
        lines.append(
            "Nothing is guessed: a value that the message lacks is written in one agreed way."
        )
    else:
        lines.append(
            "An answer is text, with nothing before or after it that the task did not ask."
        )
    lines.append("The right content in the wrong form is a wrong answer: edit it.\n")
    return "\n".join(lines)


def _alike(objective: Objective) -> str:
    """What makes labels of this kind of task agree, and the cases people disagree on."""
    usual = template(objective.task)
    rules = "\n".join(f"- {rule}" for rule in usual.guidelines)
    cases = "\n".join(f"- {case}" for case in usual.edge_cases)
    return f"## Label alike\n\n{rules}\n\nDecide these the same way every time:\n\n{cases}\n"


def _labels_section(labels: Mapping[str, int], examples: Mapping[str, str]) -> str:
    lines = ["## Labels\n"]
    if not labels:
        lines.append(
            "The answers hardly repeat: there is no fixed set of labels. Judge each answer"
        )
        lines.append("by the order below.\n")
        return "\n".join(lines)
    lines.append(
        "Before the pilot, the project's owner says beside each label in one sentence what"
    )
    lines.append("it means, and names the nearest case that it does not mean.\n")
    for label, count in labels.items():
        rare = ", too few to learn from: collect more or merge it" if count < _RARE else ""
        rows = "1 row" if count == 1 else f"{count:,} rows"
        place = f"; see {_code(examples[label])}" if label in examples else ""
        lines.append(f"- {_code(label)}: {rows}{rare}{place}")
    lines.append(
        "\nNo other label may be used. When one seems to be missing, say so to the owner.\n"
    )
    return "\n".join(lines)


def _order(objective: Objective, labelled: bool) -> str:
    fits = (
        "Which label fits? When several do, take the one that the message asks for first; when it "
        "asks for none of them, cannot tell."
        if labelled
        else "Is the answer right and whole, judged by the message alone? Edit what is not."
    )
    steps = [
        "Can the message be read, and is it of this task? If not, reject it.",
        "Does it hold personal data or a key that is not replaced? Edit it out, or reject it.",
        f"Has the answer the form above ({objective.output})? If not, edit it.",
        fits,
        "Is the answer true to the message, and harmless? If not, edit or reject it.",
        "Nothing left to change: accept it.",
    ]
    numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))
    return (
        f"## Order of decisions\n\nGo through them from the top.\n\n{numbered}\n\n"
        "## Cannot tell\n\n"
        "Do not guess. Reject the row with the note `cannot tell` (`c` in the review). Many such "
        "rows\nmean that the labels, not the people, need work.\n"
    )


def _disagreements(conflicts: Sequence[Conflict]) -> str:
    lines = ["## Worked disagreements\n"]
    if not conflicts:
        return "\n".join(
            [*lines, "No two rows were found that ask the same and answer differently.\n"]
        )
    lines.append(
        "These rows ask the same and answer differently. The owner decides each, and writes"
    )
    lines.append("the reason here, before anyone labels.\n")
    for number, conflict in enumerate(conflicts[:_CONFLICTS], start=1):
        lines.append(f"{number}. {_code(conflict.prompt)}")
        for place, answer in zip(conflict.places, conflict.answers, strict=True):
            lines.append(f"   - {_code(answer)} says {_code(place)}")
    if len(conflicts) > _CONFLICTS:
        lines.append(f"\nAnd {len(conflicts) - _CONFLICTS:,} more: `tunesmith data review`.")
    return "\n".join([*lines, ""])


def _quality() -> str:
    return f"""## Quality

- Pilot: two people label the same {LEAST} rows, each alone, each with
  `tunesmith data review --as NAME`.
- Krippendorff's alpha of {GOOD} or more: go on. From {TENTATIVE} to {GOOD}: revise these
  guidelines and label another pilot. Below: stop, talk over the disputed rows, begin anew.
- Afterwards two people label {_DOUBLE} of the rows, so that drifting apart is seen.
- Where two disagree the row is left out until a third person decides or the owner settles it.
- A change of these guidelines changes their version. Write the version beside what was labelled.
"""


def _quoted(text: str) -> str:
    return "\n".join(f"> {_safe(line)}".rstrip() for line in text.strip().splitlines() or ["-"])


def _code(text: str) -> str:
    """Return text as a Markdown code span: nothing in it is markup, whatever it holds."""
    shown = _visible(text)
    if len(shown) > _SHOWN:
        shown = shown[: _SHOWN - 1] + "…"
    ticks = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    pad = " " if shown[:1] == "`" or shown[-1:] == "`" or not shown.strip() else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def _safe(line: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", _visible(line))


def _visible(text: str) -> str:
    """Return text on one line, with control and invisible format characters written out."""
    line = " ".join(text.split())
    return "".join(
        f"\\x{ord(char):02x}" if unicodedata.category(char) in {"Cc", "Cf", "Cs"} else char
        for char in line
    )
