"""A review as text: its queue in a few lines, and one row with all that was decided about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from rich.cells import cell_len

from engine.data.curate.review import Decision, Review, newest, outcome
from engine.data.curate.suspects import Item
from engine.data.rows import Row
from tui.reviewing import Queue
from tui.widgets.canvas import Line, Part, cells, spread
from tui.widgets.page import keyed, titled, wrapped
from tui.words import literal

DECIDED: dict[str, Part] = {
    "accept": ("✓ accept", "good"),
    "reject": ("✗ reject", "bad"),
    "edit": ("± edit", "active"),
    "relabel": ("→ relabel", "active"),
    "disputed": ("≠ disputed", "warn"),
}
# A word of letters and digits, one sign of a script without blanks between words, or what is left.
_PIECE = re.compile(r"[^\W\u0e00-\u0eff\u2e80-\ud7ff\uf900-\ufaff]+|\s+|.", re.DOTALL)
_MANY = 4000  # pieces of both texts above which only their common ends are sought
_ROOM = 10  # cells for the name of a text
_GOLDEN = ("leak", "semantic leak")
_PLACE = 20
_NOTHING = "The last build found no row that a person should look at."
_NOT_BUILT = (
    "There is nothing to review yet. Building the dataset leaves here the rows that a person "
    "should look at: those that contradict each other, give the golden set away, hold keys or "
    "personal data, and more."
)


def marked(before: str, after: str) -> tuple[str, str]:
    """Return both texts with what differs in marks: `[-gone-]` in one, `{+new+}` in the other.

    Scripts without blanks between words are compared sign by sign.
    """
    if before == after:
        return before, after
    old, new = _PIECE.findall(before), _PIECE.findall(after)
    first: list[str] = []
    second: list[str] = []
    for kind, a, b, c, d in _steps(old, new):
        gone, come = "".join(old[a:b]), "".join(new[c:d])
        first.append(gone if kind == "equal" or not gone else f"[-{gone}-]")
        second.append(come if kind == "equal" or not come else f"{{+{come}+}}")
    return "".join(first), "".join(second)


def _steps(old: list[str], new: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    if len(old) + len(new) <= _MANY:
        return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    shortest = min(len(old), len(new))
    start = next((at for at in range(shortest) if old[at] != new[at]), shortest)
    end = next(
        (at for at in range(shortest - start) if old[-1 - at] != new[-1 - at]), shortest - start
    )
    left, right = len(old) - end, len(new) - end
    return [
        ("equal", 0, start, 0, start),
        ("replace", start, left, start, right),
        ("equal", left, len(old), right, len(new)),
    ]


def shown(text: str) -> str:
    """Return foreign text with its lines kept, and what would steer the terminal as `·`."""
    return "\n".join(literal(line) for line in text.split("\n"))


def state(made: Sequence[Review], reviewer: str) -> Part:
    """Return how a row stands for a reviewer, who sees the choices of others after the own one."""
    held = outcome(made)
    if held is None:
        return ("·", "faint")
    votes = newest(made)
    if reviewer not in votes:
        settled = any(review.settles for review in made)
        return (
            ("■ settled", "quiet")
            if settled
            else (f"· {len(votes)} other{'s' * (len(votes) > 1)}", "quiet")
        )
    return DECIDED["disputed" if held.decision == "disputed" else votes[reviewer].decision]


def detail(
    item: Item, other: Item | Row | None, made: Sequence[Review], reviewer: str, width: int
) -> list[Line]:
    """Return everything about one row.

    Args:
        item: The row.
        other: The row that it repeats or contradicts, where it is known.
        made: The decisions on it, the oldest first.
        reviewer: Who looks.
        width: The width of a line in cells.
    """
    head = f"{item.kind} · {literal(item.source)} · {item.action}"
    lines: list[Line] = wrapped(head, width, "strong")
    lines += wrapped(literal(item.what), width)
    lines += _decided(made, reviewer, width)
    prompt, completion, after = item.prompt, item.completion, None
    if item.prompt_after is not None and item.completion_after is not None:
        prompt, new_prompt = marked(item.prompt, item.prompt_after)
        completion, new_completion = marked(item.completion, item.completion_after)
        after = (new_prompt, new_completion)
    lines += [titled("Before", width), *_text("prompt", prompt, width)]
    if other is not None and "conflict" in item.kinds and item.completion == completion:
        completion = marked(item.completion, other.completion)[0]
    lines += _text("answer", completion, width)
    if item.scenario:
        lines += _text("scenario", item.scenario, width)
    return [*lines, *_after(item, after, width), *_other(item, other, width)]


def _text(name: str, text: str, width: int) -> list[Line]:
    return keyed(name, shown(text) or "(empty)", width, room=_ROOM)


def _after(item: Item, after: tuple[str, str] | None, width: int) -> list[Line]:
    if after is None:
        return [titled("After", width), [("left out of the dataset", "quiet")]]
    if after == (item.prompt, item.completion):
        return [titled("After", width), [("the same", "quiet")]]
    return [
        titled("After", width),
        *_text("prompt", after[0], width),
        *_text("answer", after[1], width),
    ]


def _other(item: Item, other: Item | Row | None, width: int) -> list[Line]:
    if not item.other:
        return []
    lines: list[Line] = [titled(f"The other row, {literal(item.other)}", width)]
    if any(kind in _GOLDEN for kind in item.kinds):
        return [
            *lines,
            *wrapped("A golden row is not shown: nothing may learn it.", width, "quiet"),
        ]
    if other is None:
        return [
            *lines,
            *wrapped("Its text is neither in the queue nor in the dataset.", width, "quiet"),
        ]
    prompt = marked(item.prompt, other.prompt)[1]
    answer = marked(item.completion, other.completion)[1]
    return [*lines, *_text("prompt", prompt, width), *_text("answer", answer, width)]


def _decided(made: Sequence[Review], reviewer: str, width: int) -> list[Line]:
    """Return what was decided; the choices of others only to those who chose, or when settled."""
    votes, held = newest(made), outcome(made)
    if held is None:
        return []
    if reviewer not in votes and not any(review.settles for review in made):
        who = "1 other person has" if len(votes) == 1 else f"{len(votes)} others have"
        return wrapped(f"{who} decided; you see what, once you have.", width, "quiet")
    lines: list[Line] = []
    for review in votes.values():
        lines += _vote(review, width)
    return [*lines, *_held(held, width)]


def _held(held: Decision, width: int) -> list[Line]:
    if held.decision != "disputed":
        return []
    text = "disputed: left out until one more decides; s settles it as you decided"
    return wrapped(text, width, "warn", first=[("≠ ", "warn")])


def _vote(review: Review, width: int) -> list[Line]:
    word, tone = DECIDED[review.decision]
    new = [("prompt", review.prompt), ("answer", review.completion), ("scenario", review.scenario)]
    parts = [f"{name}: {literal(text)}" for name, text in new if text is not None]
    text = "; ".join([*parts, *filter(None, [literal(review.note)])])
    first: list[Part] = [(f"{word} ", tone), (f"{literal(review.reviewer)} ", "quiet")]
    return wrapped(text, width, first=first, indent=2 if sum(len(t) for t, _ in first) > 40 else 0)


def parts(item: Item) -> list[Part]:
    """Return the cells of a row that no decision changes: kind, place, what was found."""
    return [(item.kind, ""), (_short(item.source), "quiet"), (_line(item.what), "")]


@lru_cache(maxsize=4096)
def _short(place: str) -> str:
    """Return the end of a place: the row's number tells more than the folder."""
    text = literal(place)
    while cell_len(text) > _PLACE:
        text = f"…{text[2:]}"
    return text


@lru_cache(maxsize=4096)
def _line(text: str) -> str:
    return literal(text)


def header(queue: Queue, reviewer: str, width: int) -> Line:
    """Return the screen's first line: project, reviewer, progress."""
    done = f"{queue.decided:,} of {len(queue.items):,} decided"
    disputed = [(f"  ≠ {queue.disputed:,} disputed", "warn")] if queue.disputed else []
    return spread(
        [
            (" tunesmith", "accent"),
            (" › ", "faint"),
            (literal(queue.project), "strong"),
            (" › ", "faint"),
            ("review", "strong"),
            (f"  as {literal(reviewer)}", "quiet"),
        ],
        [(done, ""), *disputed, (" ", "")],
        width,
    )


def kinds(known: Sequence[tuple[str, str]], chosen: str, width: int) -> Line:
    """Return the kinds with their numbers; the first ones give way until the chosen one is seen."""
    names = [name for name, _ in known]
    labels: list[Line] = [
        [(f"{'▸ ' if name == chosen else ''}{name} ", "strong" if name == chosen else "quiet"),
         (f"{count}  ", "" if name == chosen else "quiet")]
        for name, count in known
    ]  # fmt: skip
    start, at = 0, names.index(chosen)
    while start < at and sum(map(cells, labels[start : at + 1])) > width - 2:
        start += 1
    lead: Line = [("… ", "quiet")] if start else []
    return [*lead, *(part for label in labels[start:] for part in label)]


def agreement(queue: Queue, width: int) -> list[Line]:
    """Return how far the reviewers agree; no line before two decided on the same row."""
    found = queue.agreement
    if found is None:
        return []
    figures = [f"the same on {found.same:.0%} of {found.rows:,} rows"]
    if found.alpha is not None:
        figures.append(f"alpha {found.alpha:.2f}")
    if found.kappa is not None:
        figures.append(f"kappa {found.kappa:.2f}")
    who = " and ".join(map(literal, found.reviewers))
    return wrapped(f"{who}: {', '.join(figures)}. {queue.advice}", width, "quiet")[:2]


def nothing(queue: Queue, width: int) -> list[Line]:
    """Return what to do when there is nothing to review."""
    folder = f" --project {literal(queue.folder)}" if queue.folder else ""
    return [
        *wrapped(_NOTHING if queue.built else _NOT_BUILT, width),
        (),
        [("$ ", "faint"), (f"tunesmith data build{folder}", "quiet")],
    ]
