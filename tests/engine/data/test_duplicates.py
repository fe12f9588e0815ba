from __future__ import annotations

import json
import random

import pytest

from engine.data.duplicates import sort
from engine.data.rows import Row, make

WORDS = [
    "parcel",
    "courier",
    "refund",
    "invoice",
    "kettle",
    "lamp",
    "grinder",
    "beans",
    "account",
    "password",
    "delivery",
    "address",
    "yesterday",
    "broken",
    "wrong",
    "size",
    "colour",
    "quickly",
    "please",
    "money",
    "bank",
    "card",
    "twice",
    "weeks",
    "waiting",
    "door",
    "neighbour",
    "photo",
    "label",
    "return",
    "box",
    "missing",
    "manager",
    "answer",
    "holiday",
    "office",
    "student",
    "friend",
    "gift",
]


def answer(intent: str, order: str | None = None) -> str:
    return json.dumps({"intent": intent, "order": order})


def rows(*pairs: tuple[str, str]) -> list[Row]:
    return [make(prompt, reply, source=f"f:{n}") for n, (prompt, reply) in enumerate(pairs, 1)]


def sources(found: list[tuple[Row, Row]]) -> list[tuple[str, str]]:
    return [(one.source, other.source) for one, other in found]


def test_the_first_of_equal_rows_stays() -> None:
    result = sort(rows(("Where is it?", "a"), ("WHERE is  it", "A"), ("something else", "a")))
    assert sources(result.exact) == [("f:2", "f:1")]
    assert [row.source for row in result.kept] == ["f:1", "f:3"]


def test_a_small_edit_with_the_same_answer_is_a_near_duplicate() -> None:
    text = "my parcel should have been here on monday and nobody at the shop answers the phone"
    result = sort(rows((text, answer("late")), (text.replace("nobody", "nobdy"), answer("late"))))
    assert sources(result.near) == [("f:2", "f:1")]


@pytest.mark.parametrize("other", ["Where is my parcel?", "where is my parcel please now"])
def test_the_same_question_with_another_answer_is_a_conflict_and_both_go(other: str) -> None:
    result = sort(rows((other[:19], answer("late")), ("Where is my PARCEL", answer("lost"))))
    assert not result.kept
    assert sources(result.conflicts) == [("f:1", "f:2"), ("f:2", "f:1")]


def test_answers_that_copy_from_their_own_prompt_are_variants_kept_on_one_side() -> None:
    text = "hello there, could you please tell me when order {} will finally arrive at my house"
    pairs = [(text.format(n), answer("late", n)) for n in ("70012", "70013")]
    pairs.append((text.replace(" {}", "").format(), answer("late")))
    result = sort(rows(*pairs))
    assert len(result.kept) == 3
    assert not result.conflicts
    assert (result.kept[0].id, result.kept[1].id) in result.related


def test_a_wrong_label_is_not_excused_by_a_copied_number() -> None:
    text = "hello there, could you please tell me when order {} will finally arrive at my house"
    result = sort(
        rows((text.format("70012"), answer("late", "70012")),
             (text.format("70013"), answer("lost", "70013")))
    )  # fmt: skip
    assert len(result.conflicts) == 2


def test_many_answers_to_one_question_take_linear_time() -> None:
    result = sort(rows(*[("what is the answer to this", f"number {n}") for n in range(5000)]))
    assert len(result.conflicts) == 5000


def test_chinese_near_duplicates_are_found() -> None:
    text = "你好，我上周在你们店里买的咖啡机一直漏水，已经联系过客服三次了，请尽快帮我处理退货"
    result = sort(rows((text, "r"), (text + "谢谢", "r"), ("请问这款磨豆机有没有左手版", "q")))
    assert sources(result.near) == [("f:2", "f:1")]


def test_an_instruction_before_every_row_makes_no_duplicates() -> None:
    start = "Read the following message of a customer and give its intent as one word only. "
    some = random.Random(3)
    pairs = [(start + " ".join(some.sample(WORDS, 9)), f"{n % 4}") for n in range(200)]
    result = sort(rows(*pairs))
    assert len(result.kept) > 195


@pytest.mark.parametrize(("edit", "least"), [("typo", 0.98), ("drop", 0.95), ("replace", 0.9)])
def test_planted_near_duplicates_of_short_rows_are_found(edit: str, least: float) -> None:
    """Related (Jaccard from 0.5) is what keeps a copy out of the test split."""
    some = random.Random(11)
    texts = [" ".join(some.choice(WORDS) + str(some.randrange(9)) for _ in range(some.randint(7, 16)))
             for _ in range(400)]  # fmt: skip
    planted = [_edited(text, edit, some) for text in texts]
    originals = rows(*[(text, "x") for text in texts])
    copies = [make(text, "x", source=f"c:{n}") for n, text in enumerate(planted)]
    result = sort(originals + copies)
    pairs = {(one.id, other.id) for other, one in result.near + result.exact}
    pairs |= set(result.related)
    found = sum((one.id, two.id) in pairs for one, two in zip(originals, copies, strict=True))
    assert found >= least * len(texts)


def _edited(text: str, edit: str, some: random.Random) -> str:
    words = text.split()
    place = some.randrange(len(words))
    if edit == "typo":
        words[place] = words[place][:2] + words[place][3:]
    elif edit == "drop":
        del words[place]
    else:
        words[place] = some.choice(WORDS)
    return " ".join(words)
