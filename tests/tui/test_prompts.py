"""`tunesmith init`: prompts and answers files write the same project as the screen."""

from __future__ import annotations

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from engine.base import paths, project
from engine.base.errors import UsageError
from tui import drafts, prompts, steps
from tui.question import Context

ENTER = "\r"


@pytest.fixture
def folder(tmp_path):
    """A new folder with the demo's example files."""
    folder = tmp_path / "desk"
    folder.mkdir()
    for file in (paths.recipes() / "demo").glob("*.jsonl"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Walk the prompts with what a person types; returns the path of project.yaml."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def walk(folder, text):
        with create_pipe_input() as keyboard, create_app_session(keyboard, DummyOutput()):
            keyboard.send_text(text)
            return prompts.init(folder, None, tmp_path / "workspace")

    return walk


def answers(tmp_path, text):
    path = tmp_path / "answers.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_enter_at_every_prompt_is_the_project_of_an_empty_answers_file(folder, tmp_path, typed):
    by_prompts = typed(folder, ENTER * 30).read_bytes()
    (folder / "project.yaml").unlink()
    assert prompts.init(folder, answers(tmp_path, "{}")).read_bytes() == by_prompts
    assert project.load(folder).objective.fields == ("intent", "order", "urgent")


def test_what_is_typed_is_what_the_file_would_say(folder, tmp_path, typed):
    down, wipe = "\x1b[B", "\x15"
    keys = {
        "name": f"{wipe}tickets{ENTER}",
        "threshold": f"{wipe}90 %{ENTER}",
        "pii": down + down + ENTER,
    }
    context = Context(folder, steps.complete({}, folder))
    asked = [key for key, question in steps.QUESTIONS.items() if question.applies(context)]
    walked = "".join(keys.get(key, ENTER) for key in asked)
    by_prompts = typed(folder, walked + ENTER).read_bytes()
    (folder / "project.yaml").unlink()
    given = answers(tmp_path, "name: tickets\nthreshold: 0.9\npii: drop\n")
    assert prompts.init(folder, given).read_bytes() == by_prompts
    made = project.load(folder)
    assert (made.name, made.objective.threshold, made.data.pii) == ("tickets", 0.9, "drop")


def test_an_answers_file_takes_lists_numbers_and_mappings(folder, tmp_path):
    given = (
        "fields: [intent, urgent]\nsettings: {epochs: 2, lora_rank: 8}\nexports: [Q8_0]\nseed: 7"
    )
    prompts.init(folder, answers(tmp_path, given))
    made = project.load(folder)
    assert made.objective.fields == ("intent", "urgent")
    assert made.settings == {"epochs": 2.0, "lora_rank": 8}
    assert (made.exports, made.seed) == (("Q8_0",), 7)


def test_an_unknown_answer_names_the_nearest_known_one(folder, tmp_path):
    with pytest.raises(UsageError, match=r"unknown answer treshold \(did you mean threshold\?\)"):
        prompts.init(folder, answers(tmp_path, "treshold: 0.5"))
    assert not (folder / "project.yaml").exists()


def test_wrong_answers_are_all_named_at_once(folder, tmp_path):
    with pytest.raises(UsageError) as caught:
        prompts.init(folder, answers(tmp_path, "sources: none.jsonl\nthreshold: 7\n"))
    assert "sources: There is no file none.jsonl" in caught.value.what
    assert "threshold: Give a share" in caught.value.what


def test_another_project_is_never_replaced_unattended(folder, tmp_path):
    path = prompts.init(folder, answers(tmp_path, "name: first"))
    before = path.read_bytes()
    with pytest.raises(UsageError, match="another project here already"):
        prompts.init(folder, answers(tmp_path, "name: second"))
    assert path.read_bytes() == before
    assert prompts.init(folder, answers(tmp_path, "name: first")).read_bytes() == before


def test_example_files_stay_where_they_are(folder, tmp_path):
    before = {file.name for file in folder.iterdir()}
    prompts.init(folder, answers(tmp_path, "{}"))
    assert {file.name for file in folder.iterdir()} == before | {"project.yaml"}


def test_leaving_half_way_keeps_what_was_answered(folder, tmp_path, typed):
    control_c, wipe = "\x03", "\x15"
    with pytest.raises(KeyboardInterrupt):
        typed(folder, f"{wipe}tickets{ENTER}{ENTER}{control_c}")
    assert drafts.load(tmp_path / "workspace", folder).given == {"name": "tickets"}
    typed(folder, ENTER * 30)
    assert project.load(folder).name == "tickets"


def test_without_a_terminal_it_points_to_the_answers_file(folder, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(UsageError, match="--answers FILE"):
        prompts.init(folder, None)
