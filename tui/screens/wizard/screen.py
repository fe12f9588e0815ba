"""The wizard's screen: the rail, the open step, and the way from one to the next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen

from engine.base.errors import TunesmithError
from tui import drafts
from tui.drafts import Draft
from tui.feed import Broken, Fresh
from tui.keys import bindings
from tui.question import Context
from tui.screens.ask import Ask, ask_why
from tui.screens.wizard import pages, rail
from tui.screens.wizard.actions import KINDS, Exported, LiveActions, Started, Written
from tui.screens.wizard.ask import Asker, Checked, Failed
from tui.screens.wizard.journey import Journey, Look
from tui.screens.wizard.rail import ASKED, LIVE, ORDER
from tui.widgets.canvas import Line, Lines
from tui.widgets.form import Field, Form, Left
from tui.widgets.keybar import KeyBar
from tui.widgets.page import Page, wrapped
from tui.widgets.stepper import Stepper
from tui.words import literal

if TYPE_CHECKING:
    from tui.app import TunesmithApp

_COMMANDS = {"check": "data build", "advice": "advise --trial", "plan": "plan", "train": "train"}
_HINTS = {
    "path": "→ takes the suggestion   ⏎ next field",
    "paragraph": "^j new line   ⏎ next field",
    "choice": "← → choose   ⏎ next field",
}


class WizardScreen(Screen[None]):
    """From a file of examples to a running training.

    What is typed is kept as a draft after each field, and all work is done by jobs: closing or
    killing the interface loses nothing, and the wizard opens again where it was.

    Args:
        folder: The project's folder; the present one when None.
    """

    app: TunesmithApp
    PLACE = "wizard"
    BINDINGS = bindings("wizard")
    CSS = """
    WizardScreen #wizard { height: 1fr; }
    WizardScreen #rail { width: 16; height: 1fr; padding: 1 0; background: $surface; }
    WizardScreen #pane { width: 1fr; padding: 1 1 0 1; }
    WizardScreen #title { height: 2; padding: 0 1; }
    WizardScreen #split { layout: vertical; }
    WizardScreen #body { height: 1fr; }
    WizardScreen #scroll, WizardScreen #help {
        padding: 0 1; scrollbar-size-vertical: 1;
        scrollbar-background: $background; scrollbar-color: $faint;
    }
    WizardScreen #help {
        height: 7; border-top: solid $faint;
        border-title-color: $quiet; border-title-align: right;
    }
    WizardScreen.-wide #rail { width: 24; padding: 1 1; }
    WizardScreen.-wide #split { layout: horizontal; }
    WizardScreen.-wide #body { width: 3fr; max-width: 110; }
    WizardScreen.-wide #help {
        width: 2fr; max-width: 60; height: 1fr; padding: 0 2;
        border-top: none; border-left: solid $faint; margin-left: 2;
    }
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.folder = (folder or Path.cwd()).expanduser().resolve()
        self.step = ORDER[0]
        self.look = Look()
        self.actions = LiveActions(self)
        self._journey = Journey(self.folder)
        self._goal: str | None = None

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Lines(id="header")
        with Horizontal(id="wizard"):
            yield Stepper(id="rail")
            with Vertical(id="pane"):
                yield Lines(id="title")
                with Vertical(id="split"):
                    yield Vertical(id="body")
                    with VerticalScroll(id="help", can_focus=False):
                        yield Page(id="help-text")
        yield KeyBar()

    def on_mount(self) -> None:
        """Open the draft."""
        self.asker = Asker(self, self.app.workspace)
        self.open_folder(self.folder)

    def on_screen_resume(self) -> None:
        """Follow the project's jobs while the screen is shown."""
        self.app.feed.watch(self, self._journey)

    def on_screen_suspend(self) -> None:
        """Rest while another screen lies above."""
        self.app.feed.release(self)

    def open_folder(self, folder: Path) -> None:
        """Go on with what is known of a folder."""
        self.folder, self.look, self._journey = folder, Look(), Journey(folder)
        try:
            draft = drafts.load(self.app.workspace, folder)
        except TunesmithError as error:  # its project.yaml is damaged
            self.app.complain(error)
            draft = Draft()
        self.asker.begin(folder, draft.given)
        self.open_step(draft.step if draft.step in ORDER else ORDER[0])
        self.app.feed.watch(self, self._journey)

    def open_step(self, name: str) -> None:
        """Show a step."""
        self.step = name
        self.run_worker(self._mount_step(name), group="step", exclusive=True)

    async def _mount_step(self, name: str) -> None:
        body = self.query_one("#body", Vertical)
        await body.remove_children()
        questions = ASKED[name].questions if name in ASKED else ()
        self.query_one("#help").display = bool(questions)
        if questions:
            form = Form(questions, self.folder)
            await body.mount(form)
            self._fill()
            form.open()
        else:
            await body.mount(VerticalScroll(Page(id="page"), id="scroll"))
            self.query_one("#scroll").focus()
        self.asker.check(name)
        self._show()
        self.refresh_bindings()

    @on(Left)
    def take_answer(self, message: Left) -> None:
        """Keep a field's answer; on Enter go to the next field, or the next step."""
        self._give(message.field)
        form = self.query(Form)
        if message.forward and form and not form.first().after(message.field):
            self.action_next()

    @on(Checked)
    def take_check(self, message: Checked) -> None:
        """Show proposals and faults; go on if that was wanted and nothing is wrong."""
        if not self.asker.accepts(message):
            return
        self._fill()
        self._show()
        goal, self._goal = self._goal, None
        if goal is None or self.step not in ASKED:
            return
        asked = [question.key for question in ASKED[self.step].questions]
        wrong = next((key for key in asked if key in message.faults), None)
        if wrong is None:
            self.open_step(goal)
        else:
            self.query_one(Form).open(wrong)
            self.app.bell()

    @on(Fresh)
    def take_look(self, message: Fresh) -> None:
        """Show what the feed read."""
        if isinstance(message.value, Look):
            self.look = message.value
            self._show()
            self.refresh_bindings()

    @on(Broken)
    @on(Failed)
    def complain(self, message: Broken | Failed) -> None:
        """Say what did not work."""
        self.app.complain(message.error)

    @on(Written)
    def go_live(self) -> None:
        """The project is written and its dataset is being built."""
        self.open_step("check")

    @on(Exported)
    def tell_script(self, message: Exported) -> None:
        """Say where the plan stands."""
        self.notify(f"Written: {message.script}", markup=False)

    @on(Started)
    def watch_run(self, message: Started) -> None:
        """The training is submitted: watch it."""
        from tui.screens.run import RunScreen

        self.app.switch_screen(RunScreen(message.run_id))

    @on(Stepper.Chosen)
    def jump(self, message: Stepper.Chosen) -> None:
        """Open the step that was clicked."""
        if message.name in LIVE and self.look.project is None:
            self.notify("Write the project first, at the step Review.", markup=False)
        else:
            self.open_step(message.name)

    def on_descendant_focus(self) -> None:
        """Explain the field that has the cursor."""
        self._show_help()

    def on_resize(self) -> None:
        """Draw the lines for the new width."""
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that do something now."""
        del parameters
        if action in ("accept", "stop", "again", "measure", "export"):
            return self.actions.possible(action)
        if action in ("go", "copy_command"):
            return not self.query(Form)
        if action == "decide":
            return self.step == "check" and bool(self.look.findings)
        return action != "previous" or self.step != ORDER[0]

    def action_next(self) -> None:
        """Go to the next step, once this one is sound."""
        if self.query(Form):
            field = self._focused_field()
            if field is not None:
                self._give(field)
            self._goal = ORDER[ORDER.index(self.step) + 1]
            self.asker.check(self.step)
        elif self.step in ("review", "train"):
            self.action_go()
        elif self.step == "check" and self.look.dataset is None:
            self.notify("The dataset has to be built first.", markup=False)
        else:
            self.open_step(ORDER[ORDER.index(self.step) + 1])

    def action_go(self) -> None:
        """Do what the step is for; where that is done, go on."""
        if self.step == "review":
            self.actions.write()
        elif self.step == "train" or (self.step in KINDS and self.look.job(self.step) is None):
            self.actions.go()
        elif self.look.at_work(self.step) is None:
            self.action_next()

    def action_previous(self) -> None:
        """Go to the step before."""
        at = ORDER.index(self.step)
        if at:
            self.open_step(ORDER[at - 1])

    def action_leave(self) -> None:
        """Leave; the draft is kept and jobs go on."""
        field = self._focused_field()
        if field is not None:
            self._give(field)
        self.app.pop_screen()

    def action_folder(self) -> None:
        """Ask for another folder."""
        self.app.push_screen(
            Ask("The project's folder", "It is made when it is not there yet.", str(self.folder)),
            lambda text: self.open_folder(Path(text).expanduser().resolve()) if text else None,
        )

    def action_accept(self) -> None:
        """Ask why to go on although a gate says no."""
        self.app.push_screen(
            ask_why(), lambda reason: self.actions.accept(reason) if reason else None
        )

    def action_stop(self) -> None:
        """Stop the job of this step."""
        self.actions.stop()

    def action_again(self) -> None:
        """Do this step again."""
        self.actions.again()

    def action_measure(self) -> None:
        """Measure the plan's worst steps."""
        self.actions.measure()

    def action_export(self) -> None:
        """Ask where the plan goes."""
        self.app.push_screen(
            Ask(
                "The folder for the plan and its script",
                "plan.yaml, training-plan.md and train.py, which needs TRL alone.",
                str(self.folder / "plan"),
            ),
            lambda text: self.actions.export(Path(text).expanduser().resolve()) if text else None,
        )

    def action_decide(self) -> None:
        """Open the review of the suspicious rows."""
        from tui.screens.review import ReviewScreen

        self.app.push_screen(ReviewScreen(self.look.project_id))

    def action_copy_command(self) -> None:
        """Copy the command that does the same from a shell."""
        verb = _COMMANDS.get(self.step)
        self.app.copy_command(f"{verb} --project {self.folder}" if verb else f"init {self.folder}")

    def _give(self, field: Field) -> None:
        self.asker.give(field.question.key, field.answer, self.step)

    def _focused_field(self) -> Field | None:
        ancestors = self.focused.ancestors if self.focused else ()
        return next((widget for widget in ancestors if isinstance(widget, Field)), None)

    def _fill(self) -> None:
        last = self.asker.last
        for form in self.query(Form):
            if last.turn:
                form.fill(last.answers, last.faults, last.asked)

    def _show(self) -> None:
        """Draw everything but the form."""
        width, last = self.app.size.width, self.asker.last
        self.query_one("#header", Lines).show(rail.header(self.step, self.folder, last, width))
        self.query_one("#title", Lines).show(rail.title(self.step))
        self.query_one(Stepper).show(rail.stops(self.step, last.faults, self.look), self.step)
        self._show_page()
        self._show_help()

    def _show_page(self) -> None:
        step, look, folder, last = self.step, self.look, self.folder, self.asker.last
        accepted = self.actions.accepted
        for page in self.query("#page").results(Page):
            if step == "review":
                page.show(lambda width: pages.review(last.answers, last.faults, folder, width))
            elif step == "train":
                page.show(lambda width: pages.train(look, folder, width, accepted))
            elif step in pages.DRAWN:
                page.show(lambda width: pages.DRAWN[step](look, folder, width))

    def _show_help(self) -> None:
        field = self._focused_field()
        if field is None:
            return
        question = field.question
        remark = question.remark(field.answer, Context(self.folder, self.asker.last.answers))
        kind = "choice" if question.choices else question.kind
        self.query_one("#help").border_title = _HINTS.get(kind, "⏎ next field")

        def draw(width: int) -> list[Line]:
            about = wrapped(literal(remark), width, "active") if remark else []
            return [*wrapped(question.help, width), *about]

        self.query_one("#help-text", Page).show(draw)
