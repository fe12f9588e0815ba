"""Review: what people decided about rows, and the rows after it.

One rule says what holds for a row. Of each reviewer the newest decision counts. When all of them
want the same, that holds; else what more than half of them want; else the row is disputed and left
out until another decision tips it. A decision that settles the row stands above all others; of
several the newest.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.base.errors import UsageError
from engine.base.store import Store
from engine.data.curate.suspects import CUT, Item
from engine.data.findings import Cleaned, Finding
from engine.data.private import masking
from engine.data.rows import Row, changed

Choice = Literal["accept", "edit", "reject", "relabel"]
CHOICES: tuple[Choice, ...] = ("accept", "edit", "reject", "relabel")
CANNOT_TELL = "cannot tell"  # the note of a reviewer who does not guess
_SETTLED = "settled"


@dataclass(frozen=True)
class Review:
    """What one person decided about one row, as the table `reviews` holds it.

    Attributes:
        id: Its number; a higher one is newer.
        row_id: The row's id as it was read.
        source: Where the row came from, as `file:row`.
        reviewer: Who decided.
        decision: What was decided.
        prompt: The new message of an edit; None where it stays.
        completion: The new answer; None where it stays.
        scenario: The new scenario; None where it stays.
        note: Why, in the reviewer's words.
        created: When, in seconds since 1970.
    """

    id: int
    row_id: str
    source: str
    reviewer: str
    decision: Choice
    prompt: str | None
    completion: str | None
    scenario: str | None
    note: str
    created: float

    @property
    def settles(self) -> bool:
        """Whether it stands above all other decisions on the row."""
        return self.note.startswith(_SETTLED)

    @property
    def wish(self) -> tuple[str | None, ...]:
        """What the row would become; equal for decisions that come to the same."""
        if self.decision in ("accept", "reject"):
            return (self.decision,)
        return ("change", self.prompt, self.completion, self.scenario)


@dataclass(frozen=True)
class Decision:
    """What holds for a row.

    Attributes:
        decision: What is done with it; `disputed` while its reviewers disagree.
        prompt: The new message; None where it stays. Answer and scenario likewise.
        reviewers: Who wanted it so; all of them where it is disputed.
    """

    decision: Choice | Literal["disputed"]
    prompt: str | None = None
    completion: str | None = None
    scenario: str | None = None
    reviewers: tuple[str, ...] = ()


def decide(
    store: Store,
    project_id: int,
    item: Item,
    reviewer: str,
    decision: Choice,
    *,
    prompt: str | None = None,
    completion: str | None = None,
    scenario: str | None = None,
    note: str = "",
    settle: bool = False,
) -> Review:
    """Save one person's decision at once, and return it.

    Args:
        store: The workspace's store.
        project_id: The project.
        item: The row.
        reviewer: Who decides.
        decision: `accept` keeps the row as it was read, `reject` leaves it out, `edit` replaces
            its message or answer, `relabel` its answer or scenario.
        prompt: The new message; None or the old one leaves it.
        completion: The new answer likewise.
        scenario: The new scenario likewise.
        note: Why.
        settle: Whether the decision stands above those of all others.

    Raises:
        UsageError: The decision is unknown, nobody makes it, or its texts do not fit it.
    """
    if decision not in CHOICES:
        raise UsageError(f"There is no decision {decision!r}.", f"One of {', '.join(CHOICES)}.")
    if not reviewer.strip():
        raise UsageError("Nobody decides.", "Name the reviewer: --as NAME.")
    texts = {
        "prompt": None if prompt == item.prompt else prompt,
        "completion": None if completion == item.completion else completion,
        "scenario": None if scenario == item.scenario else scenario,
    }
    _check(item, decision, texts)
    note = note.strip()
    if settle:
        note = f"{_SETTLED}: {note}" if note else _SETTLED
    elif note.startswith(_SETTLED):
        note = f"({note})"
    made: dict[str, Any] = {
        "row_id": item.row_id,
        "source": item.source,
        "reviewer": reviewer.strip(),
        "decision": decision,
        **texts,
        "note": note,
        "created": time.time(),
    }
    number = store.insert("reviews", {"project_id": project_id, **made})
    return Review(id=number, **made)


def _check(item: Item, decision: Choice, texts: Mapping[str, str | None]) -> None:
    wanted = {"edit": ("prompt", "completion"), "relabel": ("completion", "scenario")}
    allowed = wanted.get(decision, ())
    given = [name for name, text in texts.items() if text is not None]
    wrong = [name for name in given if name not in allowed]
    if wrong:
        raise UsageError(
            f"A decision to {decision} takes no {wrong[0]}.",
            "An edit takes a prompt and a completion, a relabel a completion and a scenario.",
            item.source,
        )
    if allowed and not given:
        raise UsageError(
            f"This {decision} changes nothing.",
            f"Accept the row, or give another {' or '.join(allowed)}.",
            item.source,
        )
    for name in ("prompt", "completion"):
        text, before = texts[name], getattr(item, name)
        if text is not None and before and not text.strip():
            raise UsageError(f"The {name} is empty.", "Reject the row instead.", item.source)
        if text is not None and CUT in text:
            what, fix = f"The {name} is only its beginning.", "Give the whole text."
            raise UsageError(what, fix, item.source)


def withdraw(store: Store, project_id: int, reviewer: str, row_id: str = "") -> Review | None:
    """Take a reviewer's last decision back, of one row or of all; return it, None without one."""
    with store.transaction():
        found = store.row(
            f"SELECT {_REVIEW} FROM reviews WHERE project_id = ? AND reviewer = ? "  # noqa: S608 - names are ours
            "AND (row_id = ? OR ? = '') ORDER BY id DESC LIMIT 1",
            (project_id, reviewer.strip(), row_id, row_id),
        )
        if found is None:
            return None
        store.execute("DELETE FROM reviews WHERE id = ?", (found["id"],))
    return Review(**dict(found))


_REVIEW = ", ".join(Review.__dataclass_fields__)


def reviews(store: Store, project_id: int) -> dict[str, tuple[Review, ...]]:
    """Return all decisions of a project by row, the oldest first."""
    by_row: dict[str, list[Review]] = defaultdict(list)
    sql = f"SELECT {_REVIEW} FROM reviews WHERE project_id = ? ORDER BY id"  # noqa: S608 - names are ours
    for row in store.rows(sql, (project_id,)):
        by_row[row["row_id"]].append(Review(**dict(row)))
    return {row_id: tuple(some) for row_id, some in by_row.items()}


def newest(made: Iterable[Review]) -> dict[str, Review]:
    """Return each reviewer's newest decision on one row."""
    return {review.reviewer: review for review in made}


def outcome(made: Sequence[Review]) -> Decision | None:
    """Return what holds for a row after these decisions, the oldest first; None without any."""
    if not made:
        return None
    votes = list(newest(made).values())
    settling = [review for review in made if review.settles]
    if settling:
        chosen, agreeing = settling[-1], settling[-1:]
    else:
        wish, count = Counter(vote.wish for vote in votes).most_common(1)[0]
        if 2 * count <= len(votes):
            return Decision("disputed", reviewers=tuple(sorted(vote.reviewer for vote in votes)))
        agreeing = [vote for vote in votes if vote.wish == wish]
        chosen = agreeing[-1]
    names = tuple(sorted(vote.reviewer for vote in agreeing))
    return Decision(chosen.decision, chosen.prompt, chosen.completion, chosen.scenario, names)


def decisions(store: Store, project_id: int) -> dict[str, Decision]:
    """Return what holds for each row on which anybody decided, by its id as read."""
    found = {row_id: outcome(made) for row_id, made in reviews(store, project_id).items()}
    return {row_id: decision for row_id, decision in found.items() if decision is not None}


def apply(
    rows: Iterable[Row], decisions: Mapping[str, Decision], result: Cleaned
) -> tuple[Iterator[Row], frozenset[str]]:
    """Return the rows as people decided, and the ids of the rows that they accepted.

    What was rejected, edited, relabelled or is disputed becomes a finding of `result`, and the row
    as it was read, masked, one of its suspects.

    Args:
        rows: The rows as they were read, before anything is masked or taken out.
        decisions: What holds, by row id.
        result: Takes the findings.
    """
    accepted = (row_id for row_id, held in decisions.items() if held.decision == "accept")
    return _applied(rows, decisions, result), frozenset(accepted)


def _applied(
    rows: Iterable[Row], decisions: Mapping[str, Decision], result: Cleaned
) -> Iterator[Row]:
    for row in rows:
        held = decisions.get(row.id)
        if held is None or held.decision == "accept":
            yield row
            continue
        file, _, number = row.source.rpartition(":")
        kind, what, action = _DONE[held.decision]
        by = ", ".join(held.reviewers)
        result.findings.append(
            Finding(kind, file, int(number), f"{what} {by}", action, row_id=row.id)
        )
        result.suspects.setdefault(row.id, masking.mask(row).row)
        if action == "dropped":
            continue
        parts = {name: getattr(held, name) for name in ("prompt", "completion", "scenario")}
        after = changed(row, **{name: text for name, text in parts.items() if text is not None})
        result.renamed(row.id, after.id)
        yield after


_DONE = {
    "reject": ("rejected", "rejected by", "dropped"),
    "disputed": ("disputed", "judged differently by", "dropped"),
    "edit": ("edited", "edited by", "fixed"),
    "relabel": ("edited", "relabelled by", "fixed"),
}
