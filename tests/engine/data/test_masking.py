from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from engine.data.masking import mask
from engine.data.rows import make

KEY = "AKIA" + "Q3EGRZ7TYVN5XW2M"


def test_one_value_has_one_name_in_prompt_and_answer_however_it_is_written() -> None:
    row = make(
        "I am Bo@Example.com, call +44 7700 900461 or ann@example.com",
        json.dumps({"mail": "bo@example.com", "phone": "+447700900461", "cc": ["ann@example.com"]}),
    )
    masked = mask(row)
    assert masked.row.prompt == "I am <EMAIL_1>, call <PHONE_1> or <EMAIL_2>"
    assert json.loads(masked.row.completion) == {
        "mail": "<EMAIL_1>",
        "phone": "<PHONE_1>",
        "cc": ["<EMAIL_2>"],
    }
    assert (masked.pii, masked.secrets) == (("email", "phone"), ())


def test_a_number_in_a_json_answer_becomes_text_and_the_answer_stays_json() -> None:
    masked = mask(make("my mobile is 4155550132", '{"phone": 4155550132, "n": 2}'))
    assert json.loads(masked.row.completion) == {"phone": "<PHONE_1>", "n": 2}


def test_a_secret_leaves_no_trace_in_the_row() -> None:
    masked = mask(make(f"the key {KEY} fails", f"Use {KEY} again", group="g", source="f:3"))
    assert masked.row.prompt == "the key <SECRET_1> fails"
    assert masked.row.completion == "Use <SECRET_1> again"
    assert masked.secrets == ("AWS",)
    assert (masked.row.group, masked.row.source) == ("g", "f:3")


def test_a_placeholder_that_was_there_before_is_not_used_again() -> None:
    masked = mask(make("<EMAIL_1> wrote to a@example.com", "ok"))
    assert masked.row.prompt == "<EMAIL_1> wrote to <EMAIL_2>"


def test_a_row_without_finds_is_the_same_row() -> None:
    row = make("order 90847 of 2026-11-23", '{"order":"90847"}')
    assert mask(row).row is row


@given(st.text(max_size=200), st.text(max_size=60))
def test_masking_never_fails_and_twice_is_once(prompt: str, completion: str) -> None:
    once = mask(
        make(prompt.encode(errors="ignore").decode(), completion.encode(errors="ignore").decode())
    )
    assert mask(once.row).row == once.row
