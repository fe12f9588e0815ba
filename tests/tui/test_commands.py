"""The command line as a user meets it: help, faults, exit codes, and the page that documents it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from engine.base import jobs
from tui.cli import VERBS, cli

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "commands.md"


def _commands(command=cli, path=("tunesmith",), parent=None):
    context = command.make_context(
        path[-1], [], parent, resilient_parsing=True, terminal_width=88, max_content_width=88
    )
    yield path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from _commands(command.get_command(context, name), (*path, name), context)


def _page():
    parts = ["# Commands\n", "Written by `UPDATE_DOCS=1 make test` from the program itself.\n"]
    for path, command, context in _commands():
        parts.append(f"## {' '.join(path)}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def test_the_page_of_commands_is_what_the_program_says():
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(_page())
    assert PAGE.read_text() == _page()


@pytest.mark.parametrize("path", [p for p, c, _ in _commands() if not isinstance(c, click.Group)])
def test_every_verb_has_an_example_and_json(path):
    command = cli
    for name in path[1:]:
        command = command.get_command(click.Context(command), name)
    assert "tunesmith" in (command.epilog or "")
    assert any("--json" in option.opts for option in command.params)


def test_an_unknown_verb_names_the_nearest(cli_run):
    done = cli_run("trian")
    assert done.returncode == 2
    assert "did you mean train?" in done.stderr


def test_a_missing_project_is_one_sentence(cli_run, tmp_path):
    done = cli_run("plan", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "tunesmith init" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_is_json_and_narration_stays_off_it(cli_run, tmp_path):
    for verb in ("runs", "jobs"):
        done = cli_run("--workspace", str(tmp_path), verb, "--json")
        assert json.loads(done.stdout) == []
        assert done.stderr == ""


def test_doctor_tells_what_this_box_can_do_without_a_traceback(cli_run, tmp_path):
    done = cli_run("--workspace", str(tmp_path), "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["torch"]["result"] == "pass"
    assert checks["GPU"]["what"]
    assert "Traceback" not in done.stderr


def test_without_a_terminal_the_full_screen_is_refused_in_plain_text(cli_run, tmp_path):
    done = cli_run("--workspace", str(tmp_path))
    assert done.returncode == 2
    assert "\x1b" not in done.stdout + done.stderr


def test_light_verbs_load_nothing_heavy(tmp_path):
    code = (
        "import sys; sys.argv = ['tunesmith', '--workspace', sys.argv[1], 'runs'];"
        "from tui.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print({'torch','transformers','datasets','numpy','pandas','textual'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_every_verb_is_in_the_list():
    assert set(VERBS) == {path[1] for path, _, _ in _commands() if len(path) > 1}


@pytest.fixture
def cli_run(tmp_path):
    def run(*arguments, cwd=tmp_path):
        return subprocess.run(
            [sys.executable, "-P", "-m", "tui.cli", *arguments],
            capture_output=True,
            text=True,
            cwd=cwd,
            timeout=60,
            check=False,
        )

    return run


def test_a_lost_job_stands_in_the_list_with_its_way_out(workspace, cli_run):
    job = workspace.insert(
        "jobs",
        {
            "kind": "train",
            "state": "running",
            "pid": 2**22 + 1,
            "pid_started": 1.0,
            "created": time.time(),
        },
    )
    log = jobs.log_file(workspace, job)
    log.parent.mkdir()
    log.write_text("std::bad_alloc")
    done = cli_run("--workspace", str(workspace.workspace), "jobs")
    assert done.returncode == 0
    assert "want of memory" in done.stdout
    assert f"tunesmith resume {job}`, or train with less: `--set micro_batch=1`." in done.stdout
