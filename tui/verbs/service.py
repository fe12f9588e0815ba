"""`tunesmith service`: lost jobs go on when you log in, or when the box starts."""

from __future__ import annotations

import click

from engine.base.errors import TunesmithError
from tui import output
from tui.verbs.options import as_json, open_store

_LINGER = (
    "It runs when you log in, and what it starts ends when you log out. To have it run when the "
    "box starts, and go on without you: `loginctl enable-linger`."
)


@click.group("service")
def service_verb() -> None:
    """Go on with lost jobs after a restart of the box, by systemd or cron."""


@service_verb.command("install", epilog="Example: tunesmith service install")
@as_json
def install(as_json: bool) -> None:
    """Have this workspace's lost jobs resumed when you log in."""
    from engine.base import service

    workspace = open_store().workspace
    if not service.available():
        raise TunesmithError(
            "There is no systemd on this box, so nothing was installed.",
            f"Add this line with `crontab -e` instead:\n{service.crontab(workspace)}",
        )
    path = service.install(workspace)
    if as_json:
        output.emit({"unit": str(path), "installed": True})
        return
    output.say(f"  Installed: {path}")
    output.say(f"  {_LINGER}")


@service_verb.command("remove", epilog="Example: tunesmith service remove")
@as_json
def remove(as_json: bool) -> None:
    """Take the unit away; jobs at work go on."""
    from engine.base import service

    workspace = open_store().workspace
    there = service.remove(workspace)
    if as_json:
        output.emit({"unit": str(service.unit_file(workspace)), "installed": False})
    else:
        output.say("  Removed." if there else "  It was not installed.")


@service_verb.command("show", epilog="Example: tunesmith service show")
@as_json
def show(as_json: bool) -> None:
    """Print the unit, whether it is installed, and the line of crontab that does the same."""
    from engine.base import service

    workspace = open_store().workspace
    path, there = service.unit_file(workspace), service.installed(workspace)
    text, line = service.unit(workspace), service.crontab(workspace)
    if as_json:
        output.emit({"unit": str(path), "installed": there, "text": text, "crontab": line})
        return
    output.say(f"# {path}: {'installed' if there else 'not installed'}")
    output.say(text)
    output.say(f"# {_LINGER}")
    output.say("# Without systemd, a line for `crontab -e`, which runs when the box starts:")
    output.say(line)
