"""Cleaning: files in, the rows to keep out, with a record of everything removed or changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine.base.project import DataSettings
from engine.data.alike import duplicates, minhash, scale
from engine.data.alike.leakage import Golden
from engine.data.alike.normalise import Boilerplate, normalise, question, target
from engine.data.curate import review
from engine.data.curate.review import Decision
from engine.data.findings import Cleaned, Finding
from engine.data.load.read import read
from engine.data.private.masking import Found, Privacy, Treated
from engine.data.rows import Problem, Row

Progress = Callable[[str], None]
_SHORT_ANSWER = 20  # characters; a label may well stand in its prompt
_EVERY = 50_000  # rows between two words about progress


@dataclass(frozen=True)
class Inputs:
    """What is to be cleaned, and how.

    Attributes:
        files: The data files, each under the name by which findings call it.
        golden: The golden file likewise; empty for none.
        settings: The project's settings for its data.
        key: Keys fingerprints and pseudonyms; secret to the workspace.
        frozen: Golden rows of earlier versions, refused like those of now.
        decisions: What people decided about rows, by their id as read.
        workers: Processes that look for near-duplicates; 0 for this one alone.
    """

    files: Mapping[str, Path]
    golden: Mapping[str, Path]
    settings: DataSettings
    key: bytes = b""
    frozen: Sequence[Row] = ()
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    workers: int = 0


def clean(inputs: Inputs, progress: Progress = lambda _: None) -> Cleaned:
    """Read, mask, and take out what leaks, repeats or contradicts.

    Args:
        inputs: The files and the settings.
        progress: Told the name of each step when it starts.
    """
    result = Cleaned(lines=dict.fromkeys(inputs.files, 0))
    privacy = Privacy(inputs.settings.pii, inputs.settings.entities, inputs.key)
    progress("reading, and looking for personal data and secrets")
    decided, accepted = review.apply(_read(inputs, result, progress), inputs.decisions, result)
    rows = _one_form(list(_private(_treated(decided, privacy, inputs), privacy, result)), result)
    result.golden = _golden(inputs, privacy, result)
    result.distinct = len({hash(normalise(question(row))) for row in rows})
    progress("looking for leaks into the golden set")
    rows = _without_leaks(rows, [*result.golden, *inputs.frozen], result)
    progress("looking for duplicates and conflicts")
    propose = (
        partial(scale.candidates, workers=inputs.workers) if inputs.workers else minhash.candidates
    )
    _without_duplicates(duplicates.sort(rows, progress, propose), rows, accepted, result)
    _answers_in_prompts(result)
    return result


def _read(inputs: Inputs, result: Cleaned, progress: Progress) -> Iterator[Row]:
    """Yield the rows of all files; a record that is none is mended or becomes a finding."""
    mapping = inputs.settings.mapping
    for name, path in inputs.files.items():
        for item in read(path, name, mapping.get(name)):
            result.lines[name] += 1
            result.read += 1
            if result.read % _EVERY == 0:
                progress(f"reading: {result.read:,} rows")
            row = _usable(item, result, fix=inputs.settings.fix)
            if row is not None:
                yield row


def _usable(item: Row | Problem, result: Cleaned, *, fix: bool) -> Row | None:
    if isinstance(item, Row):
        return item
    if fix and item.repaired is not None:
        result.note("fixed", item.repaired, item.what, "fixed", fix=item.fix)
        return item.repaired
    result.problems.append(item)
    result.findings.append(
        Finding("broken", item.file, item.row, item.what, "dropped", fix=item.fix)
    )
    return None


def _treated(
    rows: Iterator[Row], privacy: Privacy, inputs: Inputs
) -> Iterator[tuple[Row, Treated]]:
    """Yield each row with what becomes of it, found by as many processes as there shall be."""
    if not inputs.workers:
        return ((row, privacy.treat(row)) for row in rows)
    listed = list(rows)
    return zip(listed, scale.mapped(privacy.treat, listed, inputs.workers), strict=True)


def _private(
    rows: Iterable[tuple[Row, Treated]], privacy: Privacy, result: Cleaned
) -> Iterator[Row]:
    """Yield the rows with personal data and secrets treated as the project says."""
    for row, treated in rows:
        if not treated.found:
            yield row
            continue
        after = treated.row or privacy.masked(row)
        result.renamed(row.id, after.id)
        _note_private(after, treated.found, result)
        if treated.row is not None:
            yield treated.row


def _note_private(row: Row, found: Sequence[Found], result: Cleaned) -> None:
    """Count what was found and record what was done; a link that stays needs no look."""
    result.pii.update({find.kind for find in found if not find.secret})
    result.secrets.update({find.kind for find in found if find.secret})
    done = {
        (find.secret, find.action, find.kind)
        for find in found
        if (find.kind, find.action) != ("url", "kept")
    }
    for secret, action in sorted({(secret, action) for secret, action, _ in done}):
        kinds = sorted(kind for *what, kind in done if what == [secret, action])
        result.note("secret" if secret else "pii", row, ", ".join(kinds), action)


def _one_form(rows: list[Row], result: Cleaned) -> list[Row]:
    """Keep the rows of the most frequent form: one dataset teaches in one way."""
    forms = Counter(row.form for row in rows)
    if len(forms) <= 1:
        result.form = next(iter(forms), "answer")
        return rows
    result.form = min(forms, key=lambda form: (-forms[form], form))
    for row in rows:
        if row.form != result.form:
            what = f"holds a {row.form}, while most rows hold a {result.form}"
            result.note("broken", row, what, fix="Put these rows into a project of their own.")
    return [row for row in rows if row.form == result.form]


def _golden(inputs: Inputs, privacy: Privacy, result: Cleaned) -> list[Row]:
    """Return the golden rows, masked like the others but never dropped."""
    rows: dict[str, Row] = {}
    for name, path in inputs.golden.items():
        for item in read(path, name, inputs.settings.mapping.get(name)):
            row = _usable(item, result, fix=inputs.settings.fix)
            if row is not None:
                after = privacy.treat(row).row or privacy.masked(row)
                rows.setdefault(after.id, after)
    return list(rows.values())


def _without_leaks(rows: list[Row], golden: list[Row], result: Cleaned) -> list[Row]:
    if not golden:
        return rows
    index = Golden(golden, Boilerplate([normalise(question(row)) for row in rows]))
    kept = []
    for row, leak in zip(rows, index.leaks(rows), strict=True):
        if leak is None:
            kept.append(row)
        else:
            what = f"{leak[1]} as golden row {leak[0].source}"
            result.note("leak", row, what, other=leak[0].source)
    return kept


def _without_duplicates(
    found: duplicates.Sorted, rows: list[Row], accepted: frozenset[str], result: Cleaned
) -> None:
    """Take out what repeats and contradicts; what a person accepted stays, and wins a conflict."""
    saved: list[Row] = []
    for kind, pairs, what in (
        ("exact duplicate", found.exact, "repeats {}"),
        ("near duplicate", found.near, "asks nearly the same as {}"),
        ("conflict", found.conflicts, "asks the same as {}, answers differently"),
    ):
        for row, other in pairs:
            if result.read_id(row.id) in accepted:
                saved.append(row)
                result.related.append((row.id, other.id))
                continue
            result.note(kind, row, what.format(other.source), other=other.source)
            if kind != "conflict":
                result.absorbed.append((other.id, row.id))
    kept = {row.id for row in found.kept}
    for row, other, how in found.alike:
        result.note("related", row, f"{other.source}: {how}", "grouped", other=other.source)
    result.star = duplicates.largest_star(found)
    result.related += found.related
    if saved:
        wanted = kept | {row.id for row in saved}
        unique = {row.id: row for row in rows if row.id in wanted}
        result.rows = list(unique.values())
    else:
        result.rows = found.kept
    result.answers = len({hash(target(row)) for row in result.rows})


def _answers_in_prompts(result: Cleaned) -> None:
    """Flag rows whose whole answer can be copied from the prompt: nothing else is learnt."""
    if result.form != "answer":
        return
    for row in result.rows:
        if len(row.completion) >= _SHORT_ANSWER and row.completion.strip() in row.prompt:
            result.note("answer in prompt", row, "the answer stands whole in the prompt", "flagged")
