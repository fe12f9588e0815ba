"""Several workers give, bit for bit, what one process gives."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest

from engine.base.errors import TunesmithError, UsageError
from engine.data.alike import duplicates, minhash, scale
from engine.data.alike.normalise import normalise
from engine.data.private.masking import Privacy
from engine.data.rows import Row, make

needs_engine = pytest.mark.skipif(
    find_spec("datatrove") is None, reason='needs datatrove: pip install "tunesmith[scale]"'
)
WORDS = ["parcel", "refund", "invoice", "订单", "退款", "kettle", "快递", "courier", "明天", "door"]


def prompts(count: int, seed: int) -> Iterator[str]:
    """Short texts in two scripts; a third nearly repeats an earlier one, a tenth is of one form."""
    chance = random.Random(seed)
    earlier: list[str] = []
    for number in range(count):
        words = [chance.choice(WORDS) + str(chance.randrange(90)) for _ in range(9)]
        if earlier and number % 3 == 0:
            words = chance.choice(earlier).split()
            words[chance.randrange(len(words))] = chance.choice(WORDS)
        elif number % 10 == 1:
            words = f"please send the invoice of order {number} to the usual address".split()
        earlier.append(" ".join(words))
        yield earlier[-1]


def rows(count: int, seed: int = 5) -> list[Row]:
    return [
        make(prompt, "yes" if number % 4 else "no", source=f"f:{number}")
        for number, prompt in enumerate(prompts(count, seed), 1)
    ]


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(scale, "_SHARD", 700)
    monkeypatch.setattr(scale, "_ROWS", 700)


@needs_engine
def test_candidates_equal_the_local_ones(small_shards):
    texts = [normalise(text) for text in prompts(4000, 1)]
    local = minhash.candidates(texts)
    spread = scale.candidates(iter(texts), 2)
    assert len(local[0]) > 1000
    for one, other in zip(local, spread, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


@needs_engine
def test_what_is_decided_from_them_is_equal_too(small_shards, monkeypatch):
    local = duplicates.sort(rows(3000))
    monkeypatch.setattr(minhash, "candidates", partial(scale.candidates, workers=2))
    spread = duplicates.sort(rows(3000))
    assert local == spread
    assert local.near
    assert local.conflicts
    assert local.related


@needs_engine
@pytest.mark.parametrize(("count", "shard"), [(0, 5), (1, 5), (3, 2)])
def test_few_texts_are_no_special_case(count, shard, monkeypatch):
    monkeypatch.setattr(scale, "_SHARD", shard)
    texts = ["the parcel never arrived at my door"] * count
    for one, other in zip(minhash.candidates(texts), scale.candidates(texts, 1), strict=True):
        assert np.array_equal(one, other)


@needs_engine
def test_a_mapped_function_gives_its_results_in_order(small_shards):
    texts = [*prompts(2000, 2), "a lone half of a pair: \ud800"]
    assert list(scale.mapped(normalise, iter(texts), 3)) == [normalise(text) for text in texts]
    assert list(scale.mapped(normalise, [], 2)) == []


@needs_engine
def test_private_data_is_treated_as_in_one_process(small_shards):
    privacy = Privacy("pseudonymise", {}, b"k" * 16)
    some = [
        make(
            f"{prompt} write to ann.lee{n % 7}@shop.example.com", f"ann.lee{n % 7}@shop.example.com"
        )
        for n, prompt in enumerate(prompts(900, 4))
    ]
    local = [privacy.treat(row) for row in some]
    assert all(treated.found for treated in local)
    assert list(scale.mapped(privacy.treat, some, 2)) == local


@needs_engine
def test_a_killed_worker_ends_the_run_with_the_way_out():
    with pytest.raises(TunesmithError, match="signal 9") as fault:
        list(scale.mapped(signal.raise_signal, [signal.SIGKILL], 1))
    assert "--scale" in fault.value.fix


@needs_engine
def test_a_bug_in_a_worker_is_raised_with_its_traceback():
    with pytest.raises(RuntimeError, match="ValueError"):
        list(scale.mapped(int, ["1", "no number"], 1))


@needs_engine
def test_a_request_to_stop_ends_the_workers(small_shards, tmp_path):
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scale.candidates(prompts(2000, 3), 2, shared=tmp_path, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_engine_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(scale, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="datatrove") as fault:
        scale.candidates(["a", "b"], 2)
    assert "pip install" in fault.value.fix
