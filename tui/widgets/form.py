"""A step's questions as fields: a text, a paragraph, a path, or a choice on one line."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, TextArea

from tui.question import Question
from tui.widgets.canvas import Line, Lines
from tui.widgets.inputs import Choice, Paragraph, Paths
from tui.widgets.page import Page, wrapped
from tui.words import literal


class Left(Message):
    """A field's answer is complete: Enter was pressed, or the field was left."""

    def __init__(self, field: Field, *, forward: bool) -> None:
        super().__init__()
        self.field = field
        self.forward = forward


class Field(Vertical):
    """One question: its name, its answer, and what is wrong with it.

    Args:
        question: The question.
        folder: The project's folder, in which relative paths lie.
    """

    def __init__(self, question: Question, folder: Path) -> None:
        super().__init__(id=f"field-{question.key}", classes=f"-{question.kind}")
        self.question = question
        self._folder = folder
        self._proposal = ""
        self.touched = False

    def compose(self) -> ComposeResult:
        """Lay the field out."""
        with Horizontal():
            yield Lines([self._label(focused=False)], classes="label")
            yield self._control()
        yield Page(classes="fault")

    @property
    def control(self) -> Input | Paragraph | Choice:
        """The widget that takes the answer."""
        found = self.query_one(".control")
        assert isinstance(found, Input | Paragraph | Choice)
        return found

    @property
    def answer(self) -> str:
        """The answer as it stands."""
        control = self.control
        return control.text if isinstance(control, Paragraph) else control.value

    def fill(self, answer: str, fault: str) -> None:
        """Show an answer and its fault; what is being typed stays."""
        control = self.control
        if answer != self.answer and not (control.has_focus and self.touched):
            if isinstance(control, Paragraph):
                control.load_text(answer)
            elif isinstance(control, Choice):
                control.choose(answer)
            else:
                with control.prevent(Input.Changed):
                    control.value = answer
                control.cursor_position = len(answer)
        self._proposal = self.answer
        note = self.query_one(Page)
        note.show(lambda width: wrapped(f"✗ {literal(fault)}", width, "bad", indent=2))
        note.display = bool(fault)

    def on_descendant_focus(self) -> None:
        """Mark the field."""
        self.touched = False
        self._proposal = self.answer
        self.query_one(".label", Lines).show(self._label(focused=True))

    def on_descendant_blur(self) -> None:
        """Take the mark away; the answer is complete."""
        self.query_one(".label", Lines).show(self._label(focused=False))
        self.post_message(Left(self, forward=False))

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _change(self) -> None:
        self.touched = self.answer != self._proposal

    @on(Choice.Turned)
    def _turn(self) -> None:
        self.post_message(Left(self, forward=False))

    @on(Input.Submitted)
    @on(Paragraph.Done)
    @on(Choice.Done)
    def _done(self) -> None:
        self.post_message(Left(self, forward=True))

    def _label(self, *, focused: bool) -> Line:
        name = self.question.text
        return [("▸ ", "accent"), (name, "strong")] if focused else [("  ", ""), (name, "quiet")]

    def _control(self) -> Widget:
        if self.question.choices:
            widget: Widget = Choice(tuple(self.question.choices))
        elif self.question.kind == "paragraph":
            widget = Paragraph(compact=True, show_line_numbers=False, highlight_cursor_line=False)
        else:
            suggester = Paths(self._folder) if self.question.kind == "path" else None
            widget = Input(compact=True, suggester=suggester, select_on_focus=False)
        widget.add_class("control")
        return widget


class Form(VerticalScroll, can_focus=False):
    """The questions of one step, one below the other.

    Args:
        questions: The questions.
        folder: The project's folder.
    """

    DEFAULT_CSS = """
    Form {
        padding: 0 1; scrollbar-size-vertical: 1;
        scrollbar-background: $background; scrollbar-color: $faint;
    }
    Form Field { height: auto; margin-bottom: 1; }
    Form Field Horizontal { height: auto; }
    Form .label { width: 16; height: 1; }
    Form .fault { margin-left: 16; display: none; }
    Form .control { width: 1fr; }
    Form Input.-textual-compact, Form Paragraph {
        background: $surface; border: none !important; padding: 0 1 !important;
    }
    Form Input:focus, Form Paragraph:focus { background: $cursor; }
    Form Field.-number Input { max-width: 12; }
    Form Paragraph { height: auto; max-height: 8; }
    Form Choice { height: 1; }
    """

    BINDINGS = [  # noqa: RUF012 - Textual's own form
        Binding("down", "app.focus_next", "Next field", show=False, tooltip="The next field"),
        Binding("up", "app.focus_previous", "Field before", show=False, tooltip="The field before"),
    ]

    def __init__(self, questions: tuple[Question, ...], folder: Path) -> None:
        super().__init__()
        self._questions = questions
        self._folder = folder

    def compose(self) -> ComposeResult:
        """Lay the fields out."""
        for question in self._questions:
            yield Field(question, self._folder)

    @property
    def fields(self) -> list[Field]:
        """The fields that are asked."""
        return [field for field in self.query(Field) if field.display]

    def fill(
        self, answers: Mapping[str, str], faults: Mapping[str, str], asked: AbstractSet[str]
    ) -> None:
        """Show answers and faults; questions that do not apply are hidden."""
        for field in self.query(Field):
            key = field.question.key
            field.display = key in asked
            field.fill(answers.get(key, ""), faults.get(key, ""))

    def open(self, key: str | None = None) -> None:
        """Put the cursor into a field: the one named, or the first."""
        fields = self.fields
        chosen = next((field for field in fields if field.question.key == key), None)
        if fields:
            (chosen or fields[0]).control.focus()

    def after(self, field: Field) -> bool:
        """Go to the field after this one; return False at the last one."""
        fields = self.fields
        at = fields.index(field) + 1 if field in fields else len(fields)
        if at < len(fields):
            fields[at].control.focus()
        return at < len(fields)
