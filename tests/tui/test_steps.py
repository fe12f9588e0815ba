"""The questions propose a sound project from a folder of examples, and check every answer."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from engine.base import paths, project
from engine.base.errors import UsageError
from tui import described, drafts, proposals, steps
from tui.drafts import Draft
from tui.question import Context


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    """A folder with JSON answers: a label, free text that may be absent, and a truth value."""
    answers = [
        {"intent": ("refund", "login", "parcel")[at % 3], "order": order, "urgent": at % 2 == 0}
        for at, order in enumerate(["12345", None, *(f"54{at:03}" for at in range(28))])
    ]
    rows = [{"prompt": f"m{at}", "completion": json.dumps(a)} for at, a in enumerate(answers)]
    folder = tmp_path / "My Desk"
    folder.mkdir()
    write(folder / "tickets.jsonl", rows)
    return folder


def test_enter_alone_gives_a_sound_project(folder):
    answers = steps.complete({}, folder)
    assert steps.faults(answers, folder) == {}
    made = described.to_project(answers)
    assert made.name == "my-desk"
    assert made.data.sources == ("tickets.jsonl",)
    assert made.objective.fields == ("intent", "order", "urgent")
    assert made.objective.task == "extraction"
    assert made.base_model == "smollm2-135m-instruct"


def test_the_base_prompt_lists_the_labels_that_the_rows_hold(folder):
    prompt = steps.complete({}, folder)["prompt"]
    assert '"intent" is one of login, parcel, refund' in prompt
    assert '"order" is text such as "12345", or null when there is none' in prompt
    assert '"urgent" is true or false' in prompt


def test_a_folder_without_examples_says_what_is_missing(tmp_path):
    faults = steps.faults(steps.complete({}, tmp_path), tmp_path)
    assert "JSONL" in faults["sources"]


def test_text_answers_of_few_kinds_are_a_classification_and_need_no_keys(tmp_path):
    rows = [{"prompt": f"m{at}", "completion": ("spam", "ham")[at % 2]} for at in range(30)]
    write(tmp_path / "mail.jsonl", rows)
    answers = steps.complete({}, tmp_path)
    assert (answers["task"], answers["output"]) == ("classification", "text")
    assert steps.faults(answers, tmp_path) == {}
    assert "ham, spam" in answers["prompt"]
    assert described.to_project(answers).objective.fields == ()


def test_a_golden_file_is_proposed_as_golden_and_never_as_examples(folder):
    write(folder / "golden.jsonl", [{"prompt": "x", "completion": "{}"}])
    answers = steps.complete({}, folder)
    assert (answers["sources"], answers["golden"]) == ("tickets.jsonl", "golden.jsonl")
    clash = steps.complete({"golden": "tickets.jsonl"}, folder)
    assert "no training may read them" in steps.faults(clash, folder)["golden"]


def test_proposals_follow_the_answers_before_them_until_they_are_given(folder):
    write(folder / "mail.jsonl", [{"prompt": "a", "completion": '{"tone": "kind"}'}] * 5)
    assert steps.complete({"sources": "mail.jsonl"}, folder)["fields"] == "tone"
    given = {"sources": "mail.jsonl", "fields": "tone, topic"}
    assert "topic" in steps.complete(given, folder)["prompt"]


@pytest.mark.parametrize(
    ("key", "answer", "says"),
    [
        ("name", "-x", "letters"),
        ("sources", "nothing.jsonl", "There is no file nothing.jsonl"),
        ("task", "extractoin", "did you mean extraction?"),
        ("fields", "a, a", "twice"),
        ("instruction", "  ", "needs an answer"),
        ("threshold", "0", "above 0"),
        ("threshold", "many", "above 0"),
        ("minimum_effect", "120 %", "from 0 to 1"),
        ("test", "0.5", "below one half"),
        ("base_model", "smollm2-135m-instruckt", "did you mean smollm2-135m-instruct?"),
        ("base_model", "./no-such-folder", "There is no folder"),
        ("settings", "epoch=2", "did you mean epochs?"),
        ("settings", "epochs", "no value"),
        ("seed", "-1", "whole number"),
        ("exports", "Q9", "is not among"),
        ("sources", "a" * 5000, "There is no file"),
        ("golden", "\0", "There is no file"),
    ],
)
def test_an_answer_that_will_not_do_is_named_with_the_way_out(folder, key, answer, says):
    faults = steps.faults(steps.complete({key: answer}, folder), folder)
    assert says in faults[key]


def test_shares_may_be_written_as_per_cent(folder):
    made = described.to_project(steps.complete({"threshold": "85 %"}, folder))
    assert made.objective.threshold == 0.85


def test_a_project_becomes_answers_and_the_same_project_again(folder):
    given = {
        "settings": "epochs=2, lora_dropout=0.1",
        "pii": "drop",
        "exports": "Q8_0",
        "seed": "7",
    }
    made = described.to_project(steps.complete(given, folder))
    assert described.to_project(described.from_project(made)) == made
    project.save(made, folder)
    assert project.load(folder) == made


def test_wrong_answers_never_become_a_project(folder):
    with pytest.raises(UsageError, match="task must be one of"):
        described.to_project(steps.complete({"task": "magic"}, folder))


def test_rows_that_are_no_rows_are_passed_over_when_looking(tmp_path):
    path = tmp_path / "x.jsonl"
    good = b'{"prompt": "a", "completion": "yes"}\n'
    path.write_bytes(b'not json \xff\n[1]\n{"prompt": "a"}\n' + good)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert proposals.sample([path, tmp_path / "none.jsonl", empty]).rows == 1


def test_columns_that_are_called_otherwise_are_proposed_and_can_be_corrected(tmp_path):
    lines = [f"q{at}?,a{at},{('x', 'y')[at % 2]}" for at in range(30)]
    (tmp_path / "faq.csv").write_text("\n".join(["Frage,Antwort,topic", *lines]), encoding="utf-8")
    answers = steps.complete({}, tmp_path)
    assert answers["sources"] == "faq.csv"
    assert "prompt=Frage" in answers["columns"]
    made = described.to_project(answers)
    assert made.data.mapping["faq.csv"].completion == "Antwort"
    given = {"columns": "prompt=Antwort, completion=Frage, scenario=topic"}
    made = described.to_project(steps.complete(given, tmp_path))
    assert made.data.mapping["faq.csv"].scenario == "topic"
    assert described.from_project(made)["columns"] == given["columns"]
    assert steps.faults(steps.complete({"columns": "promt=x"}, tmp_path), tmp_path)["columns"]


def test_what_no_question_asks_stays_when_a_project_is_answered_again(folder):
    before = described.to_project(steps.complete({}, folder))
    before = replace(before, data=replace(before.data, cap=7, entities={"url": "drop"}))
    again = described.to_project(described.from_project(before) | {"pii": "drop"}, before)
    assert (again.data.cap, again.data.entities, again.data.pii) == (7, {"url": "drop"}, "drop")


def test_every_question_has_help_and_every_proposal_a_remark_or_none(folder):
    context = Context(folder, steps.complete({}, folder))
    for question in steps.QUESTIONS.values():
        assert question.help.endswith(".")
        assert isinstance(question.remark(context[question.key], context), str)
    licence = steps.QUESTIONS["base_model"].remark(context["base_model"], context)
    assert licence.startswith("Licence Apache-2.0: Use it for anything")


def test_a_draft_comes_back_as_it_was_kept(folder, tmp_path):
    draft = Draft({"name": "x", "pii": "drop", "prompt": "two\nlines"}, "data")
    drafts.save(tmp_path, folder, draft)
    assert drafts.load(tmp_path, folder) == draft
    assert drafts.load(tmp_path, tmp_path / "other") == Draft()
    drafts.forget(tmp_path, folder)
    assert drafts.load(tmp_path, folder) == Draft()


def test_a_damaged_draft_is_passed_over(folder, tmp_path):
    drafts.save(tmp_path, folder, Draft({"name": "x"}, "data"))
    kept = next((tmp_path / "drafts").iterdir())
    for content in ("answers: [1]", "answers: {name: [", "- 1", "answers: 3"):
        kept.write_text(content, encoding="utf-8")
        assert drafts.load(tmp_path, folder) == Draft()


def test_without_a_draft_the_wizard_begins_with_the_project_that_is_there(folder, tmp_path):
    made = described.to_project(steps.complete({"pii": "keep"}, folder))
    project.save(made, folder)
    assert drafts.load(tmp_path, folder).given["pii"] == "keep"


def test_the_manual_lists_every_answer_with_its_fixed_default():
    manual = (paths.recipes().parent / "docs" / "wizard.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", manual, re.MULTILINE))
    assert sorted(listed) == sorted(steps.QUESTIONS)
    nowhere = steps.complete({}, paths.recipes() / "demo" / "nowhere")
    for key in ("test", "validation", "seed", "pii", "target"):
        assert listed[key].strip("`") == nowhere[key]


def test_labels_in_several_spellings_are_one_label(folder):
    kinds = ("praise", "complaint", "question")
    rows = [{"prompt": f"m{at}", "completion": kinds[at % 3]} for at in range(60)]
    rows += [{"prompt": "n1", "completion": "Praise"}, {"prompt": "n2", "completion": "complaint "}]
    (folder / "tickets.jsonl").unlink()
    write(folder / "reviews.jsonl", rows)
    answers = steps.complete({}, folder)
    assert answers["labels"] == "complaint, praise, question"
    assert steps.faults(answers, folder) == {}
