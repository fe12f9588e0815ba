"""The data check: what is wrong with some files, in seconds, without a model."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.base import model
from engine.base.gates import Gate, judge
from engine.base.project import DataSettings
from engine.data.clean import Inputs, clean
from engine.data.findings import Cleaned, Finding
from engine.data.load.hub import located
from engine.data.subject import content

LEAST_ROWS = 50  # below this, prompting with a few of the rows does as well and costs nothing
LEAST_DISTINCT = 20
MOST_BAD = 0.20  # share of the lines that may be broken or in conflict
MOST_REPEATED = 0.80  # share of the rows that may repeat others
MANY_REPEATED = 0.30  # from this share on, the way the rows were made needs a look
ONE_ANSWER = 0.95  # from this share on, one answer to everything does as well as a model
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
        flagged = {kind: cleaned.count(kind) for kind in content.KINDS if cleaned.count(kind)}
        return {
            "rows": cleaned.read,
            "kept": len(cleaned.rows),
            "form": cleaned.form,
            "duplicates": {
                "exact": cleaned.count("exact duplicate"),
                "near": cleaned.count("near duplicate") + near_kept(cleaned),
                "merged": cleaned.count("near duplicate"),
                "related": near_kept(cleaned),
            },
            "conflicts": cleaned.count("conflict"),
            "too_long": cleaned.count("too long"),
            "pii": dict(sorted(cleaned.pii.items())),
            "secrets": dict(sorted(cleaned.secrets.items())),
            "leaks": cleaned.count("leak"),
            "languages": dict(cleaned.languages.most_common()),
            "flags": flagged,
            "detectors": cleaned.detectors,
            "problems": [problem.to_json() for problem in cleaned.problems],
            "findings": [asdict(finding) for finding in cleaned.findings],
            "gate": {"result": self.gate.result, "reasons": list(self.gate.reasons)},
        }


def check(
    paths: Sequence[Path | str],
    golden: Path | None = None,
    settings: DataSettings | None = None,
    *,
    base_model: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Check data files as the data stage will read them.

    Args:
        paths: Files, folders or `hf:owner/name`.
        golden: The golden set, to find rows that leak into it.
        settings: The project's settings; without them personal data counts as to be masked.
        base_model: The model whose context the rows must fit; empty not to count tokens.
        progress: Told the name of each step when it starts.

    Raises:
        UsageError: A file does not exist or cannot be read.
        TunesmithError: The model cannot be had.
    """
    settings = settings or DataSettings(sources=())
    cleaned = clean(
        Inputs(
            files={str(path): located(str(path)) for path in paths},
            golden={str(golden): golden} if golden else {},
            settings=settings,
            key=secrets.token_bytes(16),
        ),
        progress,
    )
    progress("looking at languages and subjects")
    content.inspect(cleaned, settings.languages)
    if base_model:
        from engine.data.chat.lengths import fit
        from engine.data.chat.template import ChatTemplate

        progress("counting tokens")
        fit(cleaned, ChatTemplate.load(model.locate(base_model)), "")
    return Report(cleaned, data_gate(cleaned))


def near_kept(cleaned: Cleaned) -> int:
    """Return how many kept rows nearly repeat another kept row."""
    return len({finding.row_id for finding in cleaned.found("related")})


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
        return ["There are no rows; name a file that holds some."]
    broken = cleaned.found("broken")
    if not cleaned.distinct and broken:  # broken golden rows count as broken too
        return [f"No row can be read{examples(broken)}: {broken[0].what}{_mendable(cleaned)}"]
    reasons = []
    bad = broken + cleaned.found("conflict")
    if len(bad) > MOST_BAD * cleaned.read:
        reasons.append(
            f"{rows_of(len(bad))} of {cleaned.read:,} are broken or contradict each other"
            f"{examples(bad)}, more than {MOST_BAD:.0%}; mend them first.{_mendable(cleaned)}"
        )
    repeated = cleaned.count("exact duplicate", "near duplicate")
    if cleaned.distinct < LEAST_DISTINCT or repeated > MOST_REPEATED * cleaned.read:
        reasons.append(
            f"The data says little: {cleaned.distinct:,} different prompts in {cleaned.read:,} "
            f"rows, and {repeated / cleaned.read:.0%} of the rows repeat others; a model would "
            "learn them by heart. Collect rows that differ."
        )
    if len(cleaned.rows) < LEAST_ROWS:
        reasons.append(
            f"{rows_of(len(cleaned.rows))} left after cleaning, fewer than {LEAST_ROWS}; "
            "collect more, or put these into the prompt as examples."
        )
    if cleaned.answers == 1 and len(cleaned.rows) >= LEAST_ROWS and cleaned.form == "answer":
        reasons.append("Every row has the same answer, so there is nothing to learn; add others.")
    return reasons


def _mendable(cleaned: Cleaned) -> str:
    count = sum(problem.repaired is not None for problem in cleaned.problems)
    return f" --fix mends {count:,} of them." if count else ""


_DROPPED = (
    ("broken", "left out as unreadable; mend or remove"),
    ("leak", "dropped for giving the golden set away; take out of the file"),
    ("conflict", "dropped for asking the same with another answer; decide which is right"),
    ("disputed", "left out because two reviewers disagree; settle them in the review"),
    (
        "too long",
        "longer than the model can read, so the end of the answer would be lost; shorten",
    ),
    ("bridge", "left out for tying training rows to held-out ones"),
)
_FLAGGED = (
    ("answer in prompt", "can be answered by copying from the prompt"),
    ("form", "have answers in another form than the objective's"),
    ("language", "are in another language than the project names"),
    ("toxic", "hold words that may offend"),
    ("semantic leak", "may rephrase a golden row"),
)


def _warnings(cleaned: Cleaned) -> list[str]:
    reasons = []
    found = cleaned.by_kind()
    for kind, sentence in _DROPPED:
        if kind in found:
            some = found[kind]
            mend = _mendable(cleaned) if kind == "broken" else ""
            reasons.append(f"{rows_of(len(some))} {sentence}{examples(some)}.{mend}")
    repeated = found.get("exact duplicate", []) + found.get("near duplicate", [])
    if len(repeated) > MANY_REPEATED * cleaned.read:
        reasons.append(
            f"{rows_of(len(repeated))} repeat others and were dropped{examples(repeated)}; "
            "look at how the file was made."
        )
    if cleaned.star and cleaned.star[1] > max(50, len(cleaned.rows) // 100):
        row, count = cleaned.star
        reasons.append(
            f"{rows_of(count)} were merged into one ({row.source}); see whether they differ in "
            "something that counts."
        )
    for kind, what in (("pii", "personal data"), ("secret", "keys or passwords")):
        if kind in found:
            wish = "withdraw the keys" if kind == "secret" else "names and addresses are not found"
            places = list({finding.place: finding for finding in found[kind]}.values())
            done = _done(found[kind])
            reasons.append(f"{rows_of(len(places))} held {what}, {done}{examples(places)}; {wish}.")
    for kind, sentence in _FLAGGED:
        if kind in found:
            some = found[kind]
            reasons.append(
                f"{rows_of(len(some))} {sentence}{examples(some)}; look at them in the review."
            )
    return reasons + _lopsided(cleaned)


def _lopsided(cleaned: Cleaned) -> list[str]:
    if cleaned.form != "answer" or cleaned.answers < 2:
        return []
    completion, count = Counter(row.completion for row in cleaned.rows).most_common(1)[0]
    if len(completion) > 200 or count < ONE_ANSWER * len(cleaned.rows):
        return []
    share = count / len(cleaned.rows)
    return [f"{share:.0%} of the rows have one and the same answer; collect rows of the others."]


def _done(found: list[Finding]) -> str:
    said = {
        "masked": "now masked",
        "pseudonymised": "now pseudonyms",
        "dropped": "and were dropped",
        "kept": "and were kept so, as the project says",
    }
    actions = Counter(finding.action for finding in found)
    if len(actions) == 1:
        return said[next(iter(actions))]
    return ", ".join(f"{count:,} {said[action]}" for action, count in actions.most_common())
