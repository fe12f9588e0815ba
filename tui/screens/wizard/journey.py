"""What the store says of a project on its way to a run: one look, read in the feed's thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.base import project as projects
from engine.base.errors import TunesmithError, UsageError
from engine.base.jobs import OPEN
from engine.base.paths import PROJECT_NAME
from engine.base.project import Project
from engine.base.store import Row, Store
from engine.data.dataset import latest
from engine.plan.advice import Advice, Score, advise, baselines
from engine.plan.plan import Plan, propose
from engine.run.fit.measured import latest as latest_outcome
from tui.widgets.stepper import State

# SQLite takes the bare columns from the row with the smallest id: the first finding of its kind.
_FINDINGS = """
SELECT kind, action, COUNT(*) AS rows, MIN(id) AS first, file || ':' || row AS place
FROM dataset_findings WHERE dataset_id = ? GROUP BY kind, action ORDER BY rows DESC, kind"""


@dataclass(frozen=True)
class Look:
    """One look at a project.

    Attributes:
        project: The project; None before `project.yaml` is written.
        project_id: Its row; None before its first job.
        data: The newest `data` job since the project was written.
        trial: The newest `trial` job since the dataset was built.
        fit: The newest `fit` job since the dataset was built.
        gate: What the data gate last said.
        dataset: The newest dataset that passed it.
        findings: What was found in the rows, by kind: what happened, how many, the first place.
        baselines: The trial's scores: base or few_shot -> metric -> score.
        advice: Whether to tune at all.
        plan: The recipe resolved for this dataset on this box; the measured one where there is one.
        attempts: What the fit gate tried with it; rows of the table `probes`.
        fault: Why there is no advice or plan.
    """

    project: Project | None = None
    project_id: int | None = None
    data: Row | None = None
    trial: Row | None = None
    fit: Row | None = None
    gate: Row | None = None
    dataset: Row | None = None
    findings: tuple[Row, ...] = ()
    baselines: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    advice: Advice | None = None
    plan: Plan | None = None
    attempts: tuple[Row, ...] = ()
    fault: str = ""

    @property
    def states(self) -> dict[str, State]:
        """What has become of each live step."""
        return {
            "check": self._checked(),
            "advice": _state(self.trial),
            "plan": self._planned(),
            "train": "todo",
        }

    def _checked(self) -> State:
        if self.dataset is None or _open(self.data):
            return _state(self.data)
        return "done" if self.gate is None or self.gate["result"] != "fail" else "warn"

    def _planned(self) -> State:
        if self.plan is None or _open(self.fit):
            return _state(self.fit)
        return _PLAN[self.plan.gate.result]

    def job(self, step: str) -> Row | None:
        """Return the newest job of a live step."""
        return {"check": self.data, "advice": self.trial, "plan": self.fit}.get(step)

    def at_work(self, step: str) -> Row | None:
        """Return the job of a live step, if it is at work."""
        job = self.job(step)
        return job if _open(job) else None


class Journey:
    """Reads the looks; what costs time is kept until something it rests on has changed.

    Args:
        folder: The project's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last: Look | None = None
        self._judged: tuple[object, Look] | None = None

    def __call__(self, store: Store) -> Look | None:
        """Return a look, or None when nothing changed since the last one."""
        look = self._read(store)
        if look == self._last:
            return None
        self._last = look
        return look

    def _read(self, store: Store) -> Look:
        path = self.folder / PROJECT_NAME
        if not path.is_file():
            return Look()
        written = path.stat().st_mtime
        try:
            project = projects.load(self.folder)
        except TunesmithError as error:
            return Look(fault=str(error))
        project_id = store.scalar("SELECT id FROM projects WHERE path = ?", (str(self.folder),))
        if project_id is None:
            return Look(project)
        data = _job(store, project_id, "data", since=written)
        dataset = _dataset(store, project_id) if data and data["state"] == "done" else None
        trial, fit = (
            _job(store, project_id, kind, since=data["created"]) if data and dataset else None
            for kind in ("trial", "fit")
        )
        gate = store.row(
            "SELECT * FROM gates WHERE project_id = ? AND gate = 'data' AND created >= ? "
            "ORDER BY id DESC LIMIT 1",
            (project_id, written),
        )
        judged = self._judge(store, project, project_id, dataset, (trial, fit))
        return replace(
            judged,
            project=project,
            project_id=project_id,
            data=data,
            trial=trial,
            fit=fit,
            gate=gate,
            dataset=dataset,
        )

    def _judge(
        self,
        store: Store,
        project: Project,
        project_id: int,
        dataset: Row | None,
        measured_by: tuple[Row | None, ...],
    ) -> Look:
        """Return findings, advice and plan; worked out anew when what they rest on changes."""
        if dataset is None:
            return Look()
        ended = [(job["id"], job["state"]) for job in measured_by if job]
        basis = (project, dataset["id"], ended)
        if self._judged is None or self._judged[0] != basis:
            self._judged = (basis, _judge(store, project, project_id, dataset["id"]))
        return self._judged[1]


def _judge(store: Store, project: Project, project_id: int, dataset_id: str) -> Look:
    findings = tuple(store.rows(_FINDINGS, (dataset_id,)))
    measured = baselines(store, dataset_id)
    try:
        advice = advise(store, project, project_id, dataset_id)
        plan = propose(store, project, dataset_id)
    except TunesmithError as error:
        return Look(findings=findings, baselines=measured, fault=str(error))
    probed = latest_outcome(store, project_id, plan)
    plan, attempts = (probed.plan, probed.attempts) if probed else (plan, ())
    return Look(findings=findings, baselines=measured, advice=advice, plan=plan, attempts=attempts)


def _job(store: Store, project_id: int, kind: str, *, since: float) -> Row | None:
    return store.row(
        "SELECT * FROM jobs WHERE project_id = ? AND kind = ? AND created >= ? "
        "ORDER BY id DESC LIMIT 1",
        (project_id, kind, since),
    )


def _dataset(store: Store, project_id: int) -> Row | None:
    try:
        found = latest(store, project_id)
    except UsageError:
        return None
    return store.row("SELECT * FROM datasets WHERE id = ?", (found,))


_PLAN: Mapping[str, State] = {"pass": "done", "warn": "warn", "fail": "fault"}


def _open(job: Row | None) -> bool:
    return job is not None and job["state"] in OPEN


def _state(job: Row | None) -> State:
    if job is None:
        return "todo"
    if job["state"] in OPEN:
        return "busy"
    if job["state"] in ("stopped", "paused"):
        return "warn"
    return "done" if job["state"] == "done" else "fault"
