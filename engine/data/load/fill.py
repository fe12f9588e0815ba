"""Filling a row from a record, one way for each format."""

from __future__ import annotations

from collections.abc import Callable

from engine.data.load import formats
from engine.data.load.cells import blank
from engine.data.load.draft import Draft
from engine.data.load.formats import Plan
from engine.data.load.reading import MAP, Reading, kind_of
from engine.data.load.shown import listed, shown
from engine.data.load.turns import FaultyError, Talk, ordered, transcript, turns
from engine.data.rows import Turn


def talk(draft: Draft, found: list[Turn]) -> None:
    """Put a conversation into a draft, with a complaint for each change of its order."""
    talk: Talk = ordered(found, draft.complaints)
    *before, last = talk.turns
    draft.system, draft.completion = talk.system or draft.system, last.content
    draft.prompt = before.pop().content if before[-1].role == "user" else ""
    draft.history = tuple(before)


def _fill_messages(draft: Draft, reading: Reading, plan: Plan) -> None:
    value = formats.opened(reading.value(plan.messages))
    if not isinstance(value, list):
        raise FaultyError(
            f"`{shown(plan.messages)}` is {kind_of(value)}, not a list of turns.",
            'Write [{"role": "user", "content": "..."}, ...].',
        )
    talk(draft, turns(value, reading.mapping.roles))


def _fill_pair(draft: Draft, reading: Reading, plan: Plan) -> None:
    before, after = reading.talk(plan.prompt), reading.talk(plan.completion)
    if before is None and after is None:
        draft.prompt = reading.text(plan.prompt)
        draft.completion = reading.answer(plan.completion)
        return
    if before is None:
        before = [Turn("user", reading.text(plan.prompt))]
    if after is None:
        after = [Turn("assistant", reading.answer(plan.completion))]
    talk(draft, [*before, *after])


def _fill_alpaca(draft: Draft, reading: Reading, plan: Plan) -> None:
    _fill_pair(draft, reading, plan)
    more = reading.optional(plan.input) if plan.input else ""
    if more:
        draft.prompt = f"{draft.prompt}\n\n{more}"
    earlier = formats.opened(reading.content.get(plan.history)) if plan.history else None
    if not earlier:
        return
    if not isinstance(earlier, list) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(t, str) for t in pair)
        for pair in earlier
    ):
        raise FaultyError(
            f"`{shown(plan.history)}` is not a list of pairs of texts.", "Write question, answer."
        )
    turns_before = [Turn(role, t) for pair in earlier for role, t in zip(_PAIR, pair, strict=True)]
    last = [Turn("user", draft.prompt), Turn("assistant", draft.completion)]
    talk(draft, [*turns_before, *last])


_PAIR = ("user", "assistant")


def _fill_kto(draft: Draft, reading: Reading, plan: Plan) -> None:
    _fill_pair(draft, reading, plan)
    value = reading.content.get(plan.label)
    label = formats.truth(value)
    if label is None:
        none = blank(value)
        what = "is missing" if none else "is neither true nor false"
        raise FaultyError(f"`{shown(plan.label)}` {what}.", "Write true or false.")
    draft.form, draft.label = "feedback", label


_APART = (
    "The chosen and the rejected conversation part before the last answer.",
    "Let them differ in the last answer alone.",
)


def _fill_preference(draft: Draft, reading: Reading, plan: Plan) -> None:
    draft.form = "preference"
    good, bad = reading.talk(plan.completion), reading.talk(plan.rejected)
    if good is None and bad is None and not plan.prompt:
        good = transcript(reading.answer(plan.completion))
        bad = transcript(reading.answer(plan.rejected))
    if good is None or bad is None:
        draft.completion = reading.answer(plan.completion)
        draft.rejected = reading.answer(plan.rejected)
        if not plan.prompt:
            raise FaultyError(
                f"There is no `prompt`; the record has {listed(reading.content)}.", MAP
            )
        before = reading.talk(plan.prompt)
        if before is None:
            draft.prompt = reading.text(plan.prompt)
        else:
            talk(draft, [*before, Turn("assistant", draft.completion)])
        return
    shared = 0
    while shared < min(len(good), len(bad)) and good[shared] == bad[shared]:
        shared += 1
    if shared == len(good) == len(bad):
        shared = max(0, shared - 1)
    before = good[:shared]
    if not any(turn.role == "user" for turn in before):
        before = [*before, *_asked(reading, plan)]
    good, bad = good[shared:], bad[shared:]
    if [turn.role for turn in good] != ["assistant"] or [turn.role for turn in bad] != [
        "assistant"
    ]:
        raise FaultyError(*_APART)
    talk(draft, [*before, *good])
    draft.rejected = bad[0].content


def _asked(reading: Reading, plan: Plan) -> list[Turn]:
    """Return the turns of the prompt of a preference."""
    if not plan.prompt:
        raise FaultyError(*_APART)
    return reading.talk(plan.prompt) or [Turn("user", reading.text(plan.prompt))]


def _fill_text(draft: Draft, reading: Reading, plan: Plan) -> None:
    draft.form, draft.completion = "text", reading.text(plan.text)


FILLERS: dict[str, Callable[[Draft, Reading, Plan], None]] = {
    "messages": _fill_messages,
    "sharegpt": _fill_messages,
    "dialogue": _fill_messages,
    "prompt-completion": _fill_pair,
    "alpaca": _fill_alpaca,
    "kto": _fill_kto,
    "preference": _fill_preference,
    "text": _fill_text,
}
