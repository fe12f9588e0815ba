"""Rows with known personal data, generated from presidio-evaluator's templates and identities.

The templates (sentences with `{{phone_number}}` in them) and the 3,000 made-up identities are read
from the installed package, which is never imported. The values are made here: cards of all issuers,
IBANs of many countries, phone numbers in the forms of many countries, and so on. Half of the
templates, by a hash of their number, is closed: nobody looks at the errors made on it.
"""

from __future__ import annotations

import csv
import importlib.util
import ipaddress
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

PACKAGE = "presidio_evaluator"
KINDS = {
    "email": "EMAIL", "phone_number": "PHONE", "credit_card_number": "CARD", "iban": "IBAN",
    "ssn": "SSN", "ip_address": "IP", "url": "URL",
}  # fmt: skip
# `#` is a digit, `!` a digit from 1, `%` a digit from 2; the first three lines as Faker has them
PHONES = (
    "##########|%##-%##-####|(%##)%##-####|%##.%##.####|%##-%##-####x###|(%##)%##-####x####|"
    "%##.%##.####x####|+1-%##-%##-####|001-%##-%##-####|+1-%##-%##-####x###|001-%##-%##-####x#####|"
    "1-%##-%##-####|+1 (%##) %##-####|%## %## ####|(%##) %##-####|(%##) %##-#### ext. ###|"
    "+1%##%######|%##-%######|"
    "+44 7### ######|+44(0)1## ### ####|07### ######|07#########|(01##) ### ####|020 #### ####|"
    "+447### ### ###|+44 20 #### ####|0### ### ####|"
    "+49 (0) 30 ######|+49 170 #######|0170 #######|030 #### ####|0!##/######|+49(0)!### ######|"
    "+33 ! ## ## ## ##|0! ## ## ## ##|0!.##.##.##.##|+33 (0)! ## ## ## ##|+33!########|0!########|"
    "+34 6## ### ###|6## ### ###|+39 3## #######|06 ########|+39 06########|3## ### ####|"
    "+31 6 ########|06-########|020-#######|+32 4## ## ## ##|04## ## ## ##|+41 4# ### ## ##|"
    "+41 (0)7# ### ## ##|07# ### ## ##|+46 (0)8 ### ### ##|08-### ### ##|+47 ### ## ###|"
    "+45 ## ## ## ##|+358 4# ### ####|04# ### ####|+48 5## ### ###|+420 6## ### ###|+36 1 ### ####|"
    "+351 21 ### ####|+30 21# ### ####|+353 8# ### ####|"
    "+61 4## ### ###|04## ### ###|(03) #### ####|+61.3.####.####|02.####.####|+64 21 ### ###|"
    "+55 11 9####-####|(11) 9####-####|+55 (21) ####-####|+52 55 #### ####|+54 11 ####-####|"
    "+91 9#########|+919#########|09#########|+86 138 #### ####|139########|+81 90-####-####|"
    "090-####-####|+82 10-####-####|+65 9### ####|+852 9### ####|+971 5# ### ####|+27 8# ### ####|"
    "083 ### ####|+234 80# ### ####|+7 9## ### ## ##|+90 5## ### ## ##|+380 ## ### ## ##"
)
CARDS = (
    ("4", 16), ("4", 16), ("4", 13), ("4", 19), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16),
    ("34", 15), ("37", 15), ("6011", 16), ("65", 16), ("300", 14), ("305", 14), ("36", 14),
    ("38", 14), ("3528", 16), ("3589", 16), ("2131", 15), ("1800", 15), ("5018", 12), ("6304", 12),
    ("6759", 13), ("6762", 18), ("0604", 12), ("62", 16), ("62", 19), ("2200", 16),
)  # fmt: skip
# n a digit, a a letter, c either: the national part of an IBAN, as the registry gives it
IBANS = {
    "AT": "n16", "BE": "n12", "CH": "n5c12", "CY": "n8c16", "CZ": "n20", "DE": "n18", "DK": "n14",
    "ES": "n20", "FI": "n14", "FR": "n10c11n2", "GB": "a4n14", "GR": "n7c16", "IE": "a4n14",
    "IT": "a1n10c12", "LU": "n3c13", "MT": "a4n5c18", "NL": "a4n10", "NO": "n11", "PL": "n24",
    "PT": "n21", "RO": "a4c16", "SA": "n2c18", "SE": "n20", "TR": "n5c17", "BR": "n23a1c1",
}  # fmt: skip
ENDINGS = "com com com com net org info biz io co.uk de fr it es nl com.au com.br cn se pl"
_WORDS = (
    "north harbor smith garcia bright river stone cedar miller quick lopez atlas peak lin nova "
    "meyer rossi olsen grand pixel summit otter velvet maple hughes tanaka"
)
WORDS = _WORDS.split()


class Sample(NamedTuple):
    """A row: the number of its template, its text, and what stands where."""

    template: int
    text: str
    spans: tuple[tuple[str, int, int], ...]


class Score(NamedTuple):
    """How finds compare with what stands there; `by_kind` holds (precision, recall, number)."""

    precision: float
    recall: float
    by_kind: dict[str, tuple[float, float, int]]


def installed() -> bool:
    """Say whether the templates are there."""
    return importlib.util.find_spec(PACKAGE) is not None


def is_open(template: int) -> bool:
    """Say whether the errors on a template may be looked at while developing."""
    return blake2b(str(template).encode(), digest_size=1).digest()[0] % 2 == 0


def samples(count: int, seed: int) -> Iterator[Sample]:
    """Yield rows; a template's values of one row belong to one identity where it has them."""
    folder = _folder()
    raw = (folder / "templates.txt").read_text(encoding="utf-8", errors="replace")
    templates = [line.replace("\\n", "\n") for line in raw.splitlines()]
    with (folder / "FakeNameGenerator.com_3000.csv").open(encoding="utf-8-sig", newline="") as file:
        people = list(csv.DictReader(file))
    companies = (folder / "companies_and_organizations.csv").read_text(encoding="utf-8")
    chance = random.Random(seed)
    make = _Values(chance, people, companies.splitlines()[1:])
    for _ in range(count):
        number = chance.randrange(len(templates))
        yield _filled(number, templates[number], make)


def score(rows: Iterable[Sample], find: Callable[[str], Iterable[tuple[str, int, int]]]) -> Score:
    """Compare finds with what stands there.

    A find is right when it is of the same kind and covers the value, at most one character short
    on either side; every other find is wrong, whatever its kind.
    """
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for row in rows:
        found = [tuple(span) for span in find(row.text)]
        good = set()
        for kind, start, end in row.spans:
            there[kind] += 1
            hits = [f for f in found if f[0] == kind and f[1] <= start + 1 and f[2] >= end - 1]
            right[kind] += bool(hits)
            good.update(hits)
        wrong.update(f[0] for f in found if f not in good)
    kinds = sorted(set(there) | set(wrong))
    by_kind = {
        kind: (_share(right[kind], wrong[kind]), right[kind] / max(1, there[kind]), there[kind])
        for kind in kinds
    }
    hits = right.total()
    return Score(_share(hits, wrong.total()), hits / max(1, there.total()), by_kind)


def luhn_digit(body: str) -> str:
    """Return the check digit of a card number without it."""
    total = 0
    for i, digit in enumerate(reversed(body)):
        value = int(digit) * (2 - i % 2)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def _share(right: int, wrong: int) -> float:
    return right / max(1, right + wrong)


def _folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"{PACKAGE} is not installed: pip install --no-deps {PACKAGE}")
    return Path(next(iter(spec.submodule_search_locations))) / "data_generator" / "raw_data"


def _filled(number: int, template: str, make: _Values) -> Sample:
    text, place, spans = "", 0, []
    make.next_person()
    for match in re.finditer(r"{{\s*(\w+)\s*}}", template):
        text += template[place : match.start()]
        place = match.end()
        name = match[1].lower()
        value = make.value(name)
        if name in KINDS:
            spans.append((KINDS[name], len(text), len(text) + len(value)))
        text += value
    return Sample(number, text + template[place:], tuple(spans))


class _Values:
    """Makes the values of one row after the other."""

    def __init__(
        self, chance: random.Random, people: list[dict[str, str]], companies: list[str]
    ) -> None:
        self._chance, self._people, self._companies = chance, people, companies
        self._person: dict[str, str] = {}
        self._used: set[str] = set()
        # what has a form of its own; all else comes from the identity
        self._own: dict[str, Callable[[], str]] = {
            "email": self._email, "phone_number": self._phone, "credit_card_number": self._card,
            "iban": self._iban, "ssn": self._ssn, "ip_address": self._ip, "url": self._url,
            "organization": lambda: chance.choice(self._companies),
            "age": lambda: str(chance.randrange(1, 101)),
            "year": lambda: str(chance.randrange(1940, 2026)),
            "building_number": lambda: str(chance.randrange(1, 99999)),
            "secondary_address": lambda: f"{chance.choice(['Apt.', 'Suite'])} {self._digits('###')}",
            "date_time": lambda: f"{self._day()} {chance.randrange(24):02d}:{self._digits('##:##')}",
            "us_driver_license": lambda: self._digits(chance.choice(["!########", "A#######", "X##-##-####"])),
            "address": lambda: f"{self._digits('!###')} {self._person['StreetAddress']}\n"
            f"{self._person['City']}, {self._person['State']} {self._person['ZipCode']}",
            "person": lambda: f"{self._person['GivenName']} {self._person['Surname']}",
        }  # fmt: skip
        self._own["name"] = self._own["person"]

    def next_person(self) -> None:
        self._person = self._chance.choice(self._people)
        self._used = set()

    def value(self, name: str) -> str:
        """Return a value for a template's name, as `phone_number`."""
        first = name not in self._used
        self._used.add(name)
        columns = {"email": "EmailAddress", "phone_number": "TelephoneNumber", "url": "Domain"}
        if first and name in columns and self._chance.random() < 0.35:
            return self._person[columns[name]]
        if name in self._own:
            return self._own[name]()
        columns = {
            "city": "City", "country": "CountryFull", "state_abbr": "State", "job": "Occupation",
            "zipcode": "ZipCode", "postcode": "ZipCode", "street_name": "StreetAddress",
            "date_of_birth": "Birthday", "prefix": "Title", "nationality": "NameSet",
        }  # fmt: skip
        if "last_name" in name:
            return self._person["Surname"]
        return self._person[columns.get(name, "GivenName")]

    def _digits(self, form: str) -> str:
        least = {"#": 0, "!": 1, "%": 2}
        return "".join(str(self._chance.randint(least[c], 9)) if c in least else c for c in form)

    def _day(self) -> str:
        year, month, day = (self._chance.randint(*r) for r in ((1950, 2025), (1, 12), (1, 28)))
        return f"{year}-{month:02d}-{day:02d}"

    def _email(self) -> str:
        name = self._chance.choice(["{0}.{1}", "{0}{2}", "{0}_{1}", "{0}+{1}", "{0}-{1}{2}", "{0}"])
        words = (*self._chance.sample(WORDS, 2), self._chance.randrange(100))
        return f"{name.format(*words)}@{self._domain()}"

    def _domain(self) -> str:
        words = self._chance.sample(WORDS, self._chance.choice([1, 1, 2]))
        return f"{'-'.join(words)}.{self._chance.choice(ENDINGS.split())}"

    def _phone(self) -> str:
        return self._digits(self._chance.choice(PHONES.split("|")))

    def _card(self) -> str:
        prefix, length = self._chance.choice(CARDS)
        body = prefix + self._digits("#" * (length - len(prefix) - 1))
        number = body + luhn_digit(body)
        separator = self._chance.choice(["", "", "", " ", "-"])
        cuts = (4, 10) if length in (14, 15) else range(4, length, 4)
        if length < 14:
            return number
        return separator.join(number[a:b] for a, b in pairwise([0, *cuts, length]))

    def _iban(self) -> str:
        country, form = self._chance.choice(list(IBANS.items()))
        pools = {"n": "0123456789", "a": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
        pools["c"] = pools["n"] + pools["a"]
        national = "".join(
            "".join(self._chance.choices(pools[kind], k=int(length)))
            for kind, length in re.findall(r"([nac])(\d+)", form)
        )
        number = int("".join(str(int(c, 36)) for c in f"{national}{country}00"))
        iban = f"{country}{98 - number % 97:02d}{national}"
        blocks = [iban[i : i + 4] for i in range(0, len(iban), 4)]
        return " ".join(blocks) if self._chance.random() < 0.4 else iban

    def _ssn(self) -> str:
        area = self._chance.choice([n for n in range(1, 900) if n != 666])
        group, serial = self._chance.randint(1, 99), self._chance.randint(1, 9999)
        return f"{area:03d}-{group:02d}-{serial:04d}"

    def _ip(self) -> str:
        if self._chance.random() < 0.7:
            return str(ipaddress.IPv4Address(self._chance.randrange(2**24, 2**32)))
        address = ipaddress.IPv6Address(self._chance.randrange(2**125, 2**126))
        short = ipaddress.IPv6Address((0x20010DB8 << 96) + self._chance.randrange(1, 2**16))
        return self._chance.choice([address.compressed, address.exploded, short.compressed])

    def _url(self) -> str:
        domain, page = self._domain(), "/".join(self._chance.sample(WORDS, 2))
        return self._chance.choice(
            [
                f"https://{domain}/", f"http://www.{domain}/", f"https://www.{domain}/{page}.html",
                f"http://{domain}/{page}?id={self._digits('###')}#top", f"www.{domain}",
                f"www.{domain}/{page}", domain, f"{domain}/{page}", f"https://{domain}:8080/{page}",
            ]
        )  # fmt: skip
