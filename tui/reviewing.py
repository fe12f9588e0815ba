"""What the review's screen and its command share: one look at the queue, and words about it."""

from __future__ import annotations

import getpass
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from engine.base.store import Store
from engine.data.curate import review, suspects
from engine.data.curate.agreement import ADVICE, Agreement, measure
from engine.data.curate.review import Review, outcome
from engine.data.curate.suspects import KINDS, Item

ALL, OPEN, CONTESTED = "all", "open", "in dispute"
DISPUTED = "disputed"


def os_user() -> str:
    """Return the name of this computer's user; `reviewer` where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "reviewer"


@dataclass(frozen=True)
class Queue:
    """One look at a project's review.

    Attributes:
        project_id: The project's row; 0 when there is none.
        project: Its name.
        folder: Its folder.
        built: Whether a build has ended.
        items: The queue, the most suspicious row first.
        reviews: The decisions by row, the oldest first.
        agreement: About the decisions, once two people decided on the same row.
    """

    project_id: int = 0
    project: str = ""
    folder: str = ""
    built: bool = False
    items: tuple[Item, ...] = ()
    reviews: Mapping[str, tuple[Review, ...]] = field(default_factory=dict)
    agreement: Agreement | None = None

    def of(self, item: Item) -> tuple[Review, ...]:
        """Return the decisions on a row, the oldest first."""
        return self.reviews.get(item.row_id, ())

    def at(self, place: str) -> Item | None:
        """Return the item from a place, if the queue holds it."""
        return self._places.get(place)

    def plus(self, made: Review) -> Queue:
        """Return the look with one more decision."""
        before = self.reviews.get(made.row_id, ())
        return replace(self, reviews={**self.reviews, made.row_id: (*before, made)})

    def minus(self, made: Review) -> Queue:
        """Return the look with one decision less."""
        left = tuple(each for each in self.reviews.get(made.row_id, ()) if each.id != made.id)
        return replace(self, reviews={**self.reviews, made.row_id: left})

    def has(self, item: Item, reviewer: str) -> bool:
        """Say whether a person decided on a row."""
        return any(made.reviewer == reviewer for made in self.of(item))

    def held(self, item: Item) -> str:
        """Return what holds for a row: a decision, `disputed`, or an empty text."""
        return self._held.get(item.row_id, "")

    @property
    def advice(self) -> str:
        """What the agreement advises."""
        return ADVICE[self.agreement.result] if self.agreement else ""

    @cached_property
    def decided(self) -> int:
        """How many rows of the queue are decided; a disputed one is not."""
        return sum(self.held(item) not in ("", DISPUTED) for item in self.items)

    @cached_property
    def disputed(self) -> int:
        """How many rows of the queue are disputed."""
        return sum(self.held(item) == DISPUTED for item in self.items)

    @cached_property
    def reviewers(self) -> frozenset[str]:
        """Everybody who decided on a row."""
        return frozenset(each.reviewer for made in self.reviews.values() for each in made)

    @cached_property
    def _held(self) -> dict[str, str]:
        found = {row_id: outcome(made) for row_id, made in self.reviews.items()}
        return {row_id: held.decision for row_id, held in found.items() if held}

    @cached_property
    def _places(self) -> dict[str, Item]:
        return {item.source: item for item in self.items}


class Reader:
    """Reads a project's review, as far as it changed; the feed calls it in its thread.

    Args:
        project_id: The project; None for the one whose queue is the newest.
    """

    def __init__(self, project_id: int | None) -> None:
        self._project_id = project_id
        self._seen: tuple[object, ...] = ()
        self._queue = Queue()
        self._queued: tuple[object, ...] = ()

    def __call__(self, store: Store) -> Queue | None:
        """Return what to show; None when it is what was shown last."""
        project_id = self._project_id or store.scalar(
            "SELECT project_id FROM review_items ORDER BY id DESC LIMIT 1"
        )
        queued = (
            *_mark(store, "review_items", "max(job_id)", project_id),
            _built(store, project_id),
        )
        seen = (project_id, queued, _mark(store, "reviews", "max(created)", project_id))
        if seen == self._seen:
            return None
        self._seen = seen
        if queued != self._queued or not project_id:
            self._queued = queued
            self._queue = Queue() if project_id is None else _look(store, project_id)
        if project_id:
            self._queue = with_reviews(self._queue, store)
        return self._queue


def look(store: Store, project_id: int) -> Queue:
    """Return a project's review as it stands."""
    return with_reviews(_look(store, project_id), store)


def with_reviews(queue: Queue, store: Store) -> Queue:
    """Return the look with the decisions as they stand."""
    made = review.reviews(store, queue.project_id)
    answers = {item.row_id: item.completion for item in queue.items}
    found = measure(made, answers, resamples=0)["decision"]
    return replace(queue, reviews=made, agreement=found if found.rows else None)


def _mark(store: Store, table: str, newest_of: str, project_id: int | None) -> tuple[object, ...]:
    row = store.row(
        f"SELECT count(*), max(id), {newest_of} FROM {table} WHERE project_id = ?",  # noqa: S608 - names are ours
        (project_id,),
    )
    return tuple(row or ())


def _built(store: Store, project_id: int | None) -> int | None:
    """Return the newest build that ended; None before the first."""
    found: int | None = store.scalar(
        "SELECT max(id) FROM jobs WHERE project_id = ? AND kind = 'data' AND state = 'done'",
        (project_id,),
    )
    return found


def _look(store: Store, project_id: int) -> Queue:
    project = store.row("SELECT name, path FROM projects WHERE id = ?", (project_id,))
    items = tuple(suspects.load_queue(store, project_id))
    name, folder = (project["name"], project["path"]) if project else ("", "")
    return Queue(project_id, name, folder, _built(store, project_id) is not None, items)


def counts(queue: Queue) -> dict[str, tuple[int, int]]:
    """Return for each kind in the queue how many rows are decided, and how many there are."""
    every, done = Counter[str](), Counter[str]()
    for item in queue.items:
        held = queue.held(item) not in ("", DISPUTED)
        for kind in item.kinds:
            every[kind] += 1
            done[kind] += held
    return {kind: (done[kind], every[kind]) for kind in KINDS if every[kind]}


def filters(queue: Queue, reviewer: str) -> list[tuple[str, str]]:
    """Return the kinds of rows that can be shown, with how many (of a kind: decided and all)."""
    left = sum(not queue.has(item, reviewer) for item in queue.items)
    found = [(ALL, f"{len(queue.items):,}"), (OPEN, f"{left:,}")]
    if queue.disputed:
        found.append((CONTESTED, f"{queue.disputed:,}"))
    return found + [(kind, f"{done:,}/{n:,}") for kind, (done, n) in counts(queue).items()]


def selected(queue: Queue, chosen: str, reviewer: str) -> Sequence[Item]:
    """Return the rows that one of the `filters` lets through."""
    if chosen == ALL:
        return queue.items
    if chosen == OPEN:
        return [item for item in queue.items if not queue.has(item, reviewer)]
    if chosen == CONTESTED:
        return [item for item in queue.items if queue.held(item) == DISPUTED]
    return [item for item in queue.items if chosen in item.kinds]


def command(folder: str, made: Review | None) -> str:
    """Return the command that decides as `made`, or that opens the review."""
    words = ["data", "review", *(["--project", folder] if folder else [])]
    if made is not None:
        words += ["--as", made.reviewer]
        if made.decision in ("accept", "reject"):
            words += ["--decide", f"{made.row_id}={made.decision}"]
        else:
            words += [f"--{made.decision}", made.row_id]
        for name in ("prompt", "completion", "scenario"):
            if (text := getattr(made, name)) is not None:
                words += [f"--{name}", text]
        words += ["--settle"] if made.settles else []
        words += ["--note", made.note] if made.note and not made.settles else []
    return shlex.join(words)
