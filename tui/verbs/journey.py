"""`tunesmith demo`, the whole journey in one command, and `tunesmith init`, its beginning."""

from __future__ import annotations

import shlex
import shutil
import time
from pathlib import Path
from typing import Any

import click

from engine.base import jobs, paths
from engine.base.gates import enforce
from tui import output
from tui.verbs.options import Place, accept, as_json, settings_option
from tui.verbs.plan import current_advice, make_plan, print_advice, print_plan

_MESSAGE = "hi, tracking says my grinder was dropped off yesterday but nothing is here. order 48213"


@click.command("demo", epilog="Example: tunesmith demo")
@click.argument("folder", default="demo", type=click.Path(path_type=Path, file_okay=False))
@settings_option
@accept
@as_json
def demo_verb(folder: Path, settings: tuple[str, ...], accept: str, as_json: bool) -> None:
    """Go the whole journey on the model and data that come with Tunesmith.

    Makes FOLDER with a project and its own runs.db: messy support messages become a dataset, the
    base model is measured, tuned, evaluated against itself and exported as proven GGUF files.
    """
    began = time.time()
    place = _place(folder)
    journey = Journey(place, accept, quiet=as_json)
    journey.data()
    journey.advice()
    run = journey.train(settings)
    journey.score(run)
    journey.ship(run)
    journey.chat(run)
    if as_json:
        from engine.ship.history import show

        output.emit(show(place.store, run))
        return
    output.say()
    output.say(
        f"Done in {output.duration(time.time() - began)}. All of it is in {place.store.path}."
    )
    output.say(f"  tunesmith --workspace {folder}           the full screen")
    output.say(f'  tunesmith --workspace {folder} chat {run} "your message"')


@click.command("init", epilog="Example: tunesmith init my-project --answers answers.yaml")
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--answers", type=click.Path(path_type=Path, dir_okay=False), help="Unattended.")
@as_json
def init_verb(folder: Path, answers: Path | None, as_json: bool) -> None:
    """Make a project: the wizard as plain questions; every answer is prefilled."""
    from tui.prompts import init

    path = init(folder.expanduser().resolve(), answers)
    if as_json:
        output.emit({"path": str(path)})
    else:
        there = "" if path.parent == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
        output.say(f"  {path} is written. Next: {there}tunesmith data build")


class Journey:
    """The demo's stages, each a job of its own, told as they go.

    Args:
        place: The store and the project.
        accept: The reason to go on although a gate says no; empty to stop there.
        quiet: Print nothing.
    """

    def __init__(self, place: Place, accept: str, *, quiet: bool) -> None:
        self.place = place
        self.accept = accept
        self.quiet = quiet

    def data(self) -> None:
        """Clean and split the raw file."""
        self._title(1, "Data", "check, clean and split the raw messages")
        self._job("data", {})
        if not self.quiet:
            from tui.verbs.data import print_dataset

            print_dataset(self.place)

    def advice(self) -> None:
        """Measure the untuned base; say whether tuning is worth it."""
        self._title(2, "Advice", "measure the untuned base, told how and shown 12 examples")
        self._job("trial", {})
        if not self.quiet:
            print_advice(current_advice(self.place))

    def train(self, settings: tuple[str, ...]) -> int:
        """Resolve the plan and train; return the run's id."""
        from engine.run.launch import submit

        self._title(3, "Plan", "the recipe resolved for this data on this box")
        plan = make_plan(self.place, settings)
        if not self.quiet:
            print_plan(plan, brief=True)
        enforce(plan.gate, self.accept)
        self._title(4, "Train", "LoRA in a process of its own, which would survive this terminal")
        run, job = submit(
            self.place.store, self.place.folder, self.place.project_id, self.place.project, plan
        )
        self._follow(job)
        if not self.quiet:
            self._measured(run, plan)
        return run

    def score(self, run: int) -> None:
        """Compare with the base on rows that no training saw."""
        from tui.verbs.results import print_results

        self._title(5, "Evaluate", "base, few-shot base and tuned on held-out and golden rows")
        try:
            self._job("eval", {"run_id": run})
        finally:
            if not self.quiet:
                print_results(self.place.store, run)

    def ship(self, run: int) -> None:
        """Export and prove the files equal to what was trained."""
        from engine.ship.history import artifacts
        from tui.verbs.results import print_artifacts

        self._title(6, "Export", "merge, GGUF, and the proof that each file answers alike")
        try:
            self._job("export", {"run_id": run})
        finally:
            if not self.quiet:
                print_artifacts(artifacts(self.place.store, run))
        if not self.quiet:
            output.say(f"  report: {self.place.store.workspace / 'runs' / str(run) / 'report.md'}")

    def chat(self, run: int) -> None:
        """Ask the smallest proven file something new."""
        from engine.ship.chat import open_chat

        if self.quiet:
            return
        self._title(7, "Chat", "a message that is in no file, to the smallest proven GGUF")
        output.say(f"  > {_MESSAGE}")
        output.say(f"  {open_chat(self.place.store, str(run)).reply(_MESSAGE)}")

    def _job(self, kind: str, args: dict[str, Any]) -> None:
        place = self.place
        self._follow(
            jobs.submit(place.store, kind, place.folder, args, project_id=place.project_id)
        )

    def _follow(self, job: int) -> None:
        from tui import watching
        from tui.verbs.jobs import raise_fault

        watching.follow(self.place.store, job, quiet=self.quiet)
        raise_fault(self.place.store, job)

    def _title(self, number: int, name: str, what: str) -> None:
        if not self.quiet:
            output.say(f"\n{number} {name}: {what}")

    def _measured(self, run: int, plan: Any) -> None:
        row = self.place.store.row("SELECT * FROM runs WHERE id = ?", (run,))
        assert row is not None
        output.say(
            f"  {row['steps']} steps in {output.duration(row['seconds'])} (predicted "
            f"{output.duration(plan.seconds)}), peak {output.amount(row['peak_bytes'])} (predicted "
            f"{output.amount(plan.peak_bytes)}), {row['tokens'] / row['seconds']:.0f} tokens/s"
        )


def _place(folder: Path) -> Place:
    """Open the demo's folder; fill it from `recipes/demo` when it is new."""
    folder = folder.expanduser().resolve()
    if not (folder / paths.PROJECT_NAME).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        source = paths.recipes() / "demo"
        for file in (*source.glob("*.jsonl"), source / paths.PROJECT_NAME):
            shutil.copy(file, folder / file.name)
    return Place(folder, folder)
