"""E-mail addresses, URLs and IP addresses in a text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from engine.data.private.spans import Span, add, without

_LATIN = "A-Za-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
_EMAIL = re.compile(
    rf"(?<![{_LATIN}._%+-])[{_LATIN}_](?:[{_LATIN}._%+'-]{{0,63}})"
    rf"@(?:((?:[{_LATIN}](?:[{_LATIN}-]{{0,62}})\.)+(?:[A-Za-z]{{2,24}}|xn--[A-Za-z0-9-]{{2,40}}))"
    rf"(?![{_LATIN}])|[\u4e00-\u9fff{_LATIN}-]{{1,40}}\.(?:中国|公司|网络|网址|中國|香港|台灣))"
)
_HOST = rf"(?:[{_LATIN}](?:[{_LATIN}-]{{0,62}}[{_LATIN}])?\.)+"
_REST = r"(?::\d{1,5})?(?:[/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%|{}-]*)?"
_URL = re.compile(
    r"(?<![A-Za-z0-9])(?:https?|ftps?|sftp|wss?)://(?:[^\s/@]{1,80}@)?"
    rf"(?:{_HOST}[{_LATIN}-]{{2,40}}|localhost|\d{{1,3}}(?:\.\d{{1,3}}){{3}}|\[[0-9A-Fa-f:.]+\])"
    rf"{_REST}",
    re.IGNORECASE,
)
_WWW = re.compile(
    rf"(?<![A-Za-z0-9@.-])www\.{_HOST.replace('+', '*', 1)}[A-Za-z0-9-]+\.[A-Za-z]{{2,24}}"
    rf"(?![A-Za-z0-9]){_REST}",
    re.IGNORECASE,
)
# Endings of domains without www or http. Those of _WORDS are words as well.
_SURE = (
    "com net org edu gov mil biz io xyz eu uk de fr nl es pt ch dk se fi pl cz sk hu ro gr tr "
    "ua ru cn jp kr tw hk sg th vn ph au nz za br mx cl ar uy cy ee lv lt si hr bg lu ie ca gl tn "
    "ma eg ke ng il ae sa ir mt li asia travel museum academy agency consulting photography"
)
_WORDS = "it no be us me my am do ai co tv news world today live pro fm gg im pl la ly"
# These end names in code and of files, too: such a domain needs a path or `co` before it.
_CODE = (
    "is in at so to by as id name info int store shop site online tech cloud app dev blog website "
    "space py rs sh md cc ps"
)
_SURE_SET, _WORD_SET = frozenset(_SURE.split()), frozenset(_WORDS.split())
_BARE = re.compile(
    rf"(?<![{_LATIN}_@./\\-])((?:[A-Za-z0-9](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?\.){{1,4}})"
    rf"({'|'.join(f'{_SURE} {_WORDS} {_CODE}'.split())})(?![{_LATIN}_@-]|\.[A-Za-z0-9]){_REST}",
    re.IGNORECASE,
)
_CODE_OWNERS = ("self", "this", "cls", "np", "os", "sys", "obj", "event", "logger", "console")
_SECOND_LEVEL = re.compile(r"\.(?:co|com|org|net|ac|gov|edu|go|or|ne)\Z", re.IGNORECASE)
_TRAILING = ".,;:!?'\"*_~|&=#"
_IPV4 = re.compile(r"(?<![\w.-])(?<!\d[:,])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{3,39}(?:\d{0,3}(?:\.\d{1,3}){3})?(?![\w:])", re.ASCII)
_VERSION_WORD = re.compile(
    r"(?:versions?|ver|v|release|build|firmware|driver|upgrade(?:d)? to|update(?:d)? to|section"
    r"|chapter|clause|chrome|chromium|版本|版本号|第)s?[ :=/.\"'(]*\Z",
    re.IGNORECASE,
)


def emails(text: str) -> Iterator[Span]:
    """Yield the e-mail addresses of a plain text."""
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        if match[0].startswith("git@") and text[match.end() : match.end() + 1] == ":":
            continue
        yield Span("EMAIL", *match.span())


def urls(text: str) -> Iterator[Span]:
    """Yield the URLs of a plain text: with a scheme, with `www.`, or a bare domain."""
    if "." not in text and "://" not in text:
        return
    found: list[Span] = []
    for pattern, hint in ((_URL, "://"), (_WWW, "www.")):
        if hint in text.lower():
            matches = pattern.finditer(text)
            add(found, (Span("URL", m.start(), _trimmed(text, *m.span())) for m in matches))
    yield from found
    for match in _BARE.finditer(without(text, found)):
        if _is_domain(match, text):
            yield Span("URL", match.start(), _trimmed(text, match.start(), match.end()))


def _trimmed(text: str, start: int, end: int) -> int:
    """Return where a URL ends that a sentence's punctuation or bracket follows."""
    while end > start:
        last = text[end - 1]
        if last in _TRAILING or (
            last in ")]}"
            and text.count(last, start, end)
            > text.count({")": "(", "]": "[", "}": "{"}[last], start, end)
        ):
            end -= 1
        else:
            break
    return end


def _is_domain(match: re.Match[str], text: str) -> bool:
    owner, ending = match[1][:-1], match[2]
    labels = owner.split(".")
    after = text[match.end() : match.end() + 1]
    if after in ("(", "[") or labels[0] in _CODE_OWNERS or len(labels[-1]) < 2:
        return False
    if ending != ending.lower() and ending.lower() not in ("com", "net", "org"):
        return False  # an abbreviation, or a sentence whose blank is missing
    ending = ending.lower()
    if ending in _SURE_SET:
        return True
    rest = text[match.end(2) : match.end()]
    if "/" in rest or _SECOND_LEVEL.search(owner):
        return True
    camel = re.search(r"[a-z][A-Z]", owner) is not None
    if ending not in _WORD_SET:
        return camel and ending in ("is", "in", "at")
    shaped = len(labels) > 1 or camel or "-" in owner
    return shaped or not re.match(r" ?[a-z=]", text[match.end() :])


def ips(text: str) -> Iterator[Span]:
    """Yield the IP addresses of a plain text, versions 4 and 6."""
    if text.count(".") >= 3:
        for match in _IPV4.finditer(text):
            named = _VERSION_WORD.search(text, max(0, match.start() - 20), match.start())
            if not named and _is_ip(match[0]):
                yield Span("IP", *match.span())
    if text.count(":") >= 2:
        for match in _IPV6.finditer(text):
            start, end = match.span()
            while end > start and text[end - 1] == ":" and text[end - 2 : end] != "::":
                end -= 1
            value = text[start:end]
            groups = [group for group in value.split(":") if group]
            told = len(groups) >= 3 or any(len(group) >= 3 for group in groups)
            if value.count(":") >= 2 and told and len(groups) >= 2 and _is_ip(value):
                yield Span("IP", start, end)


def _is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
