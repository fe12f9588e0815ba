"""What the wizard does once the project is described: all of it in threads, all of it as jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from engine.base import jobs, project
from engine.base.errors import TunesmithError
from engine.base.paths import PROJECT_NAME
from engine.base.work import register
from tui import drafts
from tui.described import to_project
from tui.screens.wizard.ask import Failed

if TYPE_CHECKING:
    from engine.base.store import Store
    from engine.plan.plan import Plan
    from tui.screens.wizard.screen import WizardScreen

KINDS = {"check": "data", "advice": "trial"}  # the live steps that are one job each


@dataclass
class Written(Message):
    """`project.yaml` is written and the job that builds the dataset is submitted."""


@dataclass
class Exported(Message):
    """The plan stands in a folder that trains without Tunesmith."""

    script: Path


@dataclass
class Started(Message):
    """The training is submitted."""

    run_id: int


class LiveActions:
    """Writes the project, submits and stops jobs, starts the training.

    Args:
        screen: The wizard; it gets `Written`, `Exported`, `Started` or `Failed`.
    """

    def __init__(self, screen: WizardScreen) -> None:
        self._screen = screen
        self.accepted = ""
        self._starting = False

    def possible(self, action: str) -> bool:
        """Say whether a key does something at the open step."""
        screen = self._screen
        look, at_work = screen.look, screen.look.at_work(screen.step) is not None
        planned = screen.step == "plan" and look.plan is not None
        return {
            "stop": at_work,
            "again": screen.step in KINDS and look.job(screen.step) is not None and not at_work,
            "accept": self._refused(),
            "measure": planned and not at_work,
            "export": planned,
        }[action]

    def write(self) -> None:
        """Write the project and build its dataset."""
        last = self._screen.asker.last
        if last.yaml:
            self._do(partial(self._write, last.answers, last.yaml))

    def go(self) -> None:
        """Do what the open step is for; where that is done, the screen goes on."""
        step = self._screen.step
        if step in KINDS:
            self._do(partial(self._submit, KINDS[step], ""))
        elif step == "train":
            self._start()

    def again(self) -> None:
        """Submit the open step's job once more."""
        self._do(partial(self._submit, KINDS[self._screen.step], ""))

    def measure(self) -> None:
        """Let the fit gate measure the plan."""
        if (plan := self._screen.look.plan) is not None:
            self._do(partial(self._measure, plan))

    def export(self, folder: Path) -> None:
        """Write the plan as a folder that trains without Tunesmith."""
        if (plan := self._screen.look.plan) is not None:
            self._do(partial(self._export, plan, folder))

    def accept(self, reason: str) -> None:
        """Go on although a gate said no."""
        if self._screen.step in KINDS:
            self._do(partial(self._submit, KINDS[self._screen.step], reason))
        else:
            self.accepted = reason
            self._screen.open_step("train")

    def stop(self) -> None:
        """Ask the open step's job to stop."""
        job = self._screen.look.at_work(self._screen.step)
        if job is not None:
            self._do(partial(jobs.request, self._screen.app.store, job["id"], "stop"))

    def _refused(self) -> bool:
        look, step = self._screen.look, self._screen.step
        if step == "check":
            job = look.data
            return job is not None and job["state"] == "failed" and job["exit_code"] == 3
        refused = look.plan is not None and look.plan.gate.result == "fail"
        return step in ("plan", "train") and refused and not self.accepted

    def _start(self) -> None:
        plan = self._screen.look.plan
        if plan is None or self._starting or self._refused():
            return
        self._starting = True
        self._do(partial(self._train, plan))

    def _do(self, work: Callable[[], None]) -> None:
        self._screen.run_worker(
            partial(self._guarded, work), thread=True, group="live", exit_on_error=False
        )

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (TunesmithError, OSError) as error:
            self._starting = False
            self._screen.post_message(Failed(error))
        self._screen.app.feed.look()

    def _write(self, answers: Mapping[str, str], yaml: str) -> None:
        folder = self._screen.folder
        path = folder / PROJECT_NAME
        # An unchanged file keeps its time, by which it is known which jobs are still about it.
        changed = not path.is_file() or path.read_text(encoding="utf-8") != yaml
        if changed:
            project.save(to_project(answers, project.here(folder)), folder)
        if changed or self._screen.look.data is None:
            self._submit("data", "")
        self._screen.post_message(Written())

    def _submit(self, kind: str, accept: str) -> None:
        store, folder = self._screen.app.store, self._screen.folder
        project_id = register(store, folder, project.load(folder))
        args = {"accept": accept} if accept else {}
        jobs.submit(store, kind, folder, args, project_id=project_id)

    def _measure(self, plan: Plan) -> None:
        store, folder = self._screen.app.store, self._screen.folder
        project_id = register(store, folder, project.load(folder))
        args = {"plan_id": saved(store, project_id, plan).id}
        jobs.submit(store, "fit", folder, args, project_id=project_id)

    def _export(self, plan: Plan, target: Path) -> None:
        from engine.run.script import export

        store, folder = self._screen.app.store, self._screen.folder
        described = project.load(folder)
        made = saved(store, register(store, folder, described), plan)
        self._screen.post_message(Exported(export(store, described, made, target)[0]))

    def _train(self, plan: Plan) -> None:
        from engine.run.launch import submit

        store, folder = self._screen.app.store, self._screen.folder
        described = project.load(folder)
        project_id = register(store, folder, described)
        run_id, _ = submit(
            store,
            folder,
            project_id,
            described,
            saved(store, project_id, plan),
            then=("eval", "export"),
            accept=self.accepted,
        )
        drafts.forget(self._screen.app.workspace, folder)
        self._screen.post_message(Started(run_id))


def saved(store: Store, project_id: int, plan: Plan) -> Plan:
    """Return the plan as the store holds it."""
    from engine.plan.plan import save

    return plan if plan.id is not None else save(store, project_id, plan)
