"""`tunesmith doctor`: what this box can do."""

from __future__ import annotations

from dataclasses import asdict

import click

from engine.base import paths
from engine.base.doctor.box import checks
from tui import output
from tui.verbs.options import as_json


@click.command("doctor", epilog="Example: tunesmith doctor --json")
@click.option("--disk-speed", is_flag=True, help="Measure how fast the disk writes (one second).")
@as_json
@click.pass_context
def doctor_verb(ctx: click.Context, disk_speed: bool, as_json: bool) -> None:
    """Check this box; each problem with the command that mends it."""
    found = checks(paths.workspace(ctx.find_root().obj), disk_speed=disk_speed)
    if as_json:
        output.emit({"checks": [asdict(check) for check in found]})
    else:
        for check in found:
            output.say(f"{output.MARKS[check.result]} {check.name}: {check.what}")
            if check.fix and check.result != "pass":
                output.say(f"    → {check.fix}")
    if any(check.result == "fail" for check in found):
        ctx.exit(1)
