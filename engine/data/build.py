"""The data stage: from the project's files to a dataset, its spec and the data gate's word."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from pathlib import Path

from engine.base import files, model
from engine.base.errors import UsageError
from engine.base.gates import Gate
from engine.base.project import Project
from engine.base.work import Work
from engine.data import golden
from engine.data.chat.lengths import Lengths, fit
from engine.data.chat.template import ChatTemplate
from engine.data.check import data_gate
from engine.data.clean import Inputs, clean
from engine.data.curate import review, suspects
from engine.data.dataset import SPLITS
from engine.data.dataset import Split as SplitName
from engine.data.divide import memory
from engine.data.divide.balance import Thinned, thin
from engine.data.divide.coverage import Coverage, coverage, known
from engine.data.divide.split import Split, split
from engine.data.findings import Cleaned
from engine.data.load.hub import located
from engine.data.publish import identity, publish
from engine.data.rows import Row
from engine.data.spec import Draft
from engine.data.subject import content, form, semantic
from engine.data.subject.language import language

_STEPS = 15  # with those of the search for duplicates


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
    if not data.sources:
        raise UsageError("The project names no data.", "Add a file to `data: sources`.", "data")
    known(data.edges)
    inputs = _inputs(work)
    cleaned = clean(inputs, step)
    step("looking at languages and subjects")
    content.inspect(cleaned, data.languages)
    form.inspect(cleaned, work.project.objective)
    if data.semantic:
        step("looking for rephrasings")
        semantic.inspect(cleaned, step.note)
    draft = _draft(work, inputs, cleaned, step)
    step("writing")
    queue = suspects.queue(cleaned)
    suspects.save_queue(work.store, work.project_id, work.job_id, queue)
    publish(work, draft)
    work.progress(_STEPS, _STEPS, f"dataset {draft.id}")


def _draft(work: Work, inputs: Inputs, cleaned: Cleaned, step: _Steps) -> Draft:
    """Split and balance the clean rows, and let the gate judge what came of it."""
    data, project = work.project.data, work.project
    step("counting tokens")
    template = ChatTemplate.load(model.locate(project.base_model))
    lengths = fit(cleaned, template, project.objective.instruction)
    step("splitting")
    divided = _split(work, cleaned)
    thinned = _balance(project, cleaned, divided)
    splits: dict[SplitName, list[Row]] = {
        "train": thinned.kept,
        "validation": divided.splits["validation"],
        "test": divided.splits["test"],
        "golden": cleaned.golden,
    }
    placed = {row.id for name in SPLITS[:3] for row in splits[name]}
    cleaned.rows = [row for row in cleaned.rows if row.id in placed]
    covered = coverage(cleaned.rows, edges=data.edges, least=data.least, languages=language)
    sha256 = next((files.sha256(path) for path in inputs.golden.values()), None)
    changed = ""
    if sha256:
        changed = golden.change(work.store, work.project_id, sha256, cleaned.golden)
    return Draft(
        id=identity(splits, project, template),
        project=project,
        sources={name: files.sha256(path) for name, path in inputs.files.items()},
        golden_sha256=sha256,
        cleaned=cleaned,
        splits=splits,
        lengths=lengths,
        coverage=covered,
        balance=thinned,
        gate=_gate(cleaned, divided, lengths, covered, changed),
        accepted=str(work.args.get("accept") or ""),
    )


class _Steps:
    """Counts the stage's steps and obeys a request to stop between them."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._done = 0

    def __call__(self, note: str) -> None:
        self.note(note)
        if ":" not in note:  # else it tells how far the step is
            self._done = min(self._done + 1, _STEPS - 1)

    def note(self, note: str) -> None:
        """Say what is done within the present step."""
        self._work.check_stop()
        self._work.progress(self._done, _STEPS, note)


def _inputs(work: Work) -> Inputs:
    data, folder = work.project.data, work.project_dir
    return Inputs(
        files={name: located(name, folder) for name in data.sources},
        golden={data.golden: located(data.golden, folder)} if data.golden else {},
        settings=replace(data, fix=True) if work.args.get("fix") else data,
        key=_key(work.store.workspace),
        frozen=golden.frozen(work.store, work.project_id),
        decisions=review.decisions(work.store, work.project_id),
        workers=int(work.args.get("scale") or 0),
    )


def _key(workspace: Path) -> bytes:
    """Return the workspace's key of fingerprints and pseudonyms; made once, for its owner only."""
    path = workspace / "pseudonyms.key"
    if not path.is_file():
        with files.atomic(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_hex(16), encoding="ascii")
            os.chmod(temporary, 0o600)  # noqa: PTH101 - whatever the umask
    return bytes.fromhex(path.read_text(encoding="ascii"))


def _split(work: Work, cleaned: Cleaned) -> Split:
    data = work.project.data
    divided = split(
        cleaned.rows,
        cleaned.related,
        test=data.test,
        validation=data.validation,
        seed=work.project.seed,
        settled=memory.settled(work.store, work.project_id, work.project, cleaned),
        absorbed=cleaned.absorbed,
    )
    for row in divided.bridges:
        cleaned.note("bridge", row, "much like a row of train and a held-out one")
    return divided


def _balance(project: Project, cleaned: Cleaned, divided: Split) -> Thinned:
    data = project.data
    thinned = thin(
        divided.splits["train"], cap=data.cap, temperature=data.temperature, seed=project.seed
    )
    for row in thinned.dropped:
        cleaned.note("balance", row, f"{row.scenario or 'its scenario'} has more than its share")
    return thinned


def _gate(
    cleaned: Cleaned, divided: Split, lengths: Lengths, covered: Coverage, golden_changed: str
) -> Gate:
    warnings = [golden_changed] if golden_changed else []
    silent = [row.source for row in cleaned.rows if lengths.trained[row.id] <= 1]
    failures = [f"The template hides the answer of {place}; mend the row." for place in silent[:3]]
    if cleaned.rows:
        failures += [
            f"No rows for {name}; collect more groups of rows that differ."
            for name in divided.wanted
            if not divided.splits[name]
        ]
        warnings += [*divided.reasons, *_crossing(divided)]
        warnings += [*_untested(cleaned, divided), *covered.missing]
    return data_gate(cleaned, failures, warnings)


def _crossing(divided: Split) -> list[str]:
    """Return a warning about old rows that are alike and stand in different splits."""
    count = len(divided.crossing)
    sentence = (
        f"{count:,} pairs of rows that are much alike were put into different splits by earlier "
        "datasets, and stay there; another seed makes a new split."
    )
    return [sentence] if count else []


def _untested(cleaned: Cleaned, divided: Split) -> list[str]:
    """Return a warning about scenarios that no test row has."""
    if "test" not in divided.wanted:
        return []
    tested = {row.scenario for row in divided.splits["test"]}
    missing = sorted({row.scenario for row in cleaned.rows} - tested - {""})
    if not missing:
        return []
    more = f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
    names = ", ".join(missing[:5])
    return [f"No test row of: {names}{more}; the verdict says nothing about them."]
