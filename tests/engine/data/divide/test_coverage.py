from __future__ import annotations

import json
import random
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.errors import UsageError
from engine.data.divide.coverage import BANDS, Coverage, coverage, known, to_markdown
from engine.data.divide.edges import EDGES, case_of, found
from engine.data.rows import Row, Turn, make
from engine.data.subject.language import language


def edges_of(text: str, **more: object) -> set[str]:
    return set(found(case_of(make(text, "an answer", **more), foreign=False)))


def counted(rows: list[Row], *edges: str, least: int = 5) -> Coverage:
    return coverage(rows, edges=edges, least=least, languages=language)


YES = {
    "question": (
        "Where is my parcel?",
        "where is my parcel",
        "Is the shop open on Sunday",
        "Hello. Could you move my booking",
        "my lamp is broken, how do i send it back",
        "how much does it cost",
        "我的包裹在哪里",
        "這個要多少錢",
        "能不能退款",
        "可以改地址吗",
        "¿Dónde está mi paquete?",
        "هل الطلب جاهز؟",
    ),
    "negation": (
        "I have not got it",
        "it doesn't start",
        "it doesn’t start",
        "No, thanks",
        "an invoice without tax",
        "dont call me",
        "我没有收到",
        "不想要了",
        "無法登入",
        "别再打电话",
    ),
    "number": ("order 4711", "我要两个杯子", "٣ كتب", "we ordered 3 lamps"),
    "unit": (
        "it weighs 3 kg",
        "a 2.5m cable",
        "it cost $ 12",
        "€9.99 please",
        "it took 3 weeks",
        "20% off",
        "一共300元",
        "重5公斤",
        "等了3个月",
        "保修2年",
        "等了三个星期",
        "买两公斤米",
    ),
    "shouting": ("WHERE IS MY PARCEL", "GIVE ME MY MONEY BACK now", "ГДЕ МОЯ ПОСЫЛКА"),
    "emoji": ("thanks 😀", "I ❤️ it", "press 1️⃣", "🇫🇷", "好的👍"),
    "code": (
        "why does `x = 1` fail",
        "<div class='a'>hi</div>",
        'the reply was {"status": 500}',
        "def add(a, b):\n    return a + b",
        "run SELECT name FROM users",
        "see [the page](shop.html)",
        "x => x + 1",
    ),
    "address": (
        "see https://example.com/a?b=1",
        "www.example.com is down",
        "write to jo@example.com",
        "write to <EMAIL_1>",
        "look at <URL_2>",
    ),
    "several-lines": ("one\ntwo",),
    "very-short": ("help", "退款", ""),
    "very-long": ("word " * 1000, "字" * 2000),
}
NO = {
    "question": (
        "When I open the box it is empty.",
        "I know where it is.",
        "open https://example.com/?id=4",
        "what a mess",
        "我什么都知道。",
        "没什么，谢谢",
        "the parcel that you sent is here",
    ),
    "negation": (
        "I know another notebook",
        "see no. 5",
        "质量不错",
        "对不起",
        "特别喜欢",
        "差不多好了",
    ),
    "number": ("a few lamps", "一些杯子", "the key <SECRET_1>", "write to <EMAIL_1>"),
    "unit": (
        "order 4711",
        "call 555 1234",
        "2001年的事",
        "三月再说",
        "十分满意",
        "5 lamps",
        "room 12 minor",
    ),
    "shouting": (
        "My USB HDMI cable is broken",
        "NASA",
        "I AM here and the parcel is not",
        "我的USB HDMI线坏了",
    ),
    "emoji": ("thanks :-)", "好的", "5 # 3 *", "™ and © and →", "done ✓"),
    "code": (
        "the class starts: at nine",
        "import duty is high",
        "I want the item(s); today",
        "R&D pays",
        "a function of the price",
        "the name is <NAME_1>",
    ),
    "address": ("me @ home", "a.b.c", "the ratio is 3:4", "call <PHONE_1>"),
    "several-lines": ("one two", "one\n", "\n one"),
    "very-short": ("where is my parcel", "我的包裹在哪里呢现在"),
    "very-long": ("word " * 500, "字" * 1900),
}


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in YES.items() for t in texts])
def test_an_edge_case_is_seen(name: str, text: str) -> None:
    assert name in edges_of(text)


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in NO.items() for t in texts])
def test_what_only_looks_like_an_edge_case_is_not_counted(name: str, text: str) -> None:
    assert name not in edges_of(text)


def test_turns_count_and_lengthen() -> None:
    turns = (Turn("user", "字" * 1500), Turn("assistant", "字" * 600))
    assert {"several-turns", "very-long", "very-short"} <= edges_of("ok", history=turns)
    assert "several-turns" not in edges_of("ok")


def test_a_raw_text_is_told_by_the_text() -> None:
    assert "question" in found(case_of(make("", "Where is it?", form="text"), foreign=False))


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert edges_of(text) <= EDGES.keys()
    covered = coverage(
        [make(text, text, scenario=text)], edges=(), least=1, languages=lambda _: "x"
    )
    assert to_markdown(covered).count("\n") < 40
    assert json.dumps(covered.to_json())


@pytest.mark.parametrize(
    "unit",
    ["1", "1.", "{ ", "<a ", "f(", "\n", "a@", "(", "一二", "what ", "SELECT ", "n't ", "& "],
)
def test_no_text_takes_long(unit: str) -> None:
    text = (unit * 100_000)[:100_000]
    began = time.process_time()
    edges_of(text)
    assert time.process_time() - began < 0.1


ENGLISH = "I would like to know when the courier comes to our street number {}"
GERMAN = "Ich möchte gerne wissen, wann der Kurier in unsere Straße kommt, Nummer {}"


def test_a_text_too_short_to_tell_its_language_is_not_in_another_one() -> None:
    rows = [make(ENGLISH.format(n), "a") for n in range(3)]
    covered = counted([*rows, *(make(f"ok {n}", "a") for n in range(9))])
    assert covered.languages == {"und": 9, "en": 3}
    assert covered.edges["other-language"] == 0


def mixed() -> list[Row]:
    rows = [make(ENGLISH.format(n), "a", scenario=f"s{n % 3}") for n in range(60)]
    rows += [make(GERMAN.format(n), "a", scenario="s0") for n in range(7)]
    rows += [
        make(f"我想知道快递什么时候到我们这条街{n}号" * 8, "a", scenario="zh") for n in range(4)
    ]
    return rows


def test_the_counts_of_all_kinds_add_up() -> None:
    covered = counted(mixed())
    assert covered.rows == 71
    assert covered.scenarios == {"s0": 27, "s1": 20, "s2": 20, "zh": 4}
    assert covered.languages == {"en": 60, "de": 7, "zh": 4}
    assert covered.bands == {"short": 67, "medium": 4}
    assert covered.edges["other-language"] == 11
    assert covered.edges["number"] == 71
    assert covered.cells["s0", "short", "de"].rows == 7
    assert covered.cells["s0", "short", "de"].edges["other-language"] == 7


@given(st.lists(st.tuples(st.text(max_size=200), st.sampled_from("abc")), max_size=30))
def test_every_row_is_in_one_cell_and_no_edge_has_more_rows_than_there_are(
    made: list[tuple[str, str]],
) -> None:
    rows = [make(text, "a", scenario=name) for text, name in made]
    covered = coverage(rows, edges=(), least=3, languages=lambda text: text[:1])
    assert covered.rows == len(rows)
    assert covered.scenarios == Counter(name for _, name in made)
    plain = Counter(name for row in rows for name in found(case_of(row, foreign=False)))
    assert {k: n for k, n in covered.edges.items() if n and k != "other-language"} == plain
    for cell in covered.cells.values():
        assert all(0 < count <= cell.rows for count in cell.edges.values())


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("a" * 99, "short"),
        ("a" * 100, "medium"),
        ("a" * 500, "long"),
        ("字" * 49, "short"),
        ("字" * 50, "medium"),
        ("字" * 250, "long"),
    ],
)
def test_a_chinese_character_is_two_letters(text: str, band: str) -> None:
    assert counted([make(text, "a")]).bands == {band: 1}
    assert list(BANDS) == ["short", "medium", "long"]


def test_what_is_missing_is_said_with_the_count_and_the_way_out() -> None:
    covered = counted(mixed(), "emoji", "number", "negation", "emoji", least=6)
    scenario, emoji, negation = covered.missing
    assert scenario == (
        "1 scenario has fewer than 6 rows: zh (4); collect more, or give the rows the name of a "
        "scenario like it."
    )
    assert emoji == (
        "Edge case emoji (an emoji): 0 of 6 rows; add some, or take it out of `data: edges`."
    )
    assert negation.startswith("Edge case negation (not, never, without and the like): 0 of 6")
    assert {"emoji", "code", "shouting"} <= set(covered.absent)
    assert "number" not in covered.absent


def test_nothing_is_required_where_nothing_is_asked() -> None:
    rows = [make(ENGLISH.format(n), "a") for n in range(3)]
    assert counted(rows).missing == []
    assert counted(rows, least=0).missing == []
    assert counted([]).missing == []


def test_many_small_scenarios_make_one_sentence() -> None:
    rows = [make(f"p {n}", "a", scenario=f"s{n:03}") for n in range(200)]
    (sentence,) = counted(rows).missing
    assert sentence.startswith("200 scenarios have fewer than 5 rows: s000 (1), ")
    assert "and 195 more" in sentence
    assert len(sentence) < 200


def test_an_unknown_edge_case_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"no edge case questions \(did you mean question\?\)"
    ) as it:
        counted([], "questions")
    assert it.value.where == "data: edges"
    assert known(["emoji", "code", "emoji"]) == ("emoji", "code")


def test_the_tables_stay_readable() -> None:
    rows = [
        make(f"p {n}", "a", scenario=f"s{n % 60}" if n % 60 else "a|b\n" + "x" * 100)
        for n in range(300)
    ]
    text = to_markdown(counted(rows))
    lines = text.splitlines()
    assert "20 more scenarios have 5 rows or fewer each." in text
    assert sum(line.startswith(("| s", "| a\\|b")) for line in lines) <= 40 + 1 + len(EDGES)
    assert max(map(len, lines)) < 160
    tables = [line for line in lines if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables[: 2 + len(EDGES)]} == {4}
    assert len({line.replace("\\|", "").count("|") for line in tables[2 + len(EDGES) :]}) == 1
    assert all(f"| {name} |" in text for name in EDGES)


def test_wanted_edge_cases_are_the_columns() -> None:
    text = to_markdown(counted(mixed(), "negation", "emoji"))
    assert "| emoji (wanted) | an emoji | 0 |" in text
    assert "| languages | negation | emoji |" in text
    assert "| s0 | 27 | 27 | 0 | 0 | en 20, de 7 | 0 | 0 |" in text
    assert "| (none) |" in to_markdown(counted([make("hello", "a")]))


def test_no_rows_give_empty_tables() -> None:
    assert "| emoji | an emoji | 0 |" in to_markdown(counted([]))
    assert counted([]).to_json()["cells"] == []


def test_machines_get_every_count() -> None:
    content = json.loads(json.dumps(counted(mixed(), "emoji").to_json()))
    assert content["rows"] == sum(cell["rows"] for cell in content["cells"]) == 71
    assert content["edges"].keys() == EDGES.keys()
    assert len(content["missing"]) == 2


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = mixed()
    assert counted(rows) == counted(random.Random(1).sample(rows, len(rows)))
