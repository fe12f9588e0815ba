"""Suspects: the rows of a build that a person should look at, the most suspicious first."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from engine.base.errors import TunesmithError
from engine.base.store import Store
from engine.data import dataset
from engine.data.findings import Cleaned, Finding
from engine.data.private import masking
from engine.data.rows import Row, from_json

KINDS = (
    "disputed", "conflict", "leak", "semantic leak", "secret", "fixed", "too long", "form", "toxic",
    "answer in prompt", "sensitive", "pii", "language", "semantic match", "near duplicate",
    "edited", "rejected",
)  # fmt: skip
"""The kinds of findings that a person should look at, the most suspicious first."""

LONGEST = 20_000  # characters of a text that the queue holds
CUT = "\n[… cut here; the row goes on …]"


@dataclass(frozen=True)
class Item:
    """A row that a person should look at; its texts are masked.

    Attributes:
        rank: Its place in the queue, from 1.
        row_id: The row's id as it was read.
        source: Where it came from, as `file:row`.
        kind: What it is suspected of, the worst first, by comma.
        what: What was found.
        action: What was done about it.
        other: The place of the row that it repeats, contradicts or gives away; else empty.
        scenario: Its kind of case; may be empty.
        prompt: The message as it was read.
        completion: The answer as it was read.
        prompt_after: The message as it went on; None when the row was left out.
        completion_after: The answer likewise.
    """

    rank: int
    row_id: str
    source: str
    kind: str
    what: str
    action: str
    other: str
    scenario: str
    prompt: str
    completion: str
    prompt_after: str | None = None
    completion_after: str | None = None

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds one by one."""
        return tuple(self.kind.split(", "))


def queue(cleaned: Cleaned, limit: int = 2000) -> list[Item]:
    """Return the suspicious rows, the most suspicious first; one item a row.

    Args:
        cleaned: The result of cleaning. A finding counts when its kind is one of `KINDS` and its
            row is among `cleaned.suspects`.
        limit: The most items.
    """
    found: dict[str, list[Finding]] = defaultdict(list)
    for finding in cleaned.findings:
        if finding.kind in KINDS and finding.row_id in cleaned.suspects:
            found[finding.row_id].append(finding)
    worst = {row_id: min(KINDS.index(item.kind) for item in some) for row_id, some in found.items()}
    ranked = sorted(found, key=lambda row_id: worst[row_id])[:limit]
    places = {cleaned.suspects[row_id].source for row_id in ranked}
    kept = {row.source: row for row in cleaned.rows if row.source in places}
    return [
        _item(rank, cleaned.suspects[row_id], found[row_id], kept)
        for rank, row_id in enumerate(ranked, start=1)
    ]


def _item(rank: int, row: Row, found: list[Finding], kept: Mapping[str, Row]) -> Item:
    found = sorted(found, key=lambda finding: KINDS.index(finding.kind))
    actions = [finding.action for finding in found]
    before, after = masking.mask(row).row, kept.get(row.source)
    if after is not None and ("pseudonymised" not in actions or "kept" in actions):
        after = masking.mask(after).row
    return Item(
        rank=rank,
        row_id=found[0].row_id,
        source=row.source,
        kind=", ".join(dict.fromkeys(finding.kind for finding in found)),
        what="; ".join(dict.fromkeys(finding.what for finding in found)),
        action="dropped" if "dropped" in actions else actions[0],
        other=next((finding.other for finding in found if finding.other), ""),
        scenario=row.scenario,
        prompt=_cut(before.prompt),
        completion=_cut(before.completion),
        prompt_after=None if after is None else _cut(after.prompt),
        completion_after=None if after is None else _cut(after.completion),
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + CUT


def save_queue(store: Store, project_id: int, job_id: int | None, items: Iterable[Item]) -> None:
    """Put these items in the place of the project's queue; decisions stay."""
    own = {"project_id": project_id, "job_id": job_id}
    with store.transaction():
        store.execute("DELETE FROM review_items WHERE project_id = ?", (project_id,))
        for item in items:
            store.insert("review_items", {**own, **asdict(item)})


def load_queue(store: Store, project_id: int) -> list[Item]:
    """Return the project's queue in its order; empty before the first build."""
    columns = ", ".join(Item.__dataclass_fields__)
    sql = f"SELECT {columns} FROM review_items WHERE project_id = ? ORDER BY rank"  # noqa: S608 - names are ours
    return [Item(**dict(row)) for row in store.rows(sql, (project_id,))]


def kept_row(store: Store, project_id: int, place: str) -> Row | None:
    """Return the row from `file:row` of the newest dataset, masked, never a golden one; or None."""
    wanted = json.dumps(place, ensure_ascii=False)
    try:
        folder = dataset.load(store, dataset.latest(store, project_id)).folder
        for split in ("train", "validation", "test"):
            with (folder / f"{split}.jsonl").open(encoding="utf-8") as stream:
                for line in stream:
                    if wanted in line and (row := from_json(line)).source == place:
                        return masking.mask(row).row
    except (TunesmithError, OSError):
        return None
    return None
