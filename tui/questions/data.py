"""How the examples are cleaned and split."""

from __future__ import annotations

from tui import checks, proposals
from tui.question import Context, Question, Step, fixed


def _golden(context: Context) -> str:
    return next(iter(proposals.files(context.folder, golden=True)), "")


DATA = Step(
    "data",
    "Data",
    "How the examples are cleaned and split.",
    (
        Question(
            "golden", "Golden rows",
            "A file of hard rows, checked by hand, that no training may ever read. Leave "
            "it empty when there is none.",
            "path", _golden, checks.golden, checks.about_golden,
        ),
        Question(
            "documents", "Documents",
            "Files or folders that hold what the answers rest on, by comma: text, Markdown or "
            "HTML. The trial looks answers up in them: where that is enough, no training is "
            "needed. Leave it empty when there are none.",
            "path", lambda context: ", ".join(proposals.documents(context.folder)),
            checks.documents,
        ),
        Question(
            "pii", "Personal data",
            "What to do with e-mail addresses, phone numbers and keys that are found in a row "
            "(PII: what can identify a person).",
            "choice", fixed("mask"),
            choices={
                "mask": "Replace each by a placeholder such as <EMAIL_1>; the row stays.",
                "pseudonymise": "Replace each by an invented one of the same form.",
                "drop": "Leave such rows out.",
                "keep": "Train on them as they are: the model may repeat them to anyone.",
            },
        ),
        Question(
            "fix", "Mend rows",
            "Mend what needs no question, such as roles out of order or control characters, "
            "rather than leave such rows out. The files stay as they are.",
            "choice", lambda context: "true" if context.sample.mendable else "false",
            choices={"true": "Mend them; each is told.", "false": "Leave them out; each is told."},
        ),
        Question(
            "test", "Test split",
            "The share of rows held out for the verdict; the training never sees them.",
            "number", fixed("0.15"), checks.held_out,
        ),
        Question(
            "validation", "Validation",
            "The share of rows held out for the advice and for watching the training.",
            "number", fixed("0.1"), checks.held_out,
        ),
    ),
)  # fmt: skip
