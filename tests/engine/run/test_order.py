from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from engine.run.order import Order

CHANCE = random.Random(3)
LENGTHS = [CHANCE.randint(20, 200) for _ in range(203)]


def padding(order, batch):
    rows = list(order)
    batches = [rows[i : i + batch] for i in range(0, len(rows), batch)]
    return sum(sum(max(LENGTHS[r] for r in b) - LENGTHS[r] for r in b) for b in batches)


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=60),
    st.integers(1, 9),
    st.integers(0, 5),
    st.booleans(),
)
def test_every_row_comes_exactly_once_an_epoch(lengths, batch, epoch, grouped):
    order = Order(lengths, batch, 42, grouped=grouped)
    order.set_epoch(epoch)
    assert sorted(order) == list(range(len(lengths)))


def test_the_order_follows_from_seed_and_epoch_alone():
    order, again = (Order(LENGTHS, 8, 42, grouped=True) for _ in range(2))
    list(order)
    random.seed(7)
    order.set_epoch(2)
    again.set_epoch(2)
    assert list(order) == list(again)


def test_epochs_and_seeds_differ():
    first, second = Order(LENGTHS, 8, 42, grouped=True), Order(LENGTHS, 8, 42, grouped=True)
    second.set_epoch(1)
    other = Order(LENGTHS, 8, 43, grouped=True)
    assert len({tuple(first), tuple(second), tuple(other)}) == 3


def test_grouping_saves_most_of_the_padding():
    grouped, mixed = (padding(Order(LENGTHS, 8, 42, grouped=g), 8) for g in (True, False))
    assert grouped < mixed / 5


def test_long_and_short_batches_are_mixed():
    rows = list(Order(LENGTHS, 8, 42, grouped=True))
    batches = [max(LENGTHS[r] for r in rows[i : i + 8]) for i in range(0, len(rows), 8)]
    assert batches != sorted(batches)
    assert batches != sorted(batches, reverse=True)


@given(st.lists(st.integers(1, 500), min_size=9, max_size=60), st.integers(1, 9), st.booleans())
def test_the_widest_whole_batch_comes_first(lengths, batch, grouped):
    rows = list(Order(lengths, batch, 42, grouped=grouped))
    whole = len(rows) - len(rows) % batch
    widths = [max(lengths[r] for r in rows[i : i + batch]) for i in range(0, whole, batch)]
    assert widths[0] == max(widths)
