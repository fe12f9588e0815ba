"""Pseudonyms: values in the form of the original that belong to nobody.

A pseudonym follows from the value and a secret key alone, so that it is the same in the whole
data set and cannot be led back. It lies in a range that is reserved or never assigned:

| kind | range |
|---|---|
| e-mail | example.com, example.org (RFC 2606) |
| URL | https://example.com/ |
| IP | 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 (RFC 5737), 2001:db8::/32 (RFC 3849) |
| phone | North America 555-0100 to 555-0199; else two noughts where no number has them |
| card | the test prefix 4000 00, with a right check digit |
| IBAN | the country's form and check digits; a bank code of noughts or of X |
| SSN | the areas 000 and 666, which are never issued |
| Chinese identity number | region 10, which does not exist, with a right check character |
| passport | X and noughts in front |
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b

from engine.data.private import pii
from engine.data.private.identity_numbers import cn_check, luhn, mod97
from engine.data.private.phones import COUNTRY, split_extension
from engine.data.private.spans import plain

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DOCUMENTATION = ("192.0.2", "198.51.100", "203.0.113")
_NORTH_AMERICA = re.compile(
    r"(?!1[3-9]\d(?:\D?\d{4}){2}\Z)"  # a Chinese mobile
    r"(\D*(?:(?:00)?1\D*)?)([2-9]\d\d)(\D*)(\d{3})(\D*)(\d{4})\Z",
    re.ASCII,
)
_PREFIX = re.compile(
    rf"(?:\+[^\d]*|00){COUNTRY}[^\d(]*(?:\(0+\)[^\d(]*)?|\D*0(?=\d{{2}})|", re.ASCII
)


def pseudonym(kind: str, value: str, key: bytes) -> str:
    """Return the pseudonym of a value.

    Args:
        kind: A kind of `pii.KINDS`.
        value: The value as it stands in the text; the pseudonym takes its form.
        key: The data set's secret; the same key gives the same pseudonyms.
    """
    value = plain(value)
    same = f"{kind}\0{pii.key(kind, value)}".encode(errors="surrogatepass")
    digest = blake2b(same, key=short(key), digest_size=32).digest()
    return _MAKERS[kind](value, digest)


def short(key: bytes) -> bytes:
    """Return a key that blake2b takes: at most 64 bytes."""
    return key if len(key) <= 64 else blake2b(key).digest()


def _digits(digest: bytes) -> Iterator[str]:
    return iter(str(int.from_bytes(digest)).zfill(77))


def _fill(form: str, digits: Iterator[str]) -> str:
    """Return a form with other digits and letters in the places of its own."""
    parts = []
    for character in form:
        if character.isdigit():
            parts.append(next(digits))
        elif character.isalpha():
            letter = _LETTERS[int(next(digits) + next(digits)) % len(_LETTERS)]
            parts.append(letter if character.isupper() else letter.lower())
        else:
            parts.append(character)
    return "".join(parts)


def _place(form: str, characters: str) -> str:
    """Return a form with given characters in the places of its letters and digits."""
    given = iter(characters)
    return "".join(next(given) if character.isalnum() else character for character in form)


def _email(_: str, digest: bytes) -> str:
    return f"u{digest.hex()[:11]}@example.{'com' if digest[-1] % 2 else 'org'}"


def _url(_: str, digest: bytes) -> str:
    return f"https://example.com/{digest.hex()[:12]}"


def _ip(value: str, digest: bytes) -> str:
    if ":" in value:
        groups = [digest.hex()[i : i + 4].lstrip("0") or "0" for i in range(0, 24, 4)]
        return ":".join(["2001", "db8", *groups])
    return f"{_DOCUMENTATION[digest[0] % 3]}.{1 + digest[1] % 254}"


def _phone(value: str, digest: bytes) -> str:
    number, extension = split_extension(value)
    digits = _digits(digest)
    american = _NORTH_AMERICA.match(number)
    if american:
        before, area, gap, _, hyphen, _ = american.groups()
        area = str(2 + int(next(digits)) % 8) + next(digits) + next(digits)
        made = f"{before}{area}{gap}555{hyphen}01{next(digits)}{next(digits)}"
    else:
        prefix = _PREFIX.match(number)
        kept = prefix.end() if prefix else 0
        made = number[:kept] + _unassigned(number[kept:], digest)
    return made + "".join(next(digits) if c.isdigit() else c for c in extension)


def _unassigned(number: str, digest: bytes) -> str:
    """Return the digits after a country code or a trunk nought, beginning with two noughts.

    A Chinese mobile keeps its 1; 100 to 129 are no mobile prefixes. The last digits come from the
    hash's end, so that the national and the international spelling end alike.
    """
    places = sum(map(str.isdigit, number))
    mobile = places == 11 and number[0] == "1"
    head = "100" if mobile else "00"
    tail = str(int.from_bytes(digest))[-max(places - len(head), 0) :]
    return _place(number, (head + tail)[:places] if places > len(head) else head[:places])


def _card(value: str, digest: bytes) -> str:
    length = sum(map(str.isdigit, value))
    digits = _digits(digest)
    body = "400000" + "".join(next(digits) for _ in range(length - 7))
    return _place(value, body + str(-luhn(body + "0") % 10))


def _iban(value: str, digest: bytes) -> str:
    compact = "".join(filter(str.isalnum, value))
    bank = "".join("0" if c.isdigit() else "X" for c in compact[4:8])
    account = _fill(compact[8:], _digits(digest)).upper()
    check = 98 - mod97(f"{compact[:2].upper()}00{bank}{account}")
    return _place(value, f"{compact[:2].upper()}{check:02d}{bank}{account}")


def _ssn(value: str, digest: bytes) -> str:
    digits = _digits(digest)
    area = "000" if digest[-1] % 2 else "666"
    return _place(value, area + "".join(next(digits) for _ in range(6)))


def _cn_id(value: str, digest: bytes) -> str:
    digits = _digits(digest)
    region = "10" + "".join(next(digits) for _ in range(4))
    born = f"{1950 + digest[0] % 50}{1 + digest[1] % 12:02d}{1 + digest[2] % 28:02d}"
    number = "".join(next(digits) for _ in range(3))
    if sum(map(str.isalnum, value)) == 15:
        return region + born[2:] + number
    whole = f"{region}{born}{number}"
    return _place(value, whole + cn_check(whole))


def _passport(value: str, digest: bytes) -> str:
    made = list(_fill(value, _digits(digest)))
    for i, character in enumerate(value[:3]):
        made[i] = "0" if character.isdigit() else "X"
    return "".join(made)


_MAKERS = {
    "EMAIL": _email,
    "URL": _url,
    "IP": _ip,
    "PHONE": _phone,
    "CARD": _card,
    "IBAN": _iban,
    "SSN": _ssn,
    "CN_ID": _cn_id,
    "PASSPORT": _passport,
}
