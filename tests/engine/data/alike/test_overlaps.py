"""What a Jaccard does not see, and the hashes all of it stands on, against plain Python."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.data.alike import overlaps
from engine.data.alike.codes import Codes
from engine.data.alike.containment import contained
from engine.data.alike.duplicates import sort
from engine.data.alike.minhash import pieces
from engine.data.alike.normalise import normalise, shingles, stands_in, words
from engine.data.divide.ties import Ties
from engine.data.rows import Row, make

NUMBERED = [
    f"{word}{digit}" for digit in range(30) for word in ("box", "lamp", "courier", "kettle", "gift")
]
CHINESE = "我的包裹还没有到请帮查一下订单为什么显示签收昨天买咖啡机漏水想要退货怎么办理发票抬头写错了能不能改"


def rows(*pairs: tuple[str, str]) -> list[Row]:
    return [make(prompt, reply, source=f"f:{n}") for n, (prompt, reply) in enumerate(pairs, 1)]


def test_no_split_by_cluster_shares_a_passage_or_holds_a_prompt_of_another() -> None:
    some = random.Random(9)
    passages = [" ".join(some.choice(NUMBERED) for _ in range(14)) for _ in range(40)]
    passages += ["".join(some.choice(CHINESE) for _ in range(27)) for _ in range(20)]
    texts = []
    for number, passage in enumerate(passages * 2):
        around = [" ".join(some.choice(NUMBERED) for _ in range(25)) for _ in range(2)]
        texts.append(passage if number < 10 else f"{around[0]} {passage} {around[1]}")
    result = sort(rows(*[(text, f"{n}") for n, text in enumerate(texts)]))
    assert len(result.kept) == len(texts)
    groups = Counter(Ties(result.kept, result.related, []).roots)
    assert max(groups.values()) == 2
    assert len(groups) == len(passages)


def test_a_passage_of_a_form_relates_nothing() -> None:
    some = random.Random(10)
    form = " ".join(some.choice(NUMBERED) for _ in range(14))
    texts = [f"{' '.join(some.choice(NUMBERED) for _ in range(40))} {form} " + some.choice(NUMBERED)
             for _ in range(300)]  # fmt: skip
    assert not sort(rows(*[(text, f"{n}") for n, text in enumerate(texts)])).related


mixed = st.text(st.sampled_from("abc de 我的包裹 k๏ไทย7"), max_size=40).map(normalise)


@given(st.lists(mixed, min_size=1, max_size=6))
def test_hashed_pieces_are_the_shingles(texts: list[str]) -> None:
    hashes, offsets = pieces(Codes(texts))
    hashed = [set(hashes[a:b].tolist()) for a, b in pairwise(offsets)]
    assert [len(each) for each in hashed] == [len(shingles(text)) for text in texts]
    for one in range(len(texts)):
        common = len(shingles(texts[0]) & shingles(texts[one]))
        assert len(hashed[0] & hashed[one]) == common


def test_whole_prompts_within_others_are_all_found() -> None:
    some = random.Random(2)
    letters = ["ab", "cd", "efg", "h", "我", "的包"]
    texts = list(
        {normalise(" ".join(some.choices(letters, k=some.randint(6, 30)))) for _ in range(300)}
    )
    texts += [
        normalise(f"{some.choice(letters)} {text} {some.choice(letters)}") for text in texts[:40]
    ]
    texts = list(dict.fromkeys(texts))
    expected = {
        (one, other)
        for one, inner in enumerate(texts)
        for other, outer in enumerate(texts)
        if one != other and len(inner) >= 20 and stands_in(inner, outer)
    }
    found = set(zip(*(each.tolist() for each in contained(texts)), strict=True))
    assert expected <= found
    assert all(stands_in(texts[one], texts[other]) for one, other in found)


def test_runs_of_thirteen_words_are_all_found() -> None:
    some = random.Random(6)
    texts = list(
        {" ".join(some.choice(NUMBERED) for _ in range(some.randint(10, 40))) for _ in range(80)}
    )
    for number in range(0, 40, 2):
        tokens = words(texts[number + 40])[:20]
        texts[number] += " " + " ".join(tokens[: 12 + number % 4])
    grams: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for number, text in enumerate(texts):
        tokens = words(text)
        for place in range(len(tokens) - 12):
            grams[tuple(tokens[place : place + 13])].add(number)
    expected = {tuple(sorted(rows)) for rows in grams.values() if len(rows) == 2}
    found = set(zip(*(each.tolist() for each in overlaps.passages(texts)), strict=True))
    assert expected
    assert expected == found
