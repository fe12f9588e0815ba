"""The text metrics against the libraries that define them, and in scripts without blanks."""

import random
import re
import string

import pytest
from sacrebleu.metrics.chrf import CHRF

from engine.score.metrics import texts

WORDS = [
    "the",
    "a",
    "an",
    "of",
    "coffee",
    "grinder",
    "order",
    "is",
    "not",
    "was",
    "late",
    "Late",
    "4711",
    "3.5",
    "don't",
    "e-mail",
    "(new)",
    "U.S.",
    "x_y",
]


def pairs(seed, count=400):
    drawn = random.Random(seed)
    for _ in range(count):
        one = [drawn.choice(WORDS) for _ in range(drawn.randrange(0, 14))]
        other = [word for word in one if drawn.random() < 0.7]
        other += [drawn.choice(WORDS) for _ in range(drawn.randrange(0, 5))]
        if drawn.random() < 0.5:
            drawn.shuffle(other)
        yield drawn.choice((" ", "  ", ", ")).join(one), " ".join(other)


def squad_f1(expected, answer):
    """Return the F1 as the SQuAD paper defines it, by precision and recall, written anew."""

    def tokens(text):
        text = "".join(c for c in text.lower() if c not in string.punctuation)
        return [word for word in text.split() if word not in {"a", "an", "the"}]

    gold, said = tokens(expected), tokens(answer)
    if not gold or not said:
        return float(gold == said)
    left, shared = list(gold), 0
    for word in said:
        if word in left:
            left.remove(word)
            shared += 1
    if not shared:
        return 0.0
    precision, recall = shared / len(said), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def test_word_f1_is_that_of_squad():
    for expected, answer in pairs(1):
        assert texts.token_f1(expected, answer) == pytest.approx(squad_f1(expected, answer))


def test_rouge_l_is_that_of_rouge_score():
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    compared = 0
    for expected, answer in pairs(2):
        if texts.words(expected) and texts.words(answer):
            wanted = scorer.score(expected, answer)["rougeL"].fmeasure
            assert texts.rouge_l(expected, answer) == pytest.approx(wanted)
            compared += 1
    assert compared > 300


def test_rouge_l_of_long_texts_is_that_of_the_table():
    drawn = random.Random(3)
    for length in (1, 63, 64, 65, 300):
        one = [drawn.choice("abcdefg") for _ in range(length)]
        other = [drawn.choice("abcdefg") for _ in range(length + 7)]
        row = [0] * (len(other) + 1)
        for word in one:
            before = row
            row = [0]
            for at, candidate in enumerate(other):
                hit = before[at] + 1 if word == candidate else 0
                row.append(max(hit, before[at + 1], row[-1]))
        wanted = 2 * row[-1] / (len(one) + len(other))
        assert texts.rouge_l(" ".join(one), " ".join(other)) == pytest.approx(wanted)


def test_chrf_is_that_of_sacrebleu():
    for expected, answer in pairs(4, 100):
        if expected.strip() and answer.strip():
            wanted = CHRF().sentence_score(answer, [expected]).score / 100
            assert texts.chrf(expected, answer) == pytest.approx(min(1, wanted))


@pytest.mark.parametrize("metric", [texts.token_f1, texts.rouge_l, texts.chrf])
@pytest.mark.parametrize(
    "text",
    [
        "你好世界",
        "コーヒーが届かない",
        "กาแฟของฉัน",
        "Привет, мир",
        "नमस्ते दुनिया",
        "مرحبا بالعالم",
        "커피 주문",
        "I",
    ],
)
def test_equal_texts_of_any_script_score_one_and_half_of_one_scores_between(metric, text):
    assert metric(text, text) == pytest.approx(1)
    assert metric(text, "???") == 0
    if len(text) > 3:
        assert 0 < metric(text * 2, text + "zzzz") < 1


def test_chinese_is_compared_by_characters_and_devanagari_keeps_its_vowels():
    assert texts.words("退款 4711。") == ["退", "款", "4711"]
    assert texts.token_f1("北京大学", "北京") == pytest.approx(2 / 3)
    assert texts.words("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]
    assert texts.words("x_y Ｆｕｌｌ") == ["x", "y", "full"]


@pytest.mark.parametrize(
    ("expected", "answer", "found"),
    [
        ("three years", "It is Three Years, from the day of purchase.", 1),
        ("Three years.", "three years", 1),
        ("three years", "three long years", 0),
        ("art", "the start", 0),
        ("3", "3.5 bar", 0),
        ("5", "3.5 bar", 0),
        ("3.5", "up to 3.5 bar", 1),
        ("3.5", "13.5", 0),
        ("4", "-4 degrees", 0),
        ("-4", "it is -4 now", 1),
        ("4", "from 3-4 days", 1),
        ("10:30", "at 10:30.", 1),
        ("10:3", "at 10:30.", 0),
        ("1,000", "costs 1,000 euros", 1),
        ("1", "costs 1,000 euros", 0),
        ("北京", "首都是北京。", 1),
        ("北京", "首都是南京。", 0),
        ("New York", "in New-York", 1),
        ("no", "I do not know", 0),
        ("", "", 1),
        ("", "something", 0),
        ("something", "", 0),
    ],
)
def test_a_short_answer_is_found_as_whole_words_and_numbers(expected, answer, found):
    assert texts.contains(expected, answer) == found


def test_the_length_ratio_is_one_for_equal_lengths_whichever_is_longer():
    assert texts.length_ratio("a b c d", "x y z w") == 1
    assert texts.length_ratio("a b", "a b c d") == texts.length_ratio("a b c d", "a b") == 0.5
    assert (texts.length_ratio("", ""), texts.length_ratio("a", "")) == (1, 0)


def test_no_text_is_slow_to_compare():
    import time

    began = time.perf_counter()
    for nasty in ("a" * 20_000, "a, " * 20_000, "-" * 20_000, "1." * 20_000, "的" * 20_000):
        for metric in (texts.token_f1, texts.rouge_l, texts.contains, texts.length_ratio):
            metric(nasty, nasty[1:])
    assert time.perf_counter() - began < 20
    assert not re.search(r"\s", "".join(texts.words("a\u2003b\u00a0c")))
