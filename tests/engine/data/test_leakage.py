from __future__ import annotations

import pytest

from engine.data.leakage import Golden
from engine.data.normalise import Boilerplate
from engine.data.rows import make

LONG = (
    "The courier put the grinder behind the blue bins on Tuesday, the rain went through the box "
    "and now the motor makes a noise like an old tractor whenever I switch it on."
)
SHORT = "How do I skip July?"
CHINESE = "我上周买的咖啡机一直漏水，已经联系过客服三次了，请尽快处理"


@pytest.fixture
def golden() -> Golden:
    rows = [make(text, "x", source=f"g:{n}") for n, text in enumerate((LONG, SHORT, CHINESE), 1)]
    return Golden(rows, Boilerplate([]))


@pytest.mark.parametrize(
    ("prompt", "source"),
    [
        (LONG.upper(), "g:1"),
        (LONG.replace("Tuesday", "Monday"), "g:1"),
        (f"Dear all, {LONG} Kind regards, and please answer quickly, Ann", "g:1"),
        ("Hi! " + "the rain went through the box and now the motor makes a noise " * 2, "g:1"),
        ("how do i skip july", "g:2"),
        ("How do I skip Julyy?", "g:2"),
        (f"你好。{CHINESE}，谢谢。", "g:3"),
    ],
)
def test_a_row_that_gives_a_golden_prompt_away_leaks(
    golden: Golden, prompt: str, source: str
) -> None:
    leak = golden.leak(make(prompt, "another answer"))
    assert leak is not None
    assert leak[0].source == source


@pytest.mark.parametrize(
    "prompt",
    [
        "The courier put the kettle behind the door on Friday and now it is gone for good.",
        "How do I skip?",
        "I asked how do i skip july and nobody answered; where is the button for a longer pause",
        "我想退货",
    ],
)
def test_an_innocent_row_does_not(golden: Golden, prompt: str) -> None:
    assert golden.leak(make(prompt, "x")) is None


def test_an_instruction_that_golden_prompts_share_is_no_leak() -> None:
    start = "Please read the message of the customer below and answer with one word of the list: "
    golden = Golden(
        [make(start + "my kettle is broken", "x"), make(start + "where is the refund", "y")],
        Boilerplate([]),
    )
    assert golden.leak(make(start + "cannot log in to the account since the update", "z")) is None
