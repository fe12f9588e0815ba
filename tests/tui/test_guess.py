"""The wizard proposes a task by plain signs, in any language, and never fails on odd rows."""

from __future__ import annotations

import pytest

from engine.data.rows import Turn, make
from tui.guess import guess_task

LONG = "The parcel left the depot on Monday and was seen last on the road to the coast. " * 12


def rows(*pairs):
    return [make(prompt, completion) for prompt, completion in pairs] * 10


@pytest.mark.parametrize(
    ("task", "pairs"),
    [
        ("qa", [("How long is the guarantee?", "Three years"), ("保修期多久？", "三年")]),
        ("summarising", [(LONG, "A parcel that left on Monday is lost on its way. " * 4)]),
        ("code", [("orders of last week", "SELECT * FROM orders WHERE week = 12")]),
        ("code", [("add two numbers", "```python\ndef add(a, b):\n    return a + b\n```")]),
        ("free", [("A lamp of brass", "A lamp that warms the evening. " * 10)]),
        ("free", [(LONG, LONG)]),
    ],
)
def test_the_rows_tell_the_task(task, pairs):
    assert guess_task(rows(*pairs), (), of_labels=False) == task


def test_keys_labels_and_turns_tell_it_at_once():
    some = rows(("a?", "b"))
    assert guess_task(some, ("name", "arguments"), of_labels=False) == "tools"
    assert guess_task(some, ("order", "name"), of_labels=False) == "extraction"
    assert guess_task(some, (), of_labels=True) == "classification"
    talk = [make("and then?", "wait", history=(Turn("user", "hi"), Turn("assistant", "hello")))] * 5
    assert guess_task(talk, (), of_labels=False) == "chat"
    assert guess_task([], (), of_labels=False) == "free"
