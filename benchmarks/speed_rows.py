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
_WORDS = """
account afternoon answer apple autumn bakery basket battery beacon bicycle blanket bottle branch
breakfast bridge bucket butter button cabin camera candle carpet ceiling cellar chimney circle
clinic coffee corner cotton cousin cupboard curtain customer daughter dentist doctor document
drawer driver engine evening factory farmer feather festival fiddle finger flower forest fountain
friend furniture garage garden glass grandmother hammer harbour holiday hospital hotel island jacket
journey kettle kitchen ladder lantern lawyer leather lemon letter library lobby machine manager
market mattress meadow medicine mirror morning mountain neighbour needle newspaper notebook office
orange oven paint painter paper parcel pavement pencil pepper photograph piano picture pillow pipe
plate pocket police pond postman potato printer purse queue radio railway raincoat receipt river
rope saddle salad school scissors season shelf shoulder signal sister sofa spring staircase station
summer supper table tailor teacher telephone theatre ticket timber tower tractor train trousers
umbrella uncle valley vegetable village violin visitor waiter wardrobe warehouse weather wedding
wheel whistle window winter workshop
""".split()  # noqa: SIM905 - words are read better as words
_VERBS = """
admired asked blamed borrowed broke brought called carried changed checked cleaned collected counted
covered delivered described dropped emptied expected filled finished fixed forgot found kept left
lifted lost measured mended missed moved noticed offered opened ordered packed painted pushed
refused remembered repaired returned saved sent showed sold sorted stored touched wanted washed
watched wrapped
""".split()  # noqa: SIM905 - words are read better as words
_TURNS = (
    "{name} {verb} the {noun} near the {other}.",
    "On day {day} the {noun} of {name} {verb} nobody, nor did the {other}.",
    "After the {noun} I {verb} a {other} and {day} more.",
    "Who {verb} the {noun}, the {other} or {name}?",
    "My {noun} {verb} {day} times before the {other} came.",
    "Without a {noun}, {name} says, no {other} is ever {verb}.",
)


def make(number: int, *, long_share: float, seed: int = 7) -> list[dict[str, Any]]:
    """Return rows as prompt and completion.

    Args:
        number: Rows for the training; a third more are made for the other splits.
        long_share: The share of letters of several hundred tokens; 0 makes rows of one length.
        seed: What they are drawn from.
    """
    chance = random.Random(seed)
    total = round(number / 0.75)
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
    sentences = chance.randrange(44, 60) if long else 3 if equal else 0
    said += [_sentence(chance) for _ in range(sentences)]
    chance.shuffle(said)
    return {"prompt": " ".join(said), "completion": json.dumps(found)}


def _sentence(chance: random.Random) -> str:
    noun, other = chance.sample(_WORDS, 2)
    return chance.choice(_TURNS).format(
        noun=noun,
        other=other,
        verb=chance.choice(_VERBS),
        name=chance.choice(_NAMES),
        day=chance.randrange(2, 29),
    )
