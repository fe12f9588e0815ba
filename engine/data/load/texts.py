"""What no text of a row may hold, and the text without it.

Everything else stays as it is, to the byte: no trimming, no normal form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

# One look that lets nearly every text pass; what it stops at is looked at properly.
_SUSPECT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff\ufffd\ud800-\udfff\u00c2-\u00f4]"
    r"|<[|｜/s]|\[/?INST|<(?:start|end)_of_turn|&amp;"
)
suspect = _SUSPECT.search

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ESCAPED = re.compile("[\udc80-\udcff]")
_HALF = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_TOKEN = re.compile(
    r"<[|｜][A-Za-z][\w▁-]{0,60}[|｜]>|</?s>|\[/?INST\]|<<SYS>>|<</SYS>>|<(?:start|end)_of_turn>"
)
_STRIKE = re.compile(r"<s>[^<]{1,2000}</s>")  # HTML's <s>struck out</s>
_ZERO_WIDTH = re.compile("[\u200b\u2060\ufeff]")
_NO_BLANKS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")  # there U+200B breaks lines
_LATIN = bytes(range(0x80, 0x100)).decode("cp1252", "replace")
# the character for each byte from 0x80 to 0xff, where UTF-8 was read as Windows or Latin text
_BYTE = {chr(byte): byte for byte in range(0x80, 0x100)} | {
    char: byte for byte, char in enumerate(_LATIN, start=0x80) if char != "\ufffd"
}
_NEXT = "".join(re.escape(char) for char, byte in _BYTE.items() if byte < 0xC0)
_MOJIBAKE = re.compile(f"(?<![A-ZÀ-Þ])(?:[Â-ß][{_NEXT}]|[à-ï][{_NEXT}]{{2}}|[ð-ô][{_NEXT}]{{3}})+")
_ENTITY = re.compile(r"&amp;(?=(?:amp|lt|gt|quot|apos|nbsp|#\d{1,6}|#x[0-9a-fA-F]{1,5});)")
_C1 = re.compile("[\x80-\x84\x86-\x9f]")


class Fault(NamedTuple):
    """Something that a text holds and may not.

    Attributes:
        what: Completes the sentence that begins with the text's name.
        fix: How to mend it.
        mended: Whether the returned text is mended.
    """

    what: str
    fix: str
    mended: bool = True


def examine(text: str) -> tuple[str, list[Fault]]:
    """Return the text without what it may not hold, and what that was."""
    faults: list[Fault] = []
    for find, change, fault in _CHECKS:
        if find(text):
            changed = change(text)
            if changed != text or not fault.mended:
                faults.append(fault)
                text = changed
    return text, faults


def _whole(text: str) -> str:
    """Join the halves of surrogate pairs that are whole together; remove lone ones."""
    joined = _PAIR.sub(
        lambda pair: chr(0x10000 + ((ord(pair[1]) - 0xD800) << 10) + (ord(pair[2]) - 0xDC00)),
        text,
    )
    return _HALF.sub("", joined)


def _unmixed(text: str) -> str:
    return _MOJIBAKE.sub(_reread, text)


def _reread(found: re.Match[str]) -> str:
    try:
        text = bytes(_BYTE[char] for char in found[0]).decode()
    except (UnicodeDecodeError, KeyError):
        return found[0]
    # one rare letter is more likely two signs after an accented one, as in French before »
    likely = len(text) > 1 or text < "\u0600" or "\u2000" <= text < "\u2c00" or text > "\uffff"
    return text if likely and text.isprintable() else found[0]


def _windows(text: str) -> str:
    return _C1.sub(lambda found: _LATIN[ord(found[0]) - 0x80].replace("\ufffd", ""), text)


def _without_tokens(text: str) -> str:
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"\0{len(kept) - 1}\0"

    bare = _TOKEN.sub("", _STRIKE.sub(keep, text.replace("\0", "")))
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], bare)


def _breaks_lines(text: str) -> bool:
    return _ZERO_WIDTH.search(text) is not None and not _NO_BLANKS.search(text)


Check = tuple[Callable[[str], object], Callable[[str], str], Fault]
_CHECKS: tuple[Check, ...] = (
    (
        _ESCAPED.search,
        lambda text: text,
        Fault("holds bytes that are not UTF-8", "Save the file as UTF-8.", mended=False),
    ),
    (
        _HALF.search,
        _whole,
        Fault("holds a control character, half of a surrogate pair", "Remove it."),
    ),
    (
        _CONTROL.search,
        lambda text: _CONTROL.sub("", text),
        Fault("holds a control character", "Remove it (often a NUL byte)."),
    ),
    (
        _MOJIBAKE.search,
        _unmixed,
        Fault("holds UTF-8 that was read as Latin text (mojibake)", "Read it again as UTF-8."),
    ),
    (
        _C1.search,
        _windows,
        Fault("holds control characters that were Windows quotes or dashes", "Read them so."),
    ),
    (
        lambda text: "\ufffd" in text,
        lambda text: text,
        Fault(
            "holds the replacement character U+FFFD: a letter was lost when it was exported",
            "Export it again as UTF-8, or remove the row.",
            mended=False,
        ),
    ),
    (
        _TOKEN.search,
        _without_tokens,
        Fault(
            "holds a control token of a chat template (such as <|...|> or (INST))",
            "Remove it; the template adds its own.",
        ),
    ),
    (
        _breaks_lines,
        lambda text: _ZERO_WIDTH.sub("", text),
        Fault("holds characters without width, or a byte order mark", "Remove them."),
    ),
    (
        _ENTITY.search,
        lambda text: _ENTITY.sub("&", text),
        Fault("holds HTML entities that were escaped twice", "Undo one escape."),
    ),
)
