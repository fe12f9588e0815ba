"""Every key of the interface, as data: bindings, the line of keys and the help are made from it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True)
class Key:
    """One action and its keys.

    Attributes:
        keys: The keys, as Textual names them; the first one is shown.
        action: The action, without `action_`.
        label: One word for the line of keys; empty keeps it out of that line.
        help: What it does, as the help screen says it.
        shown: How the key is written, where its name would not do.
    """

    keys: str
    action: str
    label: str
    help: str
    shown: str = ""


APP = (
    Key("question_mark,f1", "help", "Help", "Show the keys of this screen", "?"),
    Key("ctrl+p", "command_palette", "", "Search every command, change the colours", "^p"),
)
_BACK = Key("escape", "back", "Back", "Go back; nothing stops", "esc")
_COPY = Key("y", "copy_command", "Copy", "Copy the command that does the same from a shell")

# The name of a screen -> its keys, in the order of the line of keys.
KEYS: dict[str, tuple[Key, ...]] = {
    "home": (
        Key("enter", "open", "Open", "Watch the selected run", "⏎"),
        Key("n", "new", "New run", "Start from a file of examples, step by step"),
        Key("e", "results", "Results", "Compare the tuned model with the base"),
        Key("x", "export", "Export", "Make files that llama.cpp and Ollama can load"),
        Key("r", "review", "", "Decide about the rows that the last data build suspects"),
        Key("slash", "filter", "Filter", "Find runs by name, model, method or state", "/"),
        _COPY,
        Key("down,j", "move(1)", "", "One row down", "↓ j"),
        Key("up,k", "move(-1)", "", "One row up", "↑ k"),
        Key("pagedown,ctrl+d", "page(1)", "", "One page down", "PgDn"),
        Key("pageup,ctrl+u", "page(-1)", "", "One page up", "PgUp"),
        Key("home,g", "end(-1)", "", "The newest run", "g"),
        Key("end,G", "end(1)", "", "The oldest run", "G"),
        Key("K", "in_line('up')", "", "The selected run's job goes one place up in line", "K"),
        Key("J", "in_line('down')", "", "The selected run's job goes one place down in line", "J"),
        Key("escape", "clear_filter", "Show all", "Leave the filter, show all runs", "esc"),
        Key("q", "app.quit", "Quit", "Close the interface; jobs go on"),
    ),
    "run": (
        Key("s", "stop", "Stop", "Stop the training; the last step is saved"),
        Key("p", "pause", "Pause", "Save at the next step and free the device; r goes on"),
        Key("c", "checkpoint", "Checkpoint", "Save a checkpoint at the next step"),
        Key("r", "resume", "Resume", "Go on from the last checkpoint"),
        Key("a", "answers", "Answers", "Read what the model answered to a few rows as it trained"),
        Key("e", "results", "Results", "Compare the tuned model with the base"),
        Key("x", "export", "Export", "Make files that llama.cpp and Ollama can load"),
        _COPY,
        Key("l", "log_scale", "Log", "Draw the loss on a logarithmic scale"),
        Key("up,k", "scroll(-1)", "", "Read the log upwards", "↑ k"),
        Key("down,j", "scroll(1)", "", "Read the log downwards", "↓ j"),
        _BACK,
    ),
    "answers": (
        Key("space", "read", "Read on", "Read on in a long row, then from its beginning", "space"),
        Key("down,j,n", "move(1)", "Next row", "One row down", "↓ j n"),
        Key("up,k,p", "move(-1)", "", "One row up", "↑ k p"),
        Key("pagedown,ctrl+d", "page(1)", "", "One page down", "PgDn"),
        Key("pageup,ctrl+u", "page(-1)", "", "One page up", "PgUp"),
        _COPY,
        _BACK,
    ),
    "wizard": (
        Key("enter", "go", "Go on", "Do what this step is for, and go on", "⏎"),
        Key(
            "ctrl+n,f3",
            "next",
            "Next",
            "Go to the next step, once this one is sound",
            "^n",
        ),
        Key("ctrl+b,f2", "previous", "Back", "Go to the step before", "^b"),
        Key("ctrl+o", "folder", "Folder", "Make the project in another folder", "^o"),
        Key("a", "accept", "Accept", "Go on although a gate says no; asks for the reason"),
        Key("s", "stop", "Stop", "Stop the job of this step"),
        Key("r", "again", "Run again", "Do this step again"),
        Key("d", "decide", "Decide", "Decide about the rows that the build suspects"),
        Key("m", "measure", "Measure", "Step the worst batch for real, and change what is too big"),
        Key("x", "export", "Export", "Write the plan as YAML and as a script without Tunesmith"),
        _COPY,
        Key("escape", "leave", "Save, leave", "Leave; the draft is kept and jobs go on", "esc"),
    ),
    "score": (
        Key("e", "evaluate", "Evaluate", "Evaluate this run against the base on the held-out rows"),
        Key("enter", "expand", "Rows", "Give the rows the whole screen, or the figures back", "⏎"),
        Key("f", "filter", "Filter", "Show other rows: all that changed, fixed, broken"),
        Key("a", "accept", "Accept", "Go on although the verdict gate says no; asks why"),
        Key("x", "export", "Export", "Make files that llama.cpp and Ollama can load"),
        _COPY,
        Key("down,j", "move(1)", "", "One row down", "↓ j"),
        Key("up,k", "move(-1)", "", "One row up", "↑ k"),
        Key("pagedown,ctrl+d", "page(1)", "", "One page down", "PgDn"),
        Key("pageup,ctrl+u", "page(-1)", "", "One page up", "PgUp"),
        _BACK,
    ),
    "review": (
        Key("a", "decide('accept')", "Accept", "Keep the row as it was read; go to the next"),
        Key("e", "edit", "Edit", "Change the message or the answer"),
        Key("r", "decide('reject')", "Reject", "Leave the row out; go to the next"),
        Key("c", "cannot_tell", "", "Reject, with the note that you cannot tell; go to the next"),
        Key("l", "relabel", "Label", "Give another answer or scenario"),
        Key("u", "undo", "Undo", "Take your last decision back"),
        Key("s", "settle", "", "End the dispute: what you decided holds"),
        Key("f", "filter", "Kind", "Show other rows: all, not yet decided, disputed, each kind"),
        _COPY,
        Key("down,j,n", "move(1)", "", "One row down", "↓ j n"),
        Key("up,k,p", "move(-1)", "", "One row up", "↑ k p"),
        Key("pagedown,ctrl+d", "page(1)", "", "One page down", "PgDn"),
        Key("pageup,ctrl+u", "page(-1)", "", "One page up", "PgUp"),
        Key("home,g", "first", "", "The most suspicious row", "g"),
        Key("space", "read", "", "Read on in a long row, then from its beginning", "space"),
        _BACK,
    ),
    "amend": (
        Key("ctrl+s", "save", "Save", "Save the decision and go to the next row", "^s"),
        Key("escape", "back", "Cancel", "Change nothing", "esc"),
    ),
    "ship": (
        Key("x", "export", "Export", "Merge, convert to GGUF and prove each file equal"),
        Key("a", "accept", "Accept", "Go on although the parity gate says no; asks why"),
        Key("p", "copy_path", "Copy path", "Copy the path of the selected file"),
        _COPY,
        Key("down,j", "move(1)", "", "One row down", "↓ j"),
        Key("up,k", "move(-1)", "", "One row up", "↑ k"),
        _BACK,
    ),
    "help": (Key("escape,q,question_mark,f1", "back", "Back", "Close the help", "esc"),),
    "confirm": (
        Key("y", "answer(True)", "Yes", "Yes, do it"),
        Key("n,escape", "answer(False)", "No", "No, leave it", "n"),
    ),
}


def bindings(screen: str) -> list[BindingType]:
    """Return the Textual bindings of a screen (`app` for those that hold everywhere)."""
    return [
        Binding(
            key.keys,
            key.action,
            key.label or key.help,
            show=bool(key.label),
            key_display=key.shown or None,
            tooltip=key.help,
            id=f"{screen}.{key.action}",
        )
        for key in (APP if screen == "app" else KEYS[screen])
    ]
