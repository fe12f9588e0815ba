from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest

from engine.data.alike import duplicates
from engine.data.alike.duplicates import Sorted, largest_star, sort
from engine.data.alike.normalise import fives, jaccard, question
from engine.data.rows import Row, Turn, make

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


NUMBERED = [word + str(digit) for word in WORDS for digit in range(9)]
CHINESE = (
    "我的包裹还没有到请帮查一下订单为什么显示签收昨天买咖啡机漏水想要退货怎么办理发票抬头写错了能不能改"
    "客服电话打不通商品颜色和图片不同地址填成旧家可以换货吗优惠券无法使用付款失败钱却扣掉两次谢谢您"
)
LONG_WORDS = ["ox", "it", "an", "incomprehensibility", "counterrevolutionary", "sunflower", "tea"]


def joined(result: Sorted) -> set[tuple[str, str]]:
    pairs = {(one.id, other.id) for other, one in result.near + result.exact}
    return pairs | set(result.related)


def english(some: random.Random) -> str:
    return " ".join(some.choice(NUMBERED) for _ in range(some.randint(7, 16)))


def chinese(some: random.Random) -> str:
    return "".join(some.choice(CHINESE) for _ in range(some.randint(10, 40)))


def changed(text: str, edit: str, some: random.Random) -> str:
    spaced = " " in text
    parts = text.split() if spaced else list(text)
    place = some.randrange(len(parts) - (0 if spaced else 2))
    width = 1 if spaced or edit == "typo" else 2  # a Chinese word has two characters
    if edit == "drop":
        parts[place : place + width] = []
    elif edit == "replace":
        parts[place : place + width] = [some.choice(LONG_WORDS if spaced else ["电灯", "打印机"])]
    elif spaced:
        parts[place] = parts[place][:2] + parts[place][3:]
    else:
        parts[place] = some.choice(CHINESE)
    return (" " if spaced else "").join(parts)


@pytest.mark.parametrize("make_text", [english, chinese])
@pytest.mark.parametrize("edit", ["typo", "drop", "replace"])
def test_planted_near_duplicates_of_short_rows_are_found(make_text, edit) -> None:
    """Dropped, or related: related is what keeps a copy out of the test split."""
    some = random.Random(11)
    texts = [make_text(some) for _ in range(600)]
    originals = [make(text, "x", source=f"o:{n}") for n, text in enumerate(texts)]
    copies = [make(changed(row.prompt, edit, some), "x") for row in originals]
    result = sort(originals + copies)
    pairs = joined(result)
    found = sum((one.id, two.id) in pairs for one, two in zip(originals, copies, strict=True))
    assert found >= 0.98 * len(texts)
    for dropped, stays in result.near:
        assert jaccard(fives(question(dropped)), fives(question(stays))) >= 0.8


@pytest.mark.parametrize("make_text", [english, chinese])
def test_case_blanks_and_punctuation_hide_no_duplicate(make_text) -> None:
    some = random.Random(12)
    texts = [make_text(some) for _ in range(200)]
    spoilt = [
        "".join(c.upper() + some.choice(["", "", "，", "  "] if " " not in text else [""])
                for c in text).replace(" ", some.choice([" - ", "  ", "... ", "_ "])) + "！?"
        for text in texts
    ]  # fmt: skip
    result = sort(rows(*[(text, "x") for text in texts + spoilt]))
    assert len(result.exact) == len(texts)
    assert len(result.kept) == len(texts)


SYSTEM = (
    "you are a careful assistant of an online shop for kitchen goods please read what the customer "
    "writes below and answer politely and briefly in the language of the message"
)
OTHER = (
    "as an editor of a small newspaper correct all mistakes of spelling and grammar in the text "
    "that follows without changing its meaning or its style and return nothing else"
)


@pytest.mark.parametrize("prefixes", [[SYSTEM], [SYSTEM, "", "", ""], [SYSTEM, OTHER]])
def test_a_prompt_that_many_rows_share_makes_no_duplicates(prefixes: list[str]) -> None:
    some = random.Random(3)
    texts = {" ".join(some.sample(WORDS, some.randint(4, 9))) for _ in range(5000)}
    pairs = [
        (f"{prefixes[n % len(prefixes)]} {text}", f"{n % 7}")
        for n, text in enumerate(sorted(texts))
    ]
    result = sort(rows(*pairs))
    assert len(result.kept) >= 0.99 * len(texts)


def test_a_user_text_behind_another_prompt_is_no_repeat_but_related() -> None:
    some = random.Random(5)
    texts = [" ".join(some.sample(WORDS, 9)) for _ in range(60)]
    result = sort(rows(*[(f"{p} {text}", "x") for p in (SYSTEM, OTHER) for text in texts]))
    assert len(result.kept) == 120
    assert {(result.kept[n].id, result.kept[n + 60].id) for n in range(60)} <= set(result.related)


def test_rows_of_different_system_prompts_are_only_related() -> None:
    text = "my parcel should have been here on monday and nobody at the shop answers the phone"
    some = [
        make(text, reply, system=system, source="f:1")
        for reply, system in (
            ("a", "be brief"),
            ("b", "be kind"),
            ("a", "Be kind!"),
            ("b", "BE BRIEF"),
        )
    ]
    result = sort([some[0], some[1]])
    assert [row.id for row in result.kept] == [some[0].id, some[1].id]
    assert result.related == [(some[0].id, some[1].id)]
    assert len(sort([some[0], some[3]]).conflicts) == 2


def test_the_turns_of_one_conversation_contradict_nothing() -> None:
    turns = [Turn("user", "my grinder stopped in the middle of the second cup this morning"),
             Turn("assistant", "I am sorry to hear that; does the motor still make a noise?"),
             Turn("user", "no"), Turn("assistant", "then please send it back to us for repair")]  # fmt: skip
    first = make(turns[0].content, turns[1].content, source="f:1")
    second = make("no", turns[3].content, history=tuple(turns[:2]), source="f:2")
    other = make("yes", "then open the lid", history=tuple(turns[:2]), source="f:3")
    result = sort([first, second, other])
    assert len(result.kept) == 3
    assert {one for pair in result.related for one in pair} == {row.id for row in result.kept}


def test_preferences_contradict_only_when_the_pair_is_reversed() -> None:
    def pair(chosen: str, rejected: str) -> Row:
        return make(
            "how do i skip a month", chosen, rejected=rejected, form="preference", source="f:1"
        )

    result = sort(
        [
            pair("good", "bad"),
            pair("good", "worse"),
            pair("Good", "bad"),
            pair("x", "y"),
            pair("y", "x"),
        ]
    )
    assert [row.rejected for row in result.kept] == ["bad", "worse"]
    assert len(result.exact) == 1
    assert len(result.conflicts) == 2
    assert len(result.related) == 1


def test_feedback_contradicts_only_about_the_same_completion() -> None:
    def row(completion: str, *, label: bool) -> Row:
        return make("how do i skip a month", completion, form="feedback", label=label, source="f:1")

    result = sort(
        [row("a", label=True), row("b", label=False), row("c", label=True), row("c", label=False)]
    )
    assert [row.completion for row in result.kept] == ["a", "b"]
    assert [row.completion for row, _ in result.conflicts] == ["c", "c"]
    assert result.related == [(result.kept[0].id, result.kept[1].id)]


def test_raw_texts_repeat_but_never_contradict() -> None:
    text = "the river rose in the night and by the morning the lower road was under water again"
    texts = [text, text.upper(), text + " now", "nobody in the village had seen so much rain"]
    result = sort([make("", each, form="text", source="f:1") for each in texts])
    assert len(result.exact) == len(result.near) == 1
    assert not result.conflicts


def test_other_signs_are_another_question() -> None:
    assert len(sort(rows(("what is 3+4", "7"), ("what is 3*4", "12"))).kept) == 2
    assert len(sort(rows(("great 👍", "good"), ("great 👎", "bad"))).kept) == 2
    assert not sort(rows(("what is it!", "7"), ("What, is it?", "12"))).kept


def test_long_contexts_with_different_questions_are_no_conflict() -> None:
    some = random.Random(8)
    context = " ".join(some.choice(NUMBERED) for _ in range(120))
    result = sort(rows((f"{context} who carried the heavy box up to the office", "ann"),
                       (f"{context} which holiday did the student spend at the lake", "june")))  # fmt: skip
    assert len(result.kept) == 2
    assert len(result.related) == 1


def test_a_copy_of_a_merged_row_is_merged_into_the_earliest() -> None:
    text = "my parcel should have been here on monday and nobody at the shop answers the phone"
    texts = [text, text + " now", text + " today", text.replace("phone", "phones")]
    result = sort(rows(*[(each, "late") for each in texts]))
    assert sources(result.near) == [("f:2", "f:1"), ("f:3", "f:1"), ("f:4", "f:1")]
    star = largest_star(result)
    assert star is not None
    assert (star[0].source, star[1]) == ("f:1", 3)


def test_a_dropped_bridge_still_joins_what_it_was_like() -> None:
    some = random.Random(4)
    one, two, three = (" ".join(some.choice(NUMBERED) for _ in range(6)) for _ in range(3))
    bridge = f"{one} {two} {three}"
    result = sort(
        rows((f"{one} {two}", "a"), (bridge, "b"), (f"{two} {three}", "c"), (bridge, "d"))
    )
    assert [row.source for row in result.kept] == ["f:1", "f:3"]
    assert result.related == [(result.kept[0].id, result.kept[1].id)]


def test_each_relation_says_how_the_rows_are_alike() -> None:
    text = "could you tell me when the coffee beans are back"
    result = sort(
        rows((text, "a"), (f"hello my friend and neighbour {text} in the small box", "b"))
    )
    assert [(one.source, other.source) for one, other, _ in result.alike] == [("f:2", "f:1")]
    assert "%" in result.alike[0][2] or "holds" in result.alike[0][2]


@pytest.mark.parametrize("answers", [1, 3000])
def test_a_form_with_thousands_of_rows_stays_linear(answers: int) -> None:
    text = "hello there, could you please tell me when order {} will finally arrive at my house"
    pairs = [
        (text.format(70_000 + n), answer("late", f"{70_000 + n % answers}")) for n in range(3000)
    ]
    result = sort(rows(*pairs))
    assert len(result.kept) + len(result.near) + len(result.conflicts) == 3000


def test_the_result_is_the_same_in_every_process() -> None:
    code = (
        "import random; from engine.data.alike.duplicates import sort; from engine.data.rows import make\n"
        "r = random.Random(1); w = [f'w{n}ord' for n in range(60)]\n"
        "rows = [make(' '.join(r.choices(w, k=8)), str(n % 3)) for n in range(400)]\n"
        "f = sort(rows + [make(x.prompt[:-3], x.completion) for x in rows])\n"
        "print([x.id for x in f.kept], [(a.id, b.id) for a, b in f.near], f.related)"
    )
    told = [
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed},
                       capture_output=True, check=True).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert told[0] == told[1]
    assert len(told[0]) > 1000


def test_thresholds_are_those_that_the_data_spec_names() -> None:
    assert (duplicates.SAME, duplicates.RELATED) == (0.8, 0.5)
