"""The documents keep their promises: examples parse, links resolve, stages and verbs are covered."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import click
import pytest

from engine.base.project import DataSettings
from engine.data.divide.edges import EDGES
from engine.data.findings import KINDS
from tui.cli import VERBS, cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def _examples():
    for page in PAGES:
        for block in re.findall(r"```\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.splitlines():
                if re.match(r"(\.venv/bin/)?tunesmith( |$)", line) and page.name != "commands.md":
                    yield pytest.param(line, id=f"{page.name}: {line[:50]}")


@pytest.mark.parametrize("line", list(_examples()))
def test_every_example_is_a_command_the_program_takes(line):
    words = shlex.split(line, comments=True)[1:]
    command, context = cli, None
    while words and isinstance(command, click.Group):
        context = command.make_context("tunesmith", list(words), context, resilient_parsing=True)
        words = (
            [*context._protected_args, *context.args]
            if hasattr(context, "_protected_args")
            else context.args
        )
        if not words:
            return
        _, command, words = command.resolve_command(context, list(words))
    command.make_context("verb", list(words), context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_resolves(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_verb_has_its_section():
    text = (ROOT / "docs" / "commands.md").read_text()
    assert all(f"## tunesmith {verb}\n" in text for verb in VERBS)


def test_no_page_holds_a_path_of_one_machine():
    for page in [*PAGES, *(ROOT / "docs").rglob("*.svg")]:
        assert not re.search(r"/(work|tmp|root|home)/[a-z]", page.read_text()), page


def test_every_setting_of_the_data_and_every_finding_is_explained():
    page = (ROOT / "docs" / "data.md").read_text()
    for setting in fields(DataSettings):
        assert f"`{setting.name}`" in page, setting.name
    for kind in [*KINDS, *EDGES]:
        assert kind in page, kind
