"""Personal data that has a form: addresses of the net, phone numbers, cards, identity numbers.

Patterns with validators, not a model: fast, offline and nearly without false alarms. Names and
postal addresses have no form and are not found; the data spec says so.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

from engine.data.private import identity_numbers, net_addresses, phones
from engine.data.private.spans import Span, add, plain, without

__all__ = ["KINDS", "Span", "find", "key"]

Finder = Callable[[str], Iterator[Span]]
KINDS = ("EMAIL", "PHONE", "CARD", "IBAN", "SSN", "IP", "URL", "CN_ID", "PASSPORT")
_NET = re.compile(r"[@]|://|\w\.\w|:[0-9A-Fa-f]{0,4}:")
_NUMBER = re.compile(r"[0-9](?:[ ().\-/]{0,3}[0-9]){5}")  # six digits, however they are grouped
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}[ -]?[A-Za-z0-9]{4}")
_NET_FINDERS: tuple[Finder, ...] = (
    net_addresses.emails,
    net_addresses.urls,
    net_addresses.ips,
)
_IBAN_FINDERS: tuple[Finder, ...] = (identity_numbers.ibans,)
_NUMBER_FINDERS: tuple[Finder, ...] = (
    identity_numbers.chinese_ids,
    identity_numbers.cards,
    identity_numbers.passports,
    identity_numbers.ssns,
    phones.phones,
)


_ROUNDS = 6


def find(text: str) -> list[Span]:
    """Return the personal data in a text, in order, without overlaps."""
    spans: list[Span] = []
    text = plain(text)
    for _ in range(_ROUNDS):  # a value may show only when its neighbour is taken
        before = len(spans)
        for finder in _finders(text):
            found: list[Span] = []
            add(found, finder(text))
            if found:
                text = without(text, found)
                add(spans, found)
        if len(spans) == before:
            break
    return spans


def _finders(text: str) -> tuple[Finder, ...]:
    """Return the finders that may find something in a text."""
    net = _NET_FINDERS if _NET.search(text) else ()
    iban = _IBAN_FINDERS if _IBAN.search(text) else ()
    return (*net, *iban, *(_NUMBER_FINDERS if _NUMBER.search(text) else ()))


def key(kind: str, value: str) -> str:
    """Return what makes two spellings of one value the same (`+44 77` and `+4477`)."""
    value = plain(value)
    if kind == "PHONE":
        return phones.significant(value)
    if kind in ("CARD", "IBAN", "SSN", "CN_ID", "PASSPORT"):
        return "".join(filter(str.isalnum, value)).upper()
    if kind == "IP":
        try:
            return ipaddress.ip_address(value).compressed
        except ValueError:
            return value
    return value.casefold() if kind == "EMAIL" else value
