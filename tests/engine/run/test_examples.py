from __future__ import annotations

from itertools import pairwise

import pytest

from engine.base.errors import TunesmithError
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Turn, make
from engine.plan.recipe import FORMS
from engine.plan.settle import blocks
from engine.run.examples import IGNORED, tokenise

INSTRUCTION = "Answer with JSON."
ROWS = [
    make("Where is order 84410?", '{"intent": "where_is_order"}'),
    make("Cancel it.", '{"intent": "cancel_order"}'),
]


@pytest.fixture(scope="module")
def template(model_dir):
    return ChatTemplate.load(model_dir)


def test_the_labels_are_the_answer_with_its_end_of_turn_and_nothing_else(template):
    for row, example in zip(ROWS, tokenise(template, INSTRUCTION, ROWS, 512).rows, strict=True):
        learnt = [token for token in example["labels"] if token != IGNORED]
        assert template.tokenizer.decode(learnt, skip_special_tokens=False) == (
            row.completion + "<|im_end|>"
        )
        assert example["input_ids"][-len(learnt) :] == learnt
        assert len(example["labels"]) == len(example["input_ids"])


def test_what_is_trained_is_what_the_model_is_asked_later(template):
    example = tokenise(template, INSTRUCTION, ROWS[:1], 512).rows[0]
    prompt = template.prompt_ids(INSTRUCTION, (), ROWS[0].prompt)
    assert example["input_ids"][: len(prompt)] == prompt
    assert example["labels"][: len(prompt)] == [IGNORED] * len(prompt)
    assert example["labels"][len(prompt)] != IGNORED


def test_a_row_over_the_limit_loses_its_end_and_is_counted(template):
    prompt = len(template.prompt_ids(INSTRUCTION, (), ROWS[0].prompt))
    examples = tokenise(template, INSTRUCTION, ROWS[:1], prompt + 2)
    assert examples.lengths == [prompt + 2]
    assert (examples.cut, examples.dropped) == (1, 0)


def test_a_row_whose_prompt_fills_the_limit_is_left_out(template):
    limit = len(template.prompt_ids(INSTRUCTION, (), ROWS[1].prompt)) + 1
    examples = tokenise(template, INSTRUCTION, ROWS, limit)
    assert len(examples.rows) == 1
    assert (examples.cut, examples.dropped) == (1, 1)


def test_no_row_left_is_an_error_with_the_way_out(template):
    with pytest.raises(TunesmithError, match="max_length"):
        tokenise(template, INSTRUCTION, ROWS, 8)


def test_every_answer_of_a_conversation_is_labelled_and_what_is_said_to_it_is_not(template):
    history = (Turn("user", "Where is it?"), Turn("assistant", "Which order?"))
    row = make("84410", "On its way.", history=history, system="Be kind.")
    example = tokenise(template, INSTRUCTION, [row], 512).rows[0]
    parts, run = [], []
    for label in [*example["labels"], IGNORED]:
        if label != IGNORED:
            run.append(label)
        elif run:
            parts.append(template.tokenizer.decode(run, skip_special_tokens=False))
            run = []
    assert parts == ["Which order?<|im_end|>", "On its way.<|im_end|>"]
    read = template.tokenizer.decode(example["input_ids"], skip_special_tokens=False)
    assert "Be kind." in read
    assert INSTRUCTION not in read


def test_a_cut_conversation_keeps_the_answers_before_the_limit(template):
    history = (Turn("user", "Where is it?"), Turn("assistant", "Which order?"))
    row = make("84410 " * 40, "On its way.", history=history)
    examples = tokenise(template, INSTRUCTION, [row], 60)
    assert (examples.cut, examples.dropped, examples.lengths) == (1, 0, [60])
    learnt = [label for label in examples.rows[0]["labels"] if label != IGNORED]
    assert template.tokenizer.decode(learnt).startswith("Which order?")


PAIR = make("Where is it?", "On its way.", form="preference", rejected="No idea, ask them.")
THUMB = make("Where is it?", "No idea.", form="feedback", label=False)
TEXTS = [make("", f"Order {number} is on its way. " * 3, form="text") for number in range(5)]


def read(template, ids):
    return template.tokenizer.decode(ids, skip_special_tokens=False)


@pytest.mark.parametrize("trainer", ["dpo", "orpo"])
def test_a_pair_is_the_prompt_we_ask_with_and_two_whole_answers(template, trainer):
    examples = tokenise(template, INSTRUCTION, [PAIR], 512, trainer)
    row = examples.rows[0]
    assert row["prompt_ids"] == template.prompt_ids(INSTRUCTION, (), PAIR.prompt)
    assert read(template, row["chosen_ids"]) == "On its way.<|im_end|>"
    assert read(template, row["rejected_ids"]) == "No idea, ask them.<|im_end|>"
    longer = max(len(row["chosen_ids"]), len(row["rejected_ids"]))
    assert examples.lengths == [len(row["prompt_ids"]) + longer]
    assert (examples.cut, examples.dropped) == (0, 0)


def test_a_feedback_keeps_its_word(template):
    rows = [THUMB, make("Where is it?", "On its way.", form="feedback", label=True)]
    found = tokenise(template, INSTRUCTION, rows, 512, "kto").rows
    assert [row["label"] for row in found] == [False, True]
    assert read(template, found[0]["completion_ids"]) == "No idea.<|im_end|>"
    assert found[0]["prompt_ids"] == template.prompt_ids(INSTRUCTION, (), THUMB.prompt)


@pytest.mark.parametrize(("row", "trainer"), [(PAIR, "dpo"), (THUMB, "kto")])
def test_answers_over_the_limit_are_cut_and_prompts_over_it_left_out(template, row, trainer):
    prompt = len(template.prompt_ids(INSTRUCTION, (), row.prompt))
    short = tokenise(template, INSTRUCTION, [row], prompt + 2, trainer)
    assert (short.lengths, short.cut, short.dropped) == ([prompt + 2], 1, 0)
    with pytest.raises(TunesmithError, match="longer than"):
        tokenise(template, INSTRUCTION, [row], prompt, trainer)


def test_a_preference_within_a_conversation_learns_its_last_answer_only(template):
    history = (Turn("user", "Hello"), Turn("assistant", "Hello, what is it?"))
    row = make("Where is it?", "There.", form="preference", rejected="No.", history=history)
    made = tokenise(template, INSTRUCTION, [row], 512, "dpo").rows[0]
    assert "Hello, what is it?" in read(template, made["prompt_ids"])
    assert read(template, made["chosen_ids"]) == "There.<|im_end|>"


@pytest.mark.parametrize("length", [16, 17, 50, 64, 1000])
def test_raw_text_is_cut_into_blocks_that_predict_every_token_once(template, length):
    rows = tokenise(template, INSTRUCTION, TEXTS, length, "cpt").rows
    stream = [token for text in TEXTS for token in template.example("", text).ids]
    joined = rows[0]["input_ids"] + [t for row in rows[1:] for t in row["input_ids"][1:]]
    assert joined == stream
    assert stream.count(template.eos_id) == len(TEXTS)
    assert all(row["labels"] == row["input_ids"] for row in rows)
    assert all(len(row["input_ids"]) == length for row in rows[:-1])
    assert all(a["input_ids"][-1] == b["input_ids"][0] for a, b in pairwise(rows))
    assert len(rows) == blocks(len(stream), length)
    assert len(rows[-1]["input_ids"]) > 1  # one token alone would predict nothing


def test_no_validation_rows_are_no_examples(template):
    for trainer in ("sft", "dpo", "kto", "orpo", "cpt"):
        assert tokenise(template, INSTRUCTION, [], 64, trainer).rows == []


@pytest.mark.parametrize("row", [ROWS[0], PAIR, THUMB, TEXTS[0]], ids=lambda row: row.form)
@pytest.mark.parametrize("trainer", ["sft", "dpo", "kto", "orpo", "cpt"])
def test_rows_of_another_form_are_refused_with_the_way_out(template, row, trainer):
    if row.form == FORMS[trainer]:
        assert tokenise(template, INSTRUCTION, [row], 512, trainer).rows
        return
    with pytest.raises(TunesmithError, match="learns from") as told:
        tokenise(template, INSTRUCTION, [row], 512, trainer)
    assert "tunesmith recipes" in told.value.fix
