"""Pairs for `preference.py`: the demo's right answers against the same with one field wrong."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from engine.data.load.read import read as load
from engine.data.rows import Row

KINDS = ("intent", "order", "urgent")
Record = dict[str, Any]


def make(rows: list[Record], kinds: tuple[str, ...], number: int, seed: int = 7) -> list[Record]:
    """Return pairs, each with its kind of fault as the scenario.

    Args:
        rows: The demo's rows.
        kinds: The fields that may be wrong; of those a row has, one is drawn.
        number: The most pairs to make. Of `urgent` as many are urgent as are not, or always saying
            the commoner word would do.
        seed: What they are drawn from.
    """
    chance = random.Random(seed)
    shuffled = chance.sample(rows, len(rows))
    answers = [(row, json.loads(row["completion"])) for row in shuffled]
    intents = sorted({answer["intent"] for _, answer in answers})
    if kinds == ("urgent",):
        answers = _balanced(answers)
    found = []
    for row, answer in answers:
        possible = [kind for kind in kinds if kind != "order" or answer["order"]]
        if possible:
            kind = chance.choice(possible)
            worse = answer | {kind: _wrong(kind, answer[kind], intents, chance)}
            pair = {"prompt": row["prompt"], "chosen": row["completion"]}
            pair |= {"rejected": json.dumps(worse), "group": row["group"], "scenario": kind}
            found.append(pair)
    return found[:number]


def read(path: Path) -> list[Record]:
    """Read the sound rows of a file; those of the demo's that are broken by intention are none."""
    rows = [row for row in load(path) if isinstance(row, Row)]
    return [
        {"prompt": row.prompt, "completion": row.completion, "group": row.group}
        for row in rows
        if row.prompt and _answers(row.completion)
    ]


def write(path: Path, pairs: list[Record]) -> None:
    """Write pairs as a JSON Lines file."""
    lines = (json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
    path.write_text("".join(lines), encoding="utf-8")


def _answers(text: str) -> bool:
    """Say whether an answer has the fields that can be made wrong, each as it should be."""
    try:
        answer = json.loads(text)
    except json.JSONDecodeError:
        return False
    return (
        isinstance(answer, dict)
        and set(answer) == set(KINDS)
        and isinstance(answer["urgent"], bool)
    )


def _balanced(answers: list[tuple[Record, Record]]) -> list[tuple[Record, Record]]:
    urgent = [item for item in answers if item[1]["urgent"]]
    calm = [item for item in answers if not item[1]["urgent"]]
    return [item for both in zip(urgent, calm, strict=False) for item in both]


def _wrong(kind: str, value: Any, intents: list[str], chance: random.Random) -> Any:
    if kind == "urgent":
        return not value
    if kind == "intent":
        return chance.choice([intent for intent in intents if intent != value])
    place = chance.randrange(len(value))
    digit = chance.choice([digit for digit in "0123456789" if digit != value[place]])
    return value[:place] + digit + value[place + 1 :]
