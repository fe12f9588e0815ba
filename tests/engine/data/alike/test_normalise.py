from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.data.alike.normalise import (
    Boilerplate,
    canonical,
    fives,
    jaccard,
    normalise,
    phrases,
    question,
    shingles,
    signs,
    stands_in,
    target,
    weight,
    words,
)
from engine.data.rows import Turn, make


def test_case_punctuation_width_and_blanks_do_not_matter() -> None:
    assert normalise("  Where’s\tmy PARCEL?!") == normalise("where's my parcel")
    assert normalise("ＡＢＣ１２３") == "abc123"
    assert normalise("Straße") == normalise("STRASSE")


def test_texts_without_words_are_not_all_the_same() -> None:
    assert normalise("👍") != normalise("👎")


def test_chinese_is_compared_by_characters() -> None:
    one = shingles(normalise("我的包裹还没有到，请帮我查一下"))
    other = shingles(normalise("我的包裹还没有到，请帮忙查一下"))
    assert 0.2 < jaccard(one, other) < 1
    assert words(normalise("我要退货 order 12345")) == ["我", "要", "退", "货", "order", "12345"]


@given(st.text(max_size=80))
def test_normalising_twice_changes_nothing_and_pieces_are_never_empty(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert shingles(once)


def test_json_answers_are_equal_whatever_the_order_of_their_keys() -> None:
    assert canonical('{"a": 1, "b": "X"}') == canonical('{"b":"x","a":1}')
    assert canonical("a+b") != canonical("a-b")


def test_the_instruction_before_every_prompt_is_left_out() -> None:
    instruction = "classify the following message of a customer"
    texts = [f"{instruction} number {n} {chr(97 + n)} asks for help" for n in range(26)]
    boilerplate = Boilerplate([*texts, "an odd one"])
    assert boilerplate.remove(texts[3]).startswith("3 d")
    assert boilerplate.remove("an odd one") == "an odd one"


def test_blanks_and_commas_mean_nothing_in_scripts_without_blanks() -> None:
    assert normalise("我的包裹， 还没有到 ！") == normalise("我的包裹还没有到")
    assert normalise("我买了 iPhone 15 手机") == normalise("我买了iPhone 15手机")
    assert normalise("ที่ นี่") == normalise("ที่นี่")


def test_vowel_signs_are_parts_of_words() -> None:
    assert normalise("हिन्दी") != normalise("हन्द")
    assert len(normalise("हिन्दी भाषा").split()) == 2


def test_apostrophes_may_be_left_out() -> None:
    assert normalise("Where's Ann’s parcel") == normalise("wheres anns parcel")


def test_pieces_of_chinese_are_shorter_than_those_of_english() -> None:
    assert shingles("我要退货") == {"我要", "要退", "退货"}
    assert shingles("parcel") == fives("parcel") == {"parce", "arcel"}
    assert shingles("退ab") == {"退a", "ab", "b"}
    assert weight("退ab") == 4


def test_phrases_begin_with_words() -> None:
    assert phrases("where is my parcel") == {"where is", "is my pa", "my parce"}
    assert phrases("我要退货吗") == {"我要退货", "要退货吗"}
    assert phrases("hi") == {""}


def test_a_part_stands_in_whole_words_only() -> None:
    assert stands_in("my car", "is my car here")
    assert not stands_in("my car", "is my card here my cart")
    assert stands_in("退货", "我要退货吗")
    assert stands_in("70012", "我的订单70012还没到")
    assert not stands_in("7001", "我的订单70012还没到")


def test_signs_are_what_punctuation_is_not() -> None:
    assert signs("Is 3+4 < 8, or -2?") == "+<-"
    assert signs("Well, “yes”; (no) – maybe…") == ""
    assert signs("👍 great!") == "👍"


def test_what_a_row_asks_and_teaches_depends_on_its_form() -> None:
    history = (Turn("user", "Hello!"), Turn("assistant", "Yes?"))
    assert question(make("My car", "a", history=history, system="be kind")) == "hello yes my car"
    assert question(make("", "A text.", form="text")) == "a text"
    assert target(make("", "A text.", form="text")) == ""
    both = (
        make("q", "A", rejected="B", form="preference"),
        make("q", "B", rejected="A", form="preference"),
    )
    assert target(both[0]) != target(both[1])
    assert target(make("q", "a", form="feedback")) != target(
        make("q", "a", form="feedback", label=False)
    )


def numbered(count: int) -> list[str]:
    names = ["red", "blue", "green", "old", "new", "small", "large", "odd", "even", "flat"]
    return [f"{names[n % 10]} {names[n // 10 % 10]} box {n}" for n in range(count)]


def test_several_instructions_are_found_though_few_rows_have_them() -> None:
    one = "you are an assistant of a shop for garden tools please answer what the customer asks "
    two = "translate the following sentence into the language that stands at its end and be brief "
    texts = [
        *numbered(900),
        *(one + text for text in numbered(60)),
        *(two + text for text in numbered(40)),
    ]
    boilerplate = Boilerplate(texts)
    for start in (one, two):
        for text in numbered(40):
            assert boilerplate.parts(start + text)[:2] == (start, text)
    assert all(boilerplate.remove(text) == text for text in numbered(900))


def test_an_instruction_in_chinese_and_one_behind_the_text_are_found() -> None:
    start, end = (
        "你是一家网上商店的客服助理请用中文简短而有礼貌地回答下面这位顾客提出的问题",
        " answer with one word only please",
    )
    some = ["红", "蓝", "绿", "旧", "新"]
    texts = [
        start + some[n % 5] + some[n // 5 % 5] + some[n // 25 % 5] + "盒子" for n in range(100)
    ]
    assert Boilerplate(texts).parts(texts[7])[0] == start
    assert (
        Boilerplate([text + end for text in numbered(100)]).remove("red blue" + end) == "red blue"
    )


def test_beginnings_of_ordinary_questions_are_no_instruction() -> None:
    texts = [*(f"how do i change the {text}" for text in numbered(30)), *numbered(300)]
    assert Boilerplate(texts).remove(texts[3]) == texts[3]
