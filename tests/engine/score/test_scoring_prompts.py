"""The prompts of each subject, with the real tokenizer and template."""

from __future__ import annotations

import pytest

from engine.base.project import DataSettings, Objective, Project
from engine.data.chat.template import ChatTemplate
from engine.data.dataset import Dataset
from engine.data.rows import make, to_json
from engine.data.subject import encoder
from engine.score.prompts import Prompts

PLACES = ["Arden", "Borsec", "Calder", "Dunmore", "Elgin", "Fossa", "Gorse", "Hallam"]
CODES = {name: str(310 + 17 * place) for place, name in enumerate(PLACES)}
TRAIN = [make(f"Which code has the town of {name}?", CODES[name]) for name in PLACES[:6]]
ASKED = [make(f"Which code has the town of {name}?", CODES[name]) for name in PLACES[6:]]


@pytest.fixture
def build(tmp_path, model_dir, monkeypatch):
    monkeypatch.setattr(encoder, "available", tuple)
    (tmp_path / "train.jsonl").write_text("".join(f"{to_json(row)}\n" for row in TRAIN))
    told = [f"The town of {name} has the code {CODES[name]} since 1962." for name in PLACES]
    (tmp_path / "codes.md").write_text(
        "\n\n".join(f"{text} {'It is small. ' * 30}" for text in told)
    )
    logged = []

    def make_prompts(context=0):
        objective = Objective("Code.", "Answer with the code.", output="text")
        data = DataSettings(("a.jsonl",), documents=("codes.md",))
        template = ChatTemplate.load(model_dir)
        template.context = context or template.context
        prompts = Prompts(
            Project("codes", objective, data),
            tmp_path,
            Dataset("d", tmp_path),
            template,
            8,
            lambda text, level: logged.append((level, text)),
            lambda note: None,
        )
        return prompts, template, logged

    return make_prompts


def texts(build, subject, rows=ASKED, context=0):
    prompts, template, _ = build(context)
    found = prompts.ids(subject, rows)
    return [template.tokenizer.decode(ids, skip_special_tokens=False) for ids in found]


def test_the_base_is_told_and_the_tuned_model_is_asked_as_it_was_trained(build):
    base, tuned = texts(build, "base")[0], texts(build, "tuned")[0]
    assert "Answer with the code." in base
    assert "Code." in tuned
    assert "Answer with the code." not in tuned
    assert base.count("Which code") == tuned.count("Which code") == 1


def test_fixed_examples_are_the_same_for_every_row_and_similar_ones_are_not(build):
    train = [*TRAIN, *[make(f"Opening hours of shop {n} in Elgin", "nine") for n in range(8)]]
    assert texts(build, "few_shot")[0].count("Which code") == 7
    rows = [make("Opening hours of a shop?", "nine"), make("code of Fossa?", "395")]
    (build(0)[0]._dataset.folder / "train.jsonl").write_text(
        "".join(f"{to_json(row)}\n" for row in train)
    )
    hours, code = texts(build, "similar", rows)
    assert hours.count("Opening hours of shop") == 4
    assert "town of Fossa" in code.split("<|im_start|>user")[-2]  # next to the question


def test_passages_stand_before_the_question_and_worked_examples_have_their_own(build):
    for row, text in zip(ASKED, texts(build, "retrieval"), strict=True):
        asked = text.rindex(row.prompt)
        assert row.completion in text[:asked]
        assert text.count("Use this information:") == 4
        for shot in TRAIN:
            if shot.prompt in text:
                assert shot.completion in text[: text.index(shot.prompt)]


def test_what_the_model_cannot_read_is_left_out(build):
    whole, _, _ = build()
    context = max(map(len, whole.ids("few_shot", ASKED)))  # eight tokens short for the answer
    prompts, _, logged = build(context)
    for subject in ("few_shot", "similar", "retrieval"):
        assert max(map(len, prompts.ids(subject, ASKED))) <= context - 8
    assert min(map(len, whole.ids("retrieval", ASKED))) > context
    assert ("warning", "The model's context has room for 5 examples.") in logged


def test_how_examples_are_found_is_logged(build):
    prompts, _, logged = build()
    prompts.ids("similar", ASKED)
    prompts.ids("retrieval", ASKED)
    assert ("info", "Similar examples are found by words.") in logged
    assert any(text.endswith("of your documents, found by words.") for _, text in logged)
