"""The data stage: from the project's files to a dataset, its spec and the data gate's word."""

from __future__ import annotations

from pathlib import Path

from engine.base import files, model
from engine.base.errors import UsageError
from engine.base.gates import Gate
from engine.base.project import Project
from engine.base.work import Work
from engine.data.check import data_gate, examples, rows_of
from engine.data.clean import Cleaned, clean
from engine.data.dataset import SPLITS
from engine.data.publish import identity, publish
from engine.data.rows import Row, to_json
from engine.data.spec import Draft, Lengths
from engine.data.split import NAMES, clusters, split
from engine.data.template import ChatTemplate

_STEPS = 7
_OFF = 0.02  # share of the rows by which a split may miss its size unmentioned


def build(work: Work) -> None:
    """Make the project's dataset, record it, and let the data gate decide.

    The same rows and settings give the same dataset: it is then not made twice.

    Raises:
        GateError: The data gate failed and `args["accept"]` gives no reason to go on.
        UsageError: A source is missing.
        TunesmithError: No row is left, or the base model cannot be had.
    """
    step = _Steps(work)
    data = work.project.data
    sources = _files(work.project_dir, data.sources)
    golden = _files(work.project_dir, (data.golden,) if data.golden else ())
    if not sources:
        raise UsageError("The project names no data.", "Add a file to `data: sources`.", "data")
    cleaned = clean(sources, golden, data.pii, step)
    step("counting tokens")
    template = ChatTemplate.load(model.locate(work.project.base_model))
    lengths = _measure(cleaned, template, work.project.objective.instruction)
    step("splitting")
    splits = split(
        cleaned.rows,
        cleaned.related,
        test=data.test,
        validation=data.validation,
        seed=work.project.seed,
    )
    splits["golden"] = cleaned.golden
    texts = {name: "".join(to_json(row) + "\n" for row in splits[name]) for name in SPLITS}
    draft = Draft(
        id=identity(texts, work.project, template),
        project=work.project,
        sources={name: files.sha256(path) for name, path in sources.items()},
        golden_sha256=next((files.sha256(path) for path in golden.values()), None),
        cleaned=cleaned,
        splits=splits,
        lengths=lengths,
        gate=_gate(work.project, cleaned, splits, lengths),
        accepted=str(work.args.get("accept") or ""),
    )
    step("writing")
    publish(work, draft, texts)
    work.progress(_STEPS, _STEPS, f"dataset {draft.id}")


class _Steps:
    """Counts the stage's steps and obeys a request to stop between them."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._done = 0

    def __call__(self, note: str) -> None:
        self._work.check_stop()
        self._work.progress(self._done, _STEPS, note)
        self._done += 1


def _files(folder: Path, names: tuple[str, ...]) -> dict[str, Path]:
    return {name: folder / Path(name).expanduser() for name in names}


def _measure(cleaned: Cleaned, template: ChatTemplate, system: str) -> Lengths:
    """Count each row's tokens; take out the rows that the model cannot read to their end."""
    whole: dict[str, int] = {}
    trained: dict[str, int] = {}
    kept: list[Row] = []
    for row in cleaned.rows:
        ids, prompt = template.example_ids(system, row)
        if template.context and len(ids) > template.context:
            what = f"{len(ids):,} tokens, the model reads {template.context:,}"
            cleaned.note("too long", row, what)
            continue
        whole[row.id], trained[row.id] = len(ids), len(ids) - prompt
        kept.append(row)
    cleaned.rows = kept
    return Lengths(whole, trained)


def _gate(
    project: Project, cleaned: Cleaned, splits: dict[str, list[Row]], lengths: Lengths
) -> Gate:
    warnings = []
    long = cleaned.found("too long")
    if long:
        warnings.append(
            f"{rows_of(len(long))} would lose the end of the answer, being longer than the model "
            f"can read, and were dropped{examples(long)}; shorten them."
        )
    silent = [row.source for row in cleaned.rows if lengths.trained[row.id] <= 1]
    failures = [f"The template hides the answer of {place}; mend the row." for place in silent[:3]]
    asked = {"test": project.data.test, "validation": project.data.validation}
    asked["train"] = 1 - sum(asked.values())
    for name in NAMES:
        if not cleaned.rows:
            break
        share = len(splits[name]) / len(cleaned.rows)
        if not splits[name] and asked[name] > 0:
            failures.append(f"No rows for {name}; collect more groups of rows that differ.")
        elif abs(share - asked[name]) > _OFF:
            warnings.append(
                f"The {name} split has {share:.1%} of the rows, not {asked[name]:.0%}: "
                "related rows and groups stay together."
            )
    return data_gate(cleaned, failures, warnings + _lopsided(project, cleaned, splits))


def _lopsided(project: Project, cleaned: Cleaned, splits: dict[str, list[Row]]) -> list[str]:
    """Return warnings about scenarios without test rows and about blocks that cannot be cut."""
    warnings = []
    tested = {row.scenario for row in splits["test"]}
    missing = sorted({row.scenario for row in cleaned.rows} - tested - {""})
    if missing and project.data.test:
        names = ", ".join(missing[:5])
        warnings.append(f"No test row of: {names}; the verdict says nothing about them.")
    found = clusters(cleaned.rows, cleaned.related, project.seed)
    largest = max(found, key=lambda cluster: len(cluster.rows), default=None)
    if largest and len(largest.rows) > max(50, len(cleaned.rows) // 20):
        warnings.append(
            f"{rows_of(len(largest.rows))} are alike or of one group, and stay on one side of the "
            f"split (one of them: {largest.rows[0].source})."
        )
    return warnings
