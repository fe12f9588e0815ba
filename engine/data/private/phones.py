"""Phone numbers in a text, in the forms that people write them.

Some forms are phone numbers wherever they stand (`+44 7700 900461`, `(415) 555-0132`,
`138-1234-5678`). Others are so only beside a word that says so (`467 3395`, `4155550132`): a bare
run of digits may be an order number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.data.private.identity_numbers import said
from engine.data.private.spans import Span

_BEFORE = r"(?<![\w#@%])(?<!\d[.,/:-])(?<!\b\d{4}[ -])(?<![A-Za-z]-)(?<![$€£¥₹])"
_AFTER = r"(?![\w#%])(?![.,:/-]\d|\+\d| \d{4} \d{4}\b)"
_EXTENSION = r"[ ,;]{0,2}(?:x|ext\.?|extn\.?|extension|durchwahl|poste|转|轉|分机)[ .:]{0,2}\d{1,6}"
_EXTENSION_END = re.compile(_EXTENSION + r"\Z", re.IGNORECASE)
# country calling codes, ITU-T E.164
COUNTRY = (
    r"(?:[17]|2[07]|2[1-69]\d|3[0-469]|3[578]\d|4[013-9]|42\d|5[1-8]|5[09]\d|6[0-6]|6[7-9]\d"
    r"|8[1246]|8[0578]\d|9[0-58]|9[679]\d)"
)
_STRONG = re.compile(
    _BEFORE + r"(?:"
    r"(?:\+|00)1[ .-]{0,2}\(?\d{3}\)?[ .-]{0,2}\d{3}[ .-]?\d{4}"
    r"|(?:(?:\+|00)?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}[ -]?\d{4}|[ -]\d{3}[ -]\d{5}"
    r"|\d[ -]\d{3}[ -]\d{4})"  # Chinese mobile
    rf"|(?:\+|00)(?:\({COUNTRY}\)|{COUNTRY})[ .\-/]{{0,2}}"  # international
    r"(?:\(\d{1,5}\))?(?:[ .\-/]{0,2}\d){6,13}"
    r"|(?:1[ .-]?|\d\d[ .-])?(?:\(\d{3}\)[ .-]{0,2}|\d{3}[ .-])\d{3}[ .-]\d{4}"  # North America
    r"|\d{3}-\d{7}"
    r"|(?:0\d{1,5}|\(0\d{0,5}\))(?:[ ./-]{1,2}\d{2,8}){1,5}"  # national, with a leading nought
    r"|\(0\d{1,5}\)\d{3,8}(?:[ -]\d{2,6}){0,2}|0[1-9]\d{8,9}"
    r"|\(\d{1,3}\)[ ]?\d{3,5}[ -]\d{3,4}"  # national, with an area in brackets
    r")" + f"(?:{_EXTENSION})?" + _AFTER,
    re.ASCII | re.IGNORECASE,
)
_WEAK = re.compile(
    _BEFORE
    + r"(?<!\d )(?:\(\d{1,5}\)[ .-]?)?\d{2,12}(?:[ .\-/]\d{2,8}){0,5}"
    + f"(?:{_EXTENSION})?"
    + _AFTER,
    re.ASCII | re.IGNORECASE,
)
_PHONE_WORD = re.compile(
    r"(?:\b(?:(?:re)?call(?:s|ed|ing)?|(?:tele|smart|cell|head)?phone(?:s|d)?|tel|mobile|mob|cell"
    r"|cellular|landline|fax|whatsapp|viber|sms|text(?:ed)? (?:me|us|him|her|them|to|at)"
    r"|ring(?:ing)?|rang|dial(?:l?ed|l?ing)?|hotline|helpline|voicemail|pager|contact number"
    r"|reach(?:ed|able)? (?:me|us|him|her|them|out)?|messages? (?:to|at|from|me on|on)"
    r"|(?:my|his|her|our|their|your|new|emergency|contact) (?:number(?! of)|contact|registered)"
    r"|registered|switchboard|front desk|direct line|home line|callback"
    r"|telefon\w*|handy\w*|mobil\w*|rufnummer|anruf\w*|t[ée]l[ée]phone|portable|appele[rz]"
    r"|tel[ée]fono|m[óo]vil|celular|ll[aá]m\w+|cellulare|chiam\w+|telefone|ligu?e|telemóvel"
    r"|telefoon\w*|mobiel\w*|bel(?:len)?|puhelin\w*|ring)\b"
    r"|电话|電話|手机|手機|座机|热线|传真|拨打|致电|联系方式|联系号码|联系|来电|打给|短信|携帯|전화"
    r")[^\d]{0,40}\Z",
    re.IGNORECASE,
)
_PHONE_AFTER = re.compile(
    r"[^\w\n]{0,3}(?:office|fax|mobile|cell|home|work|tel|phone|whatsapp|(?:是|为)?(?:我|他|她)的"
    r"|is (?:my|his|her|our|their|the)(?: \w+)? (?:number|phone|mobile|cell))",
    re.IGNORECASE,
)
_NOT_PHONE_WORD = re.compile(
    r"(?:\b(?:order|ord|parcel|ticket|invoice|ref|reference|tracking|case|serial|sku|item|no|nr|id"
    r"|isbn|issn|card|student|employee|member|house|room|flight|registration|vat|tax|driver'?s?"
    r"|security|credit|debit|bank|isrc|nhs|npi|ean|upc|gtin|imei|iccid|version|ver|build|release|doi|patent|part|model|batch|lot"
    r"|account|acct|policy|claim|customer|contract|booking|transaction|confirmation|po|rma|vin"
    r"|licen[cs]e|routing|sort code|swift|port|pid|timestamp|zip(?: ?code)?|postcode|page|pp"
    r"|article|artikel|bestell\w*|rechnung\w*|commande|pedido)"
    r"[ :.#=]*(?:number|no\.?|nr\.?|id|code)?(?: (?:is|was|are))?"
    r"|订单|单号|运单|快递|编号|流水|条码|序列号|账号|帐号|卡号|版本|发票|邮编|价格|金额|工号|学号"
    r")(?:号码|号)?(?:是|为)?[ :.#=()'\"：]*\Z",
    re.IGNORECASE,
)
_NUMBER_WORD = re.compile(r"(?:\bnumbers?|\bnumero|\bnummer|号码)\b[^\d\n]{0,12}\Z", re.IGNORECASE)
_DATE = re.compile(
    r"(?:(?:1[89]|20)\d\d([-/. ])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?:0?[1-9]|[12]\d|3[01])([-/. ])(?:0?[1-9]|[12]\d|3[01])\2(?:(?:1[89]|20)\d\d|\d\d\Z))",
    re.ASCII,
)
_YEARS = re.compile(r"(?:1[89]|20)\d\d(?:[-/ ]+(?:1[89]|20)\d\d)*\Z", re.ASCII)
_AMOUNT_OR_POSTCODE = re.compile(r"\d{1,3}(?: \d{3})+\Z|\d{4,5}-\d{3,4}\Z", re.ASCII)
_MONEY = re.compile(
    r" ?(?:[€$£¥%]|(?:EUR|USD|GBP|CHF|euros?|dollars?|pounds?|km|kg)\b|[元块万件个人年])"
)
_LIST = re.compile(
    r"[^\d\n]{0,4}(?:\b(?:or|and|oder|und|ou|et|y|e|office|fax|home|work|mobile|cell)\b|[或和、/,;|])"
    r"[^\d]{0,10}\Z",
    re.IGNORECASE,
)
_NO_PHONE = re.compile(r"(?:\d+\.\d+|\d{3}-\d\d-\d{4})\Z", re.ASCII)  # a decimal; an SSN
_COUNTING = ("0123456789", "1234567890")
_MOST = 15  # digits of a number, E.164
_LONG, _LONG_WEAK = 9, 7  # the fewest digits of a national number, and of one beside a word
_NEAR = 64  # characters before a number in which a word may say that it is a phone number


def phones(text: str) -> Iterator[Span]:
    """Yield the phone numbers of a plain text."""
    found = list(_strong(text))
    yield from found
    before = place = 0  # the end of the last phone number, and how many strong ones lie behind
    for match in _WEAK.finditer(text):
        while place < len(found) and found[place].end <= match.start():
            before = max(before, found[place].end)
            place += 1
        taken = place < len(found) and found[place].start < match.end()
        if not taken and _is_weak_phone(match, before):
            before = match.end()
            yield Span("PHONE", *match.span())


def _strong(text: str) -> Iterator[Span]:
    for match in _STRONG.finditer(text):
        value = match[0]
        digits = _digits(value)
        if not _LONG_WEAK <= digits <= _MOST + 6 or _DATE.match(value):
            continue
        if re.search(r"\+\d+\.\d\Z", value) or value in _COUNTING or _NO_PHONE.match(value):
            continue
        if value[0] == "+" and digits >= 8:
            yield Span("PHONE", *match.span())
            continue
        padded = value.startswith("00") and value[:11].isdigit() is False and value.isdigit()
        short = value[0] in "0(" and digits < _LONG and not value.startswith("(0")
        zip_and_house = re.fullmatch(r"\d{5} \d{1,4}", value)
        if short or padded or zip_and_house or said(_NOT_PHONE_WORD, text, match.start()):
            continue
        if not _MONEY.match(text, match.end()):
            yield Span("PHONE", *match.span())


def _is_weak_phone(match: re.Match[str], before: int) -> bool:
    """Say whether digits are a phone number by the words around them.

    Args:
        match: The digits in their text.
        before: The end of the phone number before it.
    """
    value, text, start = match[0], match.string, match.start()
    digits = _digits(value)
    grouped = not value.isdigit()
    if not (_LONG_WEAK - grouped <= digits <= _MOST) or _NO_PHONE.match(value):
        return False
    if _DATE.match(value) or _YEARS.match(value) or _MONEY.match(text, match.end()):
        return False
    round_figures = grouped and all(group.endswith("00") for group in re.findall(r"\d+", value))
    if round_figures or said(_NOT_PHONE_WORD, text, start):
        return False
    if before > 0 and start - before <= _NEAR and _LIST.match(text, before, start):
        return True
    irregular = grouped and not _AMOUNT_OR_POSTCODE.match(value)
    if irregular and digits >= _LONG_WEAK and _stands_alone(match):
        return True
    begin = max(0, start - (_NEAR if digits >= _LONG_WEAK else 20))
    return bool(_PHONE_WORD.search(text, begin, start) or _PHONE_AFTER.match(text, match.end()))


def _stands_alone(match: re.Match[str]) -> bool:
    """Say whether the digits fill a line of several, as in a letter's head, or follow `number`."""
    text = match.string
    begin = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.end())
    alone = (
        not text[begin : match.start()].strip()
        and not text[match.end() : end if end >= 0 else None].strip()
    )
    lines = "\n" in text.strip()
    return (lines and alone) or said(_NUMBER_WORD, text, match.start())


def _digits(value: str) -> int:
    return sum(map(str.isdigit, value))


def split_extension(value: str) -> tuple[str, str]:
    """Return a phone number's own part, and its extension with the word before it."""
    match = _EXTENSION_END.search(value)
    return (value[: match.start()], match[0]) if match else (value, "")


def significant(value: str) -> str:
    """Return what the spellings of one number share: the last nine digits, and the extension."""
    number, extension = split_extension(value)
    digits, more = ("".join(filter(str.isdigit, part)) for part in (number, extension))
    return digits[-_LONG:] + (f"x{more}" if more else "")
