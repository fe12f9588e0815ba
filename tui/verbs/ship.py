"""`tunesmith export`, `chat` and `report`: from a run to something that answers."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tui import output
from tui.verbs.options import (
    accept,
    after_option,
    as_json,
    open_store,
    priority_option,
    turn_of,
)
from tui.verbs.results import print_artifacts, submit_for_run


@click.command("export", epilog="Example: tunesmith export 1 --to F16,Q8_0")
@click.argument("run")
@click.option("--to", "types", help="Types, by comma: F16,Q8_0,Q6_K,Q4_K_M; else the project's.")
@priority_option
@after_option
@accept
@as_json
def export_verb(
    run: str,
    types: str | None,
    priority: int,
    after: tuple[int, ...],
    accept: str,
    as_json: bool,
) -> None:
    """Merge, convert to GGUF and prove each file equal to what was trained."""
    from engine.ship.history import artifacts, resolve_run

    store = open_store()
    run_id = resolve_run(store, run)
    wanted = {"types": [name.strip() for name in types.split(",")]} if types else {}
    turn = turn_of(store, priority, after)
    submit_for_run(store, "export", run_id, {"accept": accept, **wanted}, turn, as_json=as_json)
    if not as_json:
        print_artifacts(artifacts(store, run_id))


@click.command("chat", epilog='Example: tunesmith chat 1 "Where is my parcel? Order 48213"')
@click.argument("target")
@click.argument("message", required=False)
@as_json
def chat_verb(target: str, message: str | None, as_json: bool) -> None:
    """Ask a run, an artifact (a3) or a .gguf; without MESSAGE, line by line until Ctrl-D."""
    from engine.ship.chat import open_chat

    chat = open_chat(open_store(), target)
    if message is not None:
        reply = chat.reply(message)
        if as_json:
            output.emit({"artifact": str(chat.path), "message": message, "reply": reply})
        else:
            output.say(reply)
        return
    output.note(f"{chat.path.name}. One message a line; Ctrl-D ends.")
    for line in sys.stdin:
        if text := line.strip():
            output.say(chat.reply(text))


@click.command("report", epilog="Example: tunesmith report 1")
@click.argument("run")
@as_json
def report_verb(run: str, as_json: bool) -> None:
    """Write the run's report anew and print where it is."""
    from engine.ship.history import resolve_run
    from engine.ship.report import write

    store = open_store()
    path: Path = write(store, resolve_run(store, run))
    if as_json:
        output.emit({"path": str(path)})
    else:
        output.say(str(path))
