"""What the data stage promises of every dataset, on data it has not seen."""

from __future__ import annotations

import itertools
import json
import random
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.base.project import DataSettings
from engine.base.work import Work
from engine.data.alike.duplicates import SAME
from engine.data.alike.normalise import jaccard, normalise, shingles
from engine.data.build import build
from engine.data.clean import Inputs, clean
from engine.data.dataset import Dataset, latest, load
from engine.data.divide.split import split

MakeWork = Callable[..., Work]
Varied = Callable[[int], list[dict[str, str]]]
SUBJECTS = ["parcel", "invoice", "password", "refund", "delivery", "contract", "router", "booking"]
ACTS = ["never arrived", "was charged twice", "stopped working", "must be moved", "is wrong"]
ENDS = ["since monday", "please help", "what now", "for the third time", "as agreed", "again"]


def sentences(chance: random.Random, count: int) -> list[str]:
    """Short rows from a small stock, so that many are much alike."""
    return [
        f"the {chance.choice(SUBJECTS)} {chance.choice(ACTS)} {chance.choice(ENDS)} "
        f"{''.join(chance.choices(string.ascii_lowercase, k=chance.choice([0, 3, 12, 30])))}"
        for _ in range(count)
    ]


def rows_of(chance: random.Random, count: int) -> list[dict[str, str]]:
    return [
        {
            "prompt": text,
            "completion": f"answer {chance.randrange(3)}",
            "group": f"g{chance.randrange(count * 3)}",
            "scenario": chance.choice("abc"),
        }
        for text in sentences(chance, count)
    ]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def cleaned_of(path: Path, golden: Path | None = None):
    inputs = Inputs(
        files={"a.jsonl": path},
        golden={"g.jsonl": golden} if golden else {},
        settings=DataSettings(sources=()),
        key=b"0",
    )
    return clean(inputs)


def divided(cleaned, settled=()):
    return split(
        cleaned.rows,
        cleaned.related,
        test=0.2,
        validation=0.2,
        seed=1,
        settled=dict(settled),
        absorbed=cleaned.absorbed,
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), count=st.integers(5, 120))
def test_no_group_and_no_likeness_spans_two_splits(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int
) -> None:
    chance = random.Random(seed)
    path = write(tmp_path_factory.mktemp("p") / "a.jsonl", rows_of(chance, count))
    parts = divided(cleaned_of(path)).splits
    for one, other in itertools.combinations(parts.values(), 2):
        assert not {row.group for row in one} & {row.group for row in other}
        for row, twin in itertools.product(one, other):
            likeness = jaccard(shingles(normalise(row.prompt)), shingles(normalise(twin.prompt)))
            assert likeness < SAME, (row.prompt, twin.prompt)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), old=st.integers(5, 80), new=st.integers(1, 80))
def test_added_rows_move_no_old_row(
    tmp_path_factory: pytest.TempPathFactory, seed: int, old: int, new: int
) -> None:
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("p")
    first, more = rows_of(chance, old), rows_of(chance, new)
    before = divided(cleaned_of(write(folder / "a.jsonl", first))).splits
    settled = {row.id: name for name, rows in before.items() for row in rows}
    mixed = [*more[: new // 2], *first, *more[new // 2 :]]
    after = divided(cleaned_of(write(folder / "b.jsonl", mixed)), settled).splits
    for name, rows in after.items():
        for row in rows:
            assert settled.get(row.id, name) == name


def edited(prompt: str, chance: random.Random) -> str:
    """Edit a golden prompt within what the detector says it finds."""
    kind = chance.randrange(5)
    if kind == 0:
        return prompt.upper() + " !!"
    if kind == 1:
        return prompt.replace(" ", "  ").replace("e", "\uff45")
    if kind == 2:
        return f"Hello there. {prompt} Thank you and have a good day."
    place = chance.randrange(len(prompt))
    swapped = prompt[:place] + chance.choice("xyz") + prompt[place + 1 :]
    return swapped if kind == 3 else prompt


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_no_golden_row_is_left_however_it_was_edited(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("p")
    golden = [
        {"prompt": " ".join(chance.choices(SUBJECTS + ACTS + ENDS, k=9)), "completion": "x"}
        for _ in range(10)
    ]
    copies = [{"prompt": edited(row["prompt"], chance), "completion": "y"} for row in golden]
    rows = [*rows_of(chance, 30), *copies]
    chance.shuffle(rows)
    cleaned = cleaned_of(write(folder / "a.jsonl", rows), write(folder / "g.jsonl", golden))
    kept = {row.prompt for row in cleaned.rows}
    assert not kept & {row["prompt"] for row in copies}


def places(dataset: Dataset) -> dict[str, str]:
    return {row.id: name for name in ("train", "validation", "test") for row in dataset.rows(name)}


def built(work: Work) -> Dataset:
    build(work)
    return load(work.store, latest(work.store, work.project_id))


def test_a_second_build_with_more_rows_keeps_every_old_row_in_its_split(
    make_work: MakeWork, varied: Varied
) -> None:
    before = places(built(make_work(varied(150))))
    rows = varied(300)
    after = places(built(make_work([*rows[150:], *rows[:150]])))
    assert len(after) > len(before)
    assert {row: after[row] for row in before if row in after} == before


def test_another_policy_for_personal_data_moves_no_row(make_work: MakeWork, varied: Varied) -> None:
    rows = varied(150)
    for at, row in enumerate(rows[::3]):
        row["prompt"] += f" reach me at user{at}@example.com"
    first = built(make_work(rows))
    before = {
        row.source: name for name in ("train", "validation", "test") for row in first.rows(name)
    }
    second = built(make_work(rows, pii="keep"))
    after = {
        row.source: name for name in ("train", "validation", "test") for row in second.rows(name)
    }
    assert before == after
    assert first.id != second.id


def test_another_seed_is_a_wish_for_another_split(make_work: MakeWork, varied: Varied) -> None:
    before = places(built(make_work(varied(150))))
    after = places(built(make_work(varied(150), test=0.3)))
    assert before != after
    assert sum(name == "test" for name in after.values()) > 35


def test_a_golden_row_taken_out_of_its_file_is_still_refused(
    make_work: MakeWork, varied: Varied
) -> None:
    rows = varied(160)
    built(make_work(rows[:140], rows[140:150]))
    work = make_work(rows, rows[141:150])
    dataset = built(work)
    kept = {row.prompt for name in ("train", "validation", "test") for row in dataset.rows(name)}
    assert sum(row["prompt"] in kept for row in rows[150:]) > 5
    assert not kept & {row["prompt"] for row in rows[140:150]}
    reasons = work.store.scalar("SELECT reasons FROM gates ORDER BY id DESC LIMIT 1")
    assert "1 are gone" in reasons


def test_the_workspace_key_is_its_owners(make_work: MakeWork, varied: Varied) -> None:
    work = make_work(varied(120))
    build(work)
    assert (work.store.workspace / "pseudonyms.key").stat().st_mode & 0o777 == 0o600
