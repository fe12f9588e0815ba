from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.data.normalise import Boilerplate, jaccard, normalise, shingles, target, words


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
    assert target('{"a": 1, "b": "X"}') == target('{"b":"x","a":1}')
    assert target("a+b") != target("a-b")


def test_the_instruction_before_every_prompt_is_left_out() -> None:
    instruction = "classify the following message of a customer"
    texts = [f"{instruction} number {n} {chr(97 + n)} asks for help" for n in range(26)]
    boilerplate = Boilerplate([*texts, "an odd one"])
    assert boilerplate.remove(texts[3]).startswith("3 d")
    assert boilerplate.remove("an odd one") == "an odd one"
