from __future__ import annotations

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.data.alike.leakage import NEAR, Golden
from engine.data.alike.normalise import Boilerplate, jaccard, normalise, shingles, words
from engine.data.rows import Row, Turn, make

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


some = random.Random(20)
VOWELS, CONSONANTS = "aeiou", "bdfgklmnprst"
WORDS = sorted(
    {
        "".join(some.choice(CONSONANTS) + some.choice(VOWELS) for _ in range(some.randint(1, 4)))
        for _ in range(900)
    }
)
HAN = "我的包裹还没有到请帮查一下订单为什么显示签收昨天买咖啡机漏水想要退货怎么办理发票抬头写错了能不能改"
GOLDEN = [
    *[" ".join(some.choice(WORDS) for _ in range(some.randint(3, 30))) for _ in range(150)],
    *["".join(some.choice(HAN) for _ in range(some.randint(6, 60))) for _ in range(50)],
]
INDEX = Golden(
    [make(text, f"answer {n}", source=f"g:{n}") for n, text in enumerate(GOLDEN)], Boilerplate([])
)
numbers = st.integers(0, len(GOLDEN) - 1)
seeds = st.randoms(use_true_random=False)


def is_found(row: Row) -> bool:
    leak = INDEX.leak(row)
    assert INDEX.leaks([make("hm", "x"), row]) == [None, leak]
    return leak is not None


def around(some: random.Random, text: str) -> str:
    more = [" ".join(some.choice(WORDS) for _ in range(some.randint(1, 60))) for _ in range(2)]
    return f"{more[0]}. {text}, {more[1]}"


@given(numbers, seeds)
def test_case_width_blanks_and_punctuation_hide_nothing(number: int, some: random.Random) -> None:
    text = "".join(
        some.choice([c, c.upper(), chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c])
        for c in GOLDEN[number]
    )
    assert is_found(
        make(text.replace(" ", some.choice([" , ", "  ", "\n", "/"])) + some.choice("!?…"), "x")
    )


@settings(max_examples=300)
@given(numbers, seeds, st.integers(1, 6))
def test_small_edits_hide_nothing(number: int, some: random.Random, edits: int) -> None:
    letters = list(GOLDEN[number])
    for _ in range(edits):
        place = some.randrange(len(letters))
        letters[place : place + some.randint(0, 2)] = some.choice(["", "e", "我", "oo"])
    text = "".join(letters)
    assume(jaccard(shingles(normalise(text)), shingles(GOLDEN[number])) >= NEAR)
    assert is_found(make(text, "x"))


@given(numbers, seeds)
def test_a_whole_prompt_within_a_row_is_found(number: int, some: random.Random) -> None:
    golden = GOLDEN[number]
    assume(len(golden) >= 20 or (golden[0] in HAN and len(golden) >= 10))
    row = make(around(some, golden), "x")
    assert is_found(row)
    assert is_found(
        make("and now", "x", history=(Turn("user", row.prompt), Turn("assistant", "ok")))
    )
    assert is_found(make("", row.prompt, form="text"))


@given(numbers, seeds)
def test_thirteen_words_in_a_row_are_found(number: int, some: random.Random) -> None:
    tokens = words(GOLDEN[number])
    least = 26 if GOLDEN[number][0] in HAN else 13
    assume(len(tokens) >= least)
    place = some.randrange(len(tokens) - least + 1)
    passage = ("" if least == 26 else " ").join(tokens[place : place + least])
    assert is_found(make(around(some, passage), "x"))


@given(numbers, seeds)
def test_a_golden_row_within_an_answer_is_found(number: int, some: random.Random) -> None:
    golden = GOLDEN[number]
    assume(len(golden) >= 20)
    completion = around(some, f"Q: {golden}? A: Answer {number}!")
    assert is_found(make("give me an example", completion))
    assert is_found(make("which one", "x", rejected=completion, form="preference"))
    assert INDEX.leak(make("give me an example", around(some, golden))) is None


def test_rows_of_the_same_words_are_innocent() -> None:
    some = random.Random(21)
    texts = [" ".join(some.choice(WORDS) for _ in range(some.randint(5, 30))) for _ in range(2000)]
    texts += ["".join(some.choice(HAN) for _ in range(some.randint(8, 60))) for _ in range(500)]
    rows = [make(text, "x") for text in texts]
    assert sum(leak is not None for leak in INDEX.leaks(rows)) <= 2


def test_half_of_a_prompt_in_pieces_is_found_unless_many_rows_say_it() -> None:
    text = "why does the second burner of my old stove go out whenever the window is open"
    pieces = f"hello, {text[:40]} and {text[45:]} as my neighbour from the first floor said to me last week"
    golden = [make(text, "x", source="g:1")]
    leak = Golden(golden, Boilerplate([])).leak(make(pieces, "y"))
    assert leak is not None
    assert leak[1] == "contains most of the prompt"
    common = [f"{n} {pieces} {n}" for n in range(10)]
    assert Golden(golden, Boilerplate(common)).leak(make(pieces, "y")) is None


def test_an_empty_golden_set_leaks_nothing() -> None:
    assert Golden([], Boilerplate([])).leaks([make("a", "b")]) == [None]
    assert Golden([make("hi", "ho")], Boilerplate([])).leaks([]) == []
