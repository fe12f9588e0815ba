"""`tunesmith`: every verb of the command line, and the full-screen app without one.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 a gate said no, 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from engine.base import paths
from engine.base.errors import TunesmithError
from tui import output

# verb -> the module that holds it, imported when the verb is called
VERBS = {
    "demo": "journey",
    "init": "journey",
    "objective": "objective",
    "doctor": "box",
    "models": "models",
    "recipes": "recipes",
    "fits": "fits",
    "data": "data",
    "advise": "plan",
    "plan": "plan",
    "rates": "rates",
    "train": "run",
    "sweep": "sweep",
    "launch": "launch",
    "fetch": "launch",
    "jobs": "jobs",
    "watch": "jobs",
    "log": "jobs",
    "stop": "jobs",
    "checkpoint": "jobs",
    "pause": "queue",
    "resume": "jobs",
    "move": "queue",
    "service": "service",
    "rerun": "run",
    "runs": "results",
    "show": "results",
    "eval": "results",
    "export": "ship",
    "chat": "ship",
    "report": "ship",
}


class Verbs(click.Group):
    """A click group that imports a verb's module when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in the order of the journey."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"tui.verbs.{VERBS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_verb")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb when one is unknown."""
        from engine.base.settings import nearest_name

        if args and args[0] not in VERBS and not args[0].startswith("-"):
            hint = nearest_name(args[0], list(VERBS))
            ctx.fail(
                f"There is no verb {output.one_line(args[0], 40)}{hint}. See `tunesmith --help`."
            )
        return super().resolve_command(ctx, args)


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: tunesmith demo",
)
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of runs.db. Else $TUNESMITH_WORKSPACE, the nearest runs.db, the data folder.",
)
@click.version_option(package_name="tunesmith")
@click.pass_context
def cli(ctx: click.Context, workspace: Path | None) -> None:
    """Turn an open LLM into one that does your job, and know whether it does.

    Without a verb it opens the full-screen app.
    """
    ctx.obj = workspace
    if ctx.invoked_subcommand is None:
        from tui.app import run

        ctx.exit(run(paths.workspace(workspace)))


def main() -> None:
    """Run the command line; every fault of the user's ends in one sentence and an exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except TunesmithError as error:
        output.note(f"✗ {error}")
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        output.note("Interrupted.")
        code = 130
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
