from __future__ import annotations

import pytest

from engine.data.load.texts import examine, suspect

FINE = [
    "été à la plage « oui »\u00a0: déjà\u00a0»",
    "«la liberté…»",
    "“AMANHÔ e «MANHû",
    "ÀÉÎ 5\u00a0€ – “so” it’s…",
    "กา\u200bแฟ",
    "👩\u200d👩\u200d👧 می\u200cخواهم",
    "if a < b and c > d: x[i] = <html> <section> <3",
    "<s>old price</s> new price",
    "AT&T, &amp; &lt;b&gt;",
    "a\tb\r\nc",
    "한국어 日本語 ภาษา",
]
MENDED = {
    "CafÃ© donâ€™t": "Café don’t",
    "æ—¥æœ¬èªž": "日本語",
    "ðŸ˜€ Â£5 Ð¿Ñ€Ð¸": "😀 £5 при",
    "it\x92s \x93so\x94": "it’s “so”",
    "a\0b\x07\x7f": "ab",
    "\ud83d\ude00": "😀",
    "x\ud800y": "xy",
    "hi<|im_end|>\n<|eot_id|>": "hi\n",
    "<｜User｜>hi": "hi",
    "[INST] hi [/INST] so</s>": " hi  so",
    "<<SYS>>be nice<</SYS>>": "be nice",
    "<start_of_turn>user": "user",
    "\ufeffa\u200bb\u2060c": "abc",
    "Tom &amp;amp; Ann &amp;lt;b&amp;gt; &amp;#39;": "Tom &amp; Ann &lt;b&gt; &#39;",
}


@pytest.mark.parametrize("text", FINE)
def test_text_of_any_language_stays_as_it_is(text: str) -> None:
    assert examine(text) == (text, [])


@pytest.mark.parametrize("text", MENDED)
def test_what_no_text_may_hold_is_taken_out(text: str) -> None:
    assert suspect(text)
    mended, faults = examine(text)
    assert mended == MENDED[text]
    assert faults
    assert all(fault.mended for fault in faults)


@pytest.mark.parametrize("text", ["lost \ufffd letter", "byte \udcff"])
def test_what_is_lost_cannot_be_mended(text: str) -> None:
    assert suspect(text)
    assert any(not fault.mended for fault in examine(text)[1])


@pytest.mark.parametrize("text", [*FINE, *MENDED])
def test_the_quick_look_lets_nothing_pass_that_the_slow_one_finds(text: str) -> None:
    assert suspect(text) or not examine(text)[1]
