"""Numbers with check digits or ranges: cards, IBANs, social security, identity, passports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

from engine.data.private.spans import Span

_DIGIT_GROUPS = re.compile(
    r"(?<![\w.+])(?<!\d[,-])\d{2,19}(?!\d)(?:[ -]\d{1,19}(?!\d))*(?!\w)", re.ASCII
)
# first digits and lengths, from the issuers' published ranges (ISO/IEC 7812)
_ISSUER = re.compile(
    r"(?:4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}|(?:2131|1800)\d{11}|35\d{14}"  # American Express, JCB
    r"|3(?:0[0-5]\d|095|[689]\d\d)\d{10}(?:\d\d)?"  # Diners Club
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}(?:\d{3})?"  # Discover
    r"|62\d{14,17}|81\d{14,17}|9558\d{12}(?:\d{3})?"  # UnionPay, ICBC
    r"|(?:50(?:18|20|38)|5[6-8]\d\d|6304|6390|67\d\d|0604)\d{8,15}"  # Maestro
    r"|(?:220[0-4]|60\d\d|508[5-9]|5019|50[69]\d|63[67]\d|9792)\d{12})\Z"  # Mir, RuPay, Elo, others
)
_FIRST_BLOCK = (4, 6, 8)  # digits
NOT_PERSONAL_WORD = re.compile(
    r"(?:order|parcel|ticket|invoice|tracking|ean|gtin|upc|isbn|imei|iccid|barcode|serial|timestamp"
    r"|订单|单号|运单|编号|流水号|条码)"
    r"[ :.#：]*(?:number|no\.?|nr\.?|id|code|号码|号)?(?: is)?[ :.#：]*\Z",
    re.IGNORECASE,
)
_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,32}", re.IGNORECASE | re.ASCII
)
_OTHER_IBAN = re.compile(  # a length that the registry lacks; the check digits still tell
    r"(?<![A-Za-z0-9])([A-Z]{2})\d{2}"
    r"(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?! ?[A-Z0-9])"
)
# countries by length, from the IBAN registry (SWIFT, ISO 13616) and the banks that follow it
_IBAN_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "AO CV GW LY MZ PT ST",
    26: "CI DZ IR IS TR",
    27: "BI CF CG CM DJ FR GA GQ GR IT KM MC MG MR SM TD",
    28: "AL AZ BF BJ BY CY DO GT HN HU LB MA ML NE NI PL SN SV TG",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
IBAN_LENGTHS = {
    country: length for length, some in _IBAN_COUNTRIES.items() for country in some.split()
}
_SSN = re.compile(
    r"(?<![\w.+])(?<!\d[/-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w#]|[.,/-]\d)",
    re.ASCII,
)
_BARE_SSN = re.compile(  # only beside a word that says so
    r"(?<![\w.+-])(?!000|666|9)\d{3} ?(?!00)\d{2} ?(?!0000)\d{4}(?![\w-]|\.\d)", re.ASCII
)
_SSN_WORD = re.compile(r"(?:\bssn\b|social[ -]security)[^\d\n]{0,30}\Z", re.IGNORECASE)
_CN_ID = re.compile(
    r"(?<![A-Za-z0-9])([1-9]\d{5})([ -]?)(\d{8})\2(\d{3}[0-9Xx])(?![A-Za-z0-9])", re.ASCII
)
_OLD_CN_ID = re.compile(r"(?<![A-Za-z0-9])[1-9]\d{5}(\d{6})\d{3}(?![A-Za-z0-9])", re.ASCII)
_CN_ID_WORD = re.compile(
    r"(?:身份证|身分证|公民身份|证件号|identity card|id card|resident id)[^\d]{0,16}\Z",
    re.IGNORECASE,
)
_CN_REGIONS = re.compile(  # provinces, GB/T 2260
    r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]"
)
_PASSPORT = re.compile(
    r"(?:passport|护照|reisepass|passeport|pasaporte|passaporto|paspoort)"
    r"[^0-9A-Za-z\n]{0,3}(?:(?:(?:number|no|nr|num|id|is|was|card)\b|号码|号|为|是)"
    r"[^0-9A-Za-z\n]{0,3}){0,3}"
    r"([A-Z]{1,2}\d{6,8}|[A-Z]\d{7,8}[A-Z]?|\d{9}|\d{2}[A-Z]{2}\d{5}|[CFGHJK][0-9A-Z]{8})"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE | re.ASCII,
)
_CONTEXT = 40  # characters before a number that may name it


def cards(text: str) -> Iterator[Span]:
    """Yield the payment cards: 12 to 19 digits of an issuer's range that pass Luhn."""
    for match in _DIGIT_GROUPS.finditer(text):
        groups = [(m.start(), m.end()) for m in re.finditer(r"\d+", match[0])]
        spans = _cards_of(match[0], groups)
        grouped = len(groups) > 1
        if spans and (grouped or not said(NOT_PERSONAL_WORD, text, match.start())):
            begin = match.start()
            yield from (Span("CARD", begin + start, begin + end) for start, end in spans)


def _cards_of(chunk: str, groups: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found, first = [], 0
    while first < len(groups):
        for last in range(min(len(groups), first + 6) - 1, first - 1, -1):
            start, end = groups[first][0], groups[last][1]
            inner = groups[first:last]
            if any(stop - begin < 4 for begin, stop in inner) or (
                inner and inner[0][1] - inner[0][0] not in _FIRST_BLOCK
            ):
                continue
            digits = "".join(filter(str.isdigit, chunk[start:end]))
            if 12 <= len(digits) <= 19 and _ISSUER.match(digits) and luhn(digits) == 0:
                found.append((start, end))
                first = last
                break
        first += 1
    return found


def luhn(digits: str) -> int:
    """Return the remainder of the Luhn sum by 10; 0 for a right number."""
    values = [int(digit) for digit in reversed(digits)]
    doubled = [sum(divmod(2 * value, 10)) for value in values[1::2]]
    return (sum(values[::2]) + sum(doubled)) % 10


def ibans(text: str) -> Iterator[Span]:
    """Yield the IBANs: the country's length, and mod 97."""
    for match in _IBAN.finditer(text):
        length = IBAN_LENGTHS.get(match[0][:2].upper(), 0)
        places = [i for i, character in enumerate(match[0]) if character not in " -"]
        if not 0 < length <= len(places):
            continue
        end = match.start() + places[length - 1] + 1
        compact = re.sub("[ -]", "", text[match.start() : end])
        if mod97(compact) == 1 and not re.match("[A-Za-z0-9]", text[end : end + 1]):
            yield Span("IBAN", match.start(), end)
    for match in _OTHER_IBAN.finditer(text):
        if match[1] in IBAN_LENGTHS and mod97(match[0].replace(" ", "")) == 1:
            yield Span("IBAN", *match.span())


def mod97(iban: str) -> int:
    """Return the remainder of an IBAN without blanks by 97; 1 for a right one."""
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97


def ssns(text: str) -> Iterator[Span]:
    """Yield US social security numbers in the ranges that are issued."""
    for match in _SSN.finditer(text):
        if not said(NOT_PERSONAL_WORD, text, match.start()):
            yield Span("SSN", *match.span())
    if "ssn" in text.lower() or "ecurity" in text:
        for match in _BARE_SSN.finditer(text):
            if said(_SSN_WORD, text, match.start()):
                yield Span("SSN", *match.span())


def chinese_ids(text: str) -> Iterator[Span]:
    """Yield Chinese resident identity numbers (GB 11643); 15 digits only beside a word for them."""
    for match in _CN_ID.finditer(text):
        region, born, rest = match[1], match[3], match[4]
        number = f"{region}{born}{rest}".upper()
        if is_region(region) and _is_date(born) and cn_check(number[:17]) == number[17]:
            yield Span("CN_ID", *match.span())
    for match in _OLD_CN_ID.finditer(text):
        if (
            is_region(match[0])
            and _is_date(f"19{match[1]}")
            and said(_CN_ID_WORD, text, match.start())
        ):
            yield Span("CN_ID", *match.span())


def is_region(number: str) -> bool:
    """Say whether a number begins with a region of GB/T 2260, or as a foreign resident's does."""
    return _CN_REGIONS.match(number, 1 if number[0] == "9" else 0) is not None


def cn_check(digits: str) -> str:
    """Return the check character of 17 digits (ISO 7064, mod 11-2)."""
    weighted = sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(digits))
    return "10X98765432"[weighted % 11]


def _is_date(digits: str) -> bool:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return 1890 <= born.year <= datetime.now(UTC).year


def passports(text: str) -> Iterator[Span]:
    """Yield passport numbers that stand beside a word that says so."""
    for match in _PASSPORT.finditer(text):
        if any(map(str.isdigit, match[1])):
            yield Span("PASSPORT", *match.span(1))


def said(pattern: re.Pattern[str], text: str, place: int) -> bool:
    """Say whether the text just before a place matches a pattern that ends there."""
    return pattern.search(text, max(0, place - _CONTEXT), place) is not None
