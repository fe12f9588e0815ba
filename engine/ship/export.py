"""The export stage: from an adapter to GGUF files, each proved against what was trained.

What a former export left is used again where its content is still what was recorded, so an export
that was stopped, or is asked for one more type, makes only what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.base import gates, jobs, project
from engine.base.errors import TunesmithError, UsageError
from engine.base.hardware import machine
from engine.base.model import locate
from engine.base.project import Objective
from engine.base.work import Work
from engine.data import dataset
from engine.data.chat.template import ChatTemplate
from engine.run import launch, result
from engine.ship import converter, gguf, merge, parity, reading, records, report
from engine.ship.reading import Question, Reading
from engine.ship.runtime import Runtime

_SPARE = 1.1  # what file systems and a model's metadata take beside the weights


@dataclass
class Export:
    """One export at work.

    Attributes:
        work: The job.
        run_id: The run.
        folder: The run's folder.
        trained: What it trained, an adapter or a whole model.
        name: The run's name; its files are called after it.
        objective: The objective as it was when the training began.
        base: The base model's folder.
        template: Its chat template.
        asked: The held-out questions.
        types: The GGUF types wanted, F16 first.
        missing: Those of them that are not there, or not proved yet.
        done: Steps of the work that were begun.
    """

    work: Work
    run_id: int
    folder: Path
    trained: Path
    name: str
    objective: Objective
    base: Path
    template: ChatTemplate
    asked: list[Question]
    types: tuple[str, ...]
    missing: tuple[str, ...] = ()
    done: int = 0

    def file(self, kind: str) -> Path:
        """Return the path of the GGUF of a type."""
        return self.folder / "export" / f"{self.name}-{kind}.gguf"

    def step(self, note: str) -> None:
        """Say what comes next; stop here if the user asked for it."""
        self.work.check_stop()
        self.work.progress(self.done, 2 + 2 * len(self.missing), note)
        self.done += 1

    def artifact(self, kind: str, path: Path, make: Callable[[], None]) -> int:
        """Return an artifact's id; make it unless it is there, just as it was recorded."""
        known = records.intact(self.work.store, self.run_id, kind, path)
        if known is not None:
            return known
        make()
        return records.add(self.work.store, self.run_id, self.work.job_id, kind, path)


def export(work: Work) -> None:
    """Export the run named in the job's arguments; `types` in them overrides the project's.

    Raises:
        GateError: No file passed parity, and nobody accepted that; all is kept and recorded.
        TunesmithError: The run has trained nothing or has no scores, the disk is too small, or the
            model cannot become a GGUF.
    """
    task = _prepare(work)
    task.missing = tuple(kind for kind in task.types if not _proved(task, kind))
    if task.missing:
        _need_disk(task)
        original = _f16(task)
        for kind in task.missing:
            if kind != "F16":
                _quantised(task, kind, original)
    task.work.progress(task.done, max(task.done, 1), "writing the report")
    _judge(task)


def _prepare(work: Work) -> Export:
    run = launch.get(work.store, int(work.args["run_id"]))
    folder = launch.folder(work.store, run["id"])
    found = result.path(folder)
    if found is None:
        raise UsageError(
            f"Run {run['id']} has trained nothing yet: its training did not end.",
            f"See `tunesmith show {run['id']}`, and resume its job.",
            str(folder),
        )
    trained = project.load(folder)
    base = locate(run["model"])
    template = ChatTemplate.load(base)
    return Export(
        work=work,
        run_id=run["id"],
        folder=folder,
        trained=found,
        name=run["name"],
        objective=trained.objective,
        base=base,
        template=template,
        asked=parity.questions(
            work.store,
            run["id"],
            dataset.load(work.store, run["dataset_id"]),
            template,
            trained.objective.instruction,
        ),
        types=gguf.checked(work.args.get("types") or work.project.exports),
    )


def _proved(task: Export, kind: str) -> bool:
    store = task.work.store
    known = records.intact(store, task.run_id, f"gguf:{kind}", task.file(kind))
    return known is not None and records.parity(store, known) is not None


def _need_disk(task: Export) -> None:
    """Refuse before the work what would fill the disk in the midst of it."""
    parameters = sum(file.stat().st_size for file in task.base.glob("*.safetensors")) / 2
    bits = sum(gguf.TYPES[kind].bits for kind in task.missing if not task.file(kind).is_file())
    if not (task.folder / "export" / "merged").is_dir():
        bits += gguf.TYPES["F16"].bits
    needed = int(parameters * bits / 8 * _SPARE)
    free = machine.disk_free(task.folder)
    if needed > free:
        raise TunesmithError(
            f"The export needs about {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB are free.",
            "Free some space, or ask for fewer types with --to.",
            str(task.folder),
        )


def _f16(task: Export) -> Reading:
    """Return the F16 file's reading; make and prove the file when that is still to be done."""
    if "F16" not in task.missing:
        task.step("reading F16")
        with Runtime(task.file("F16"), context=parity.context(task.asked)) as runtime:
            return parity.read(runtime, task.asked, task.work.check_stop)
    trained, merged = _merge(task)
    task.step("converting to GGUF")
    out = task.file("F16")
    artifact = task.artifact(
        "gguf:F16",
        out,
        lambda: converter.convert(
            merged,
            out,
            "f16",
            log=jobs.log_file(task.work.store, task.work.job_id),
            check=task.work.check_stop,
        ),
    )
    return _prove(task, "F16", artifact, trained)


def _merge(task: Export) -> tuple[Reading, Path]:
    """Read what was trained, then merge it; return the reading and the merged model's folder."""
    task.step("reading what was trained")
    model = merge.load(task.base, task.trained)
    asked = task.asked[: parity.ADAPTER_ROWS]
    trained = reading.of_trained(model, asked, task.work.check_stop)
    task.step("merging")
    task.artifact(task.trained.name, task.trained, lambda: None)
    merged = task.folder / "export" / "merged"
    task.artifact(
        "merged", merged, lambda: merge.merge(model, task.base, task.template.eos_id, merged)
    )
    return trained, merged


def _quantised(task: Export, kind: str, original: Reading) -> None:
    task.step(f"quantising to {kind}")
    out = task.file(kind)
    artifact = task.artifact(
        f"gguf:{kind}", out, lambda: gguf.quantise(task.file("F16"), out, kind)
    )
    _prove(task, kind, artifact, original)


def _prove(task: Export, kind: str, artifact: int, reference: Reading) -> Reading:
    task.step(f"proving {kind}")
    with Runtime(task.file(kind), context=parity.context(task.asked)) as runtime:
        result, own = parity.compare(
            runtime,
            task.asked,
            reference,
            task.template,
            task.objective,
            kind=kind,
            check=task.work.check_stop,
        )
    records.add_parity(task.work.store, artifact, result)
    task.work.log(
        f"{kind}: parity {result.result}, {result.token_agreement:.1%} of "
        f"{result.tokens} tokens agree, divergence {result.divergence:.2g} nats. "
        + " ".join(result.reasons)
    )
    return own


def _judge(task: Export) -> None:
    """Choose the file to use, record the gate, write the report; stop here if nothing passed."""
    store, accepted = task.work.store, str(task.work.args.get("accept") or "")
    records.recommend(store, task.run_id)
    gate = parity.gate(records.results(store, task.run_id, task.types))
    gates.record(
        store,
        task.work.project_id,
        gate,
        subject=f"run {task.run_id}",
        job_id=task.work.job_id,
        accepted=accepted if gate.result == "fail" else "",
    )
    report.write(store, task.run_id)
    gates.enforce(gate, accepted)
