from __future__ import annotations

import pytest

from engine.base.errors import TunesmithError
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Turn, make
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


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (make("a", "b", form="preference", rejected="c", source="x:1"), "preference pairs"),
        (make("a", "b", form="feedback", label=False, source="x:1"), "good"),
        (make("", "b", form="text", source="x:1"), "raw text"),
    ],
)
def test_rows_without_right_answers_are_refused_with_the_way_out(template, row, word):
    with pytest.raises(TunesmithError, match=rf"x:1: .*{word}.* Map"):
        tokenise(template, INSTRUCTION, [row], 512)
