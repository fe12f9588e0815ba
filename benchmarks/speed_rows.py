"""Rows for `train_speed.py`: messages with an address in them, and that address as JSON."""

from __future__ import annotations

import json
import random
from typing import Any

_STREETS = (
    "Mill",
    "Elm",
    "Station",
    "Church",
    "Harbour",
    "Orchard",
    "Castle",
    "Bridge",
    "Quarry",
    "Linden",
)
_KINDS = ("Lane", "Road", "Street", "Way", "Square", "Hill")
_TOWNS = ("Ashford", "Belmont", "Carwick", "Dunmore", "Eastvale", "Fernley", "Grantham", "Holloway")
_NAMES = (
    "Ada",
    "Ben",
    "Cleo",
    "Dan",
    "Eva",
    "Finn",
    "Gus",
    "Hana",
    "Ida",
    "Jon",
    "Kim",
    "Lea",
    "Max",
    "Nia",
    "Pia",
    "Ravi",
)
_OPENINGS = (
    "Please send the parcel to {address}.",
    "{name} has moved; the new address is {address}.",
    "Hello, {name} here. Could the engineer come to {address} next week?",
    "The invoice belongs to {name}, {address}, not to me.",
    "We wait for the sofa at {address}. Thanks, {name}",
)
_THINGS = ("sofa", "lamp", "kettle", "bicycle", "wardrobe", "printer", "mirror", "carpet", "desk")
_SAID = (
    "The {thing} arrived on the {day}th with a scratch that nobody could explain to me.",
    "My neighbour {name} kept the {thing} for {day} days and then gave it to the wrong person.",
    "I called {day} times about the {thing}, and {name} promised to ring back each time.",
    "On the telephone {name} said that the {thing} would be repaired within {day} working days.",
    "The {thing} is for my mother, who lives with {name} and is at home after {day} o'clock only.",
)


def make(number: int, *, long_share: float, seed: int = 7) -> list[dict[str, Any]]:
    """Return rows as prompt and completion.

    Args:
        number: Rows for the training; a quarter more are made for the other splits.
        long_share: The share of letters of several hundred tokens; 0 makes rows of one length.
        seed: What they are drawn from.
    """
    chance = random.Random(seed)
    total = round(number * 1.25)
    places = set(chance.sample(range(total), round(total * long_share)))
    return [_row(chance, long=place in places, equal=not long_share) for place in range(total)]


def _row(chance: random.Random, *, long: bool, equal: bool) -> dict[str, Any]:
    found = {
        "street": f"{chance.choice(_STREETS)} {chance.choice(_KINDS)}",
        "number": str(chance.randrange(100, 1000)),
        "town": chance.choice(_TOWNS),
        "code": f"{chance.randrange(10000, 100000)}",
    }
    address = f"{found['number']} {found['street']}, {found['code']} {found['town']}"
    said = [chance.choice(_OPENINGS).format(address=address, name=chance.choice(_NAMES))]
    sentences = chance.randrange(24, 32) if long else 3 if equal else 0
    said += [_sentence(chance) for _ in range(sentences)]
    chance.shuffle(said)
    return {"prompt": " ".join(said), "completion": json.dumps(found)}


def _sentence(chance: random.Random) -> str:
    return chance.choice(_SAID).format(
        thing=chance.choice(_THINGS), name=chance.choice(_NAMES), day=chance.randrange(2, 29)
    )
