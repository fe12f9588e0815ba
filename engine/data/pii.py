"""Personal data that has a form: e-mail addresses, phone numbers, payment cards, IBANs.

Patterns with validators, not a model: fast, offline and nearly without false alarms. Names and
postal addresses have no form and are not found; the data spec says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """A finding in a text: its kind (as in `<EMAIL_1>`) and its place."""

    kind: str
    start: int
    end: int


_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,63})"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.)+[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
_CARD = re.compile(r"(?<![\dA-Za-z])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\dA-Za-z])")
_CARD_ISSUER = re.compile(
    r"(?:4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d)\d{12}|35\d{14}|62\d{14,17})\Z"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
# countries by length, from the IBAN registry (SWIFT, ISO 13616)
_IBAN_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "PT ST",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
}
_IBAN_LENGTHS = {
    country: length for length, some in _IBAN_COUNTRIES.items() for country in some.split()
}
# Each form is one that people write phone numbers in; bare runs of digits are order numbers.
_PHONE = re.compile(
    r"(?<![\w.,/#+-])(?<!\b\d{4} )(?:"  # not inside a card or an IBAN, in blocks of four
    r"(?:\+|00)[1-9](?:[ .\-/]?(?:\d|\(\d{1,4}\))){6,16}"  # international
    r"|(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}"  # North America
    r"|(?:0\d{1,5}|\(0\d{1,5}\))(?:[ /-]\d{2,8}){1,5}"  # national, with its leading nought
    r"|0[1-9]\d{8,9}"
    r"|1[3-9]\d(?:[ -]?\d{4}){2}"  # Chinese mobile
    r"|\d{3}-\d{4}"
    r")(?![\w#]|[.,/-]\d)",
    re.ASCII,
)
# These are phone numbers only beside a word that says so.
_BARE = re.compile(r"(?<![\w.,/#+-])\d{3}[ .]?\d{3,4}[ .]?\d{0,4}(?![\w#]|[.,/-]\d)", re.ASCII)
_PHONE_WORD = re.compile(
    r"(?:call|phone|tel|telephone|mobile|cell|whatsapp|text me|ring|reach me|dial"
    r"|\u7535\u8bdd|\u624b\u673a)\b[^\d\n]{0,24}\Z",
    re.IGNORECASE,
)
_NOT_PHONE_WORD = re.compile(
    r"(?:order|ord|parcel|ticket|invoice|ref|reference|tracking|case|serial|sku|item|no\.?|nr\.?)"
    r"[ :.#]*(?:number|no\.?|nr\.?|id)?[ :.#]*\Z",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:\d{4}[-/. ]\d{1,2}[-/. ]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ](?:\d{4}|\d{2}))\Z", re.ASCII
)
_CONTEXT = 40  # characters before a number that may name it


def find(text: str) -> list[Span]:
    """Return the personal data in a text, in order, without overlaps."""
    spans: list[Span] = []
    if "@" in text:
        spans += [Span("EMAIL", *match.span()) for match in _EMAIL.finditer(text)]
    if any(digit in text for digit in "0123456789"):
        for finder in (_ibans, _cards, _phones, _named_phones):
            spans += [span for span in finder(text) if not _overlaps(span, spans)]
    return sorted(spans, key=lambda span: span.start)


def key(kind: str, value: str) -> str:
    """Return what makes two spellings of one value the same (`+44 77` and `+4477`)."""
    if kind in ("PHONE", "CARD", "IBAN"):
        return "".join(filter(str.isalnum, value)).removeprefix("00").upper()
    return value.casefold() if kind == "EMAIL" else value


def _cards(text: str) -> Iterator[Span]:
    for match in _CARD.finditer(text):
        digits = "".join(filter(str.isdigit, match[0]))
        if _CARD_ISSUER.match(digits) and _luhn(digits):
            yield Span("CARD", *match.span())


def _luhn(digits: str) -> bool:
    values = [int(digit) for digit in reversed(digits)]
    doubled = [sum(divmod(2 * value, 10)) for value in values[1::2]]
    return (sum(values[::2]) + sum(doubled)) % 10 == 0


def _ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[0][:2], 0)
        places = [i for i, character in enumerate(match[0]) if character != " "]
        if not 0 < length <= len(places):
            continue
        end = match.start() + places[length - 1] + 1
        compact = text[match.start() : end].replace(" ", "")
        number = int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4]))
        if number % 97 == 1 and not text[end : end + 1].isalnum():
            yield Span("IBAN", match.start(), end)


def _phones(text: str) -> Iterator[Span]:
    for match in _PHONE.finditer(text):
        digits = sum(map(str.isdigit, match[0]))
        if not 7 <= digits <= 15 or (digits < 9 and match[0].startswith("0")):
            continue
        if not _DATE.match(match[0]) and not _said(_NOT_PHONE_WORD, text, match.start()):
            yield Span("PHONE", *match.span())


def _named_phones(text: str) -> Iterator[Span]:
    for match in _BARE.finditer(text):
        long_enough = 7 <= sum(map(str.isdigit, match[0])) <= 11
        if long_enough and _said(_PHONE_WORD, text, match.start()) and not _DATE.match(match[0]):
            yield Span("PHONE", *match.span())


def _said(pattern: re.Pattern[str], text: str, place: int) -> bool:
    return pattern.search(text, max(0, place - _CONTEXT), place) is not None


def _overlaps(span: Span, others: list[Span]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)
