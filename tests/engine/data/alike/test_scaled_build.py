"""A build by several processes gives the dataset that one process gives."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from engine.base.work import Work
from engine.data.build import build
from engine.data.dataset import latest

pytest.importorskip("datatrove", reason="the extra `scale` is not installed")


def test_two_workers_make_the_same_dataset(
    make_work: Callable[..., Work], varied: Callable[[int], list[dict[str, str]]]
) -> None:
    chance = random.Random(5)
    rows = varied(900)
    for row in chance.sample(rows, 200):
        words = row["prompt"].split()
        del words[chance.randrange(len(words))]
        rows.append({**row, "prompt": " ".join(words)})
    rows += [
        {"prompt": f"write to me{at}@example.com soon {at}", "completion": "x"} for at in range(40)
    ]
    one = make_work(rows, name="one")
    build(one)
    two = make_work(rows, name="two")
    two.args["scale"] = 2
    build(two)
    assert latest(one.store, one.project_id) == latest(two.store, two.project_id)
