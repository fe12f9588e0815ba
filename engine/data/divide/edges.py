"""Edge cases that a rule can tell from the text of a row. Each rule reads what the user says.

Wording is looked at in English and Chinese (either script); signs, figures and forms in all
languages. A row without any of them may still be a hard one: no rule tells irony, a typing error
or a question out of scope.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from string import digits
from typing import NamedTuple

from engine.data.alike.normalise import UNSPACED_RANGES
from engine.data.rows import Row

_READ = 2000  # characters of a text that the rules read
_SHORT, _LONG = 15, 4000  # letters
_MASKED = re.compile(r"<[A-Z][A-Z_]*_\d+>")

_UNSPACED = re.compile(f"[{''.join(f'{chr(a)}-{chr(z)}' for a, z in UNSPACED_RANGES)}]+")
_TOKEN = re.compile("[a-z]+")
_STOP = re.compile(r"[.!\n]\s{0,3}")
_MARK = re.compile(r"\?(?![\w=&%])")
_WH = frozenset(("who", "what", "when", "where", "why", "how", "which"))
_ASKED = re.compile(
    r"\b(?:who|what|when|where|why|how|which)(?:['’]s|\s+(?:is|are|was|were|do|does|did|can|could"
    r"|should|would|will|has|have))\s+(?:i|you|we|they|he|she|it|the|this|that|there|my|your|an?)\b"
)
_OPENING = re.compile(
    r"\s{0,3}(?:(?:what(?!\s+an?\b)|who|whose|where|why|which|how(?!\s+\w+[.!])"
    r"|can|could|does|did|is|are|am|was|were|should|would)\s+\w"
    r"|(?:do|will|may|has|have)\s+(?:i|you|we|they|he|she|it|there|this|that|the|my|your|any\w*)\b)"
)
_ASKING_ZH = re.compile("[吗嗎呢什怎何否哪谁誰多几幾不没沒]")  # where a question's word may stand
_QUESTION_ZH = re.compile(
    "[吗嗎]|呢(?:$|[。.!！\n])|什[么麼](?![都也])(?<![没沒]什.)|怎[么麼样樣]|何(?<=[为為如]何)"
    "|否(?<=[是能可]否)|哪[里裡儿兒个個些种種位天家年类類方]|[谁誰](?![都也])|多[少久大长長]"
    "|[几幾][个個点點天号號时時]|[不没沒](?<=(.)[不没沒])\\1"
)
_NO = re.compile(r"\bno\b(?!\.?\s?\d)")  # but not `no. 5`
_NEGATIONS = frozenset((
    "not", "never", "none", "nothing", "nobody", "nowhere", "neither", "nor", "cannot", "without",
    "cant", "dont", "didnt", "doesnt", "isnt", "wasnt", "wont",
))  # fmt: skip
_CONTRACTED = re.compile(r"n['’]t\b")
_NO_ZH = re.compile("[不没沒无無未勿别別非]")  # where a negation may stand; `A不A` asks
_NEGATION_ZH = re.compile(
    "不(?![错錯但仅僅过過只同断斷管论論少久如]|好意思|客[气氣])(?<!差不)(?!(?<=[对對了]不)起)(?!(?<=(.)不)\\1)"
    "|[没沒](?![关關][系係]|事)(?!(?<=(.)[没沒])\\2)|[无無](?![论論线線])|未(?![来來])|勿"
    "|[别別](?![人称稱名致的])(?<![特分区區级級性类類个個识識告差鉴鑑辨][别別])|非(?<=[并並绝絕]非)"
)
_DIGIT = re.compile(r"\d")
_COUNTED = re.compile("[二两三四五六七八九十百千][个個条條件天年次元块塊岁歲点點]")
_UNIT = re.compile(
    r"\d[\s-]?(?:(?:[kmcµ]?m|k?g|mg|m?l|km/h|mph|lbs?|oz|ft|inch(?:es)?|miles?|[kmgt]i?b|[km]?w"
    r"|kwh|[km]?hz|m?v|m?ah|px|dpi|h|hrs?|hours?|min|mins|minutes?|s|secs?|seconds?|ms|days?|weeks?"
    r"|months?|years?|usd|eur|gbp|cny|rmb|dollars?|euros?|pounds?|percent|degrees?)(?![^\W_])"
    r"|[%‰°℃℉€£¥$元块塊角分斤克吨噸米里升天周週岁歲度秒]|公[斤里尺分升克]|[千毫厘]米|毫升|小[时時]|分[钟鐘]"
    r"|[个個](?:月|星期|小[时時])|美元|英[镑鎊]|年(?<!\d{4}年))"
)
_UNIT_ZH = re.compile(
    "[二两三四五六七八九十百千万萬半](?:[个個]?(?:星期|小[时時])|[个個]月|分[钟鐘]|[天年周週元块塊斤克米升岁歲度]"
    "|公[斤里尺分升克]|[千毫厘]米|毫升|美元|英[镑鎊])"
)
_PRICE = re.compile(r"[$€£¥₹]\s?\d")
_CAPITALS = frozenset(
    map(chr, (*range(65, 91), *range(0xC0, 0xDF), *range(0x391, 0x3AA), *range(0x400, 0x430)))
)
_WORD = re.compile("[A-Za-zÀ-ɏͰ-ϿЀ-ӿ]{2,}")  # scripts with capitals
_EMOJI = re.compile(
    "[\U0001f1e6-\U0001f1ff\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7ff"
    "\U0001f900-\U0001faff\u231a\u231b\u23e9-\u23f3\u2614\u2615\u2639\u263a\u2648-\u2653\u267f"
    "\u2693\u26a1\u26aa\u26ab\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2-\u26f5\u26fa\u26fd"
    "\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2764\u2795-\u2797\u2b50\u2b55]"
    "|[\u2600-\u27bf]\ufe0f|[\\d#*]\ufe0f?\u20e3"
)
_EMOJI_ZONE = re.compile("[\u20e3\u231a-\u2bff\U0001f1e6-\U0001faff]")
_CODE_SIGNS = frozenset("`<&{#=;>]$")
_CODE_WORDS = ("import ", "def ", "fn ", "class ", "SELECT")
_CODE = re.compile(
    r"```|`[^`\n]+`|</?[a-zA-Z][\w-]*(?:\s[^<>]*)?/?>|&(?:[a-z]{2,6}|#\d+);|\{\s*\"[^\"\n]*\"\s*:|\]\([^()\s]+\)"
    r"|^#{1,6}\s\S|\b(?:(?:def|fn)\s+\w+\s*\(|function\s*\w*\(|class\s+[A-Z]\w*[({:])"
    r"|\b\w+\([^()\n]*\)[ \t]*(?:;[ \t]*$|\{)|[=!]=|=>|\w->\w"
    r"|^[ \t]{0,8}(?:import\s+[\w.]+$|from\s+[\w.]+\s+import\b|#include\b|\$\s\w)"
    r"|\bSELECT\b.{1,200}\bFROM\b",
    re.MULTILINE,
)
_ADDRESS = re.compile(r"https?://|\bwww\.\w|[\w+-]@[\w-]+\.\w|<(?:URL|EMAIL)(?:_ADDRESS)?_\d+>")


class Case(NamedTuple):
    """What the rules read of a row.

    Attributes:
        row: The row.
        text: The last message, or the raw text; without placeholders of masked values, cut.
        low: The same in lower case.
        words: The different words of unaccented Latin letters in it.
        signs: The different characters in it.
        letters: The length of the last message; see `letters`.
        foreign: Whether it is in another language than most rows.
    """

    row: Row
    text: str
    low: str
    words: frozenset[str]
    signs: frozenset[str]
    letters: int
    foreign: bool


def spoken(row: Row) -> str:
    """Return what a row's case is told by: the last message to the model, or the raw text."""
    return row.completion if row.form == "text" else row.prompt


def letters(text: str) -> int:
    """Return a text's length in letters; a character of a script without blanks counts as two."""
    return len(text) + (0 if text.isascii() else _unspaced(text[:_LONG]))


def _unspaced(text: str) -> int:
    return sum(map(len, _UNSPACED.findall(text)))


def case_of(row: Row, *, foreign: bool) -> Case:
    """Return what the rules read of a row."""
    said = spoken(row)
    text = said[:_READ]
    if "<" in text:
        text = _MASKED.sub(" ", text)
    low = text.lower()
    return Case(
        row, text, low, frozenset(_TOKEN.findall(low)), frozenset(text), letters(said), foreign
    )


def found(case: Case) -> list[str]:
    """Return the names of the edge cases that a row is."""
    return [name for name, (_, rule) in EDGES.items() if rule(case)]


def _very_short(case: Case) -> bool:
    return case.letters < _SHORT


def _very_long(case: Case) -> bool:
    return case.letters + sum(letters(turn.content) for turn in case.row.history) >= _LONG


def _several_lines(case: Case) -> bool:
    return "\n" in case.signs and "\n" in case.text.strip()


def _several_turns(case: Case) -> bool:
    return bool(case.row.history)


def _question(case: Case) -> bool:
    if "?" in case.signs and _MARK.search(case.low):
        return True
    if "？" in case.signs or "؟" in case.signs:
        return True
    if not case.text.isascii() and _stands(_QUESTION_ZH, _ASKING_ZH, case.text):
        return True
    if not case.words.isdisjoint(_WH) and _ASKED.search(case.low):
        return True
    starts = (0, *(stop.end() for stop in _STOP.finditer(case.low)))
    return any(_OPENING.match(case.low, start) for start in starts)


def _negation(case: Case) -> bool:
    words = case.words
    if not words.isdisjoint(_NEGATIONS) or ("no" in words and _NO.search(case.low)):
        return True
    if "t" in words and _CONTRACTED.search(case.low):
        return True
    return not case.text.isascii() and _stands(_NEGATION_ZH, _NO_ZH, case.text)


def _stands(words: re.Pattern[str], places: re.Pattern[str], text: str) -> bool:
    """Search for words at some places only, which is five times as fast."""
    return any(words.match(text, place.start()) for place in places.finditer(text))


def _number(case: Case) -> bool:
    if case.text.isascii():
        return not case.signs.isdisjoint(digits)
    return bool(_DIGIT.search(case.text) or _COUNTED.search(case.text))


def _unit(case: Case) -> bool:
    if not case.signs.isdisjoint(digits) and (_UNIT.search(case.low) or _PRICE.search(case.low)):
        return True
    return not case.text.isascii() and bool(_UNIT_ZH.search(case.text))


def _shouting(case: Case) -> bool:
    if len(case.signs & _CAPITALS) < 3:
        return False
    words = _WORD.findall(case.text)
    loud = [word for word in words if word.isupper()]
    if len(loud) < 2 or 2 * len(loud) <= len(words) or max(map(len, loud)) < 4:
        return False
    return sum(map(len, loud)) > 2 * _unspaced(case.text)


def _emoji(case: Case) -> bool:
    if case.text.isascii() or not _EMOJI_ZONE.search(case.text):
        return False
    return bool(_EMOJI.search(case.text))


def _code(case: Case) -> bool:
    if case.signs.isdisjoint(_CODE_SIGNS) and not any(word in case.text for word in _CODE_WORDS):
        return False
    return bool(_CODE.search(case.text))


def _address(case: Case) -> bool:
    said = spoken(case.row)[:_READ]
    if "@" in said or "://" in said or "www." in said or "<" in said:
        return bool(_ADDRESS.search(said))
    return False


def _other_language(case: Case) -> bool:
    return case.foreign


# name -> what it means, and the rule
EDGES: dict[str, tuple[str, Callable[[Case], bool]]] = {
    "very-short": (f"fewer than {_SHORT} letters: two or three words", _very_short),
    "very-long": (f"{_LONG:,} letters or more, earlier turns included", _very_long),
    "several-lines": ("more than one line", _several_lines),
    "several-turns": ("a conversation with earlier turns", _several_turns),
    "question": ("a question mark, or the wording of a question", _question),
    "negation": ("not, never, without and the like", _negation),
    "number": ("figures, or counted things in Chinese", _number),
    "unit": ("a number with a unit or a currency", _unit),
    "shouting": ("most words in capitals", _shouting),
    "emoji": ("an emoji", _emoji),
    "code": ("program code, markup or JSON", _code),
    "address": ("a web or e-mail address, masked ones too", _address),
    "other-language": ("another language than most rows have", _other_language),
}
