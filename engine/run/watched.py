"""What was seen while a run trained, read back: answers to rows, changed settings, the board."""

from __future__ import annotations

from typing import NamedTuple

from engine.base.store import Store

# What `show` says of a series that has a point a step: its mean, or its highest.
_MEANS = ("mfu", "gpu_utilisation", "gpu_watts")
_HIGHEST = ("gpu_temperature",)
_PREFERENCES = (
    "reward_margin",
    "reward_accuracy",
    "validation_reward_margin",
    "validation_reward_accuracy",
)


class Answer(NamedTuple):
    """What the model answered at a step; where it went on answering that, at its last step too."""

    step: int
    last: int
    text: str


class Asked(NamedTuple):
    """A validation row that the model was asked as it trained.

    Attributes:
        row_id: The row.
        asked: The question.
        expected: The right answer.
        answers: The model's answers, the newest first; neighbours that are equal are one.
    """

    row_id: str
    asked: str
    expected: str
    answers: tuple[Answer, ...]


class Change(NamedTuple):
    """A setting that was changed on the way, such as a micro-batch when the memory ran out."""

    step: int
    key: str
    before: str
    after: str
    why: str


def answers(store: Store, run_id: int) -> list[Asked]:
    """Return the rows that a run was asked, in the order of their ids, with its answers."""
    found: dict[str, Asked] = {}
    for row in store.rows(
        "SELECT row_id, step, asked, expected, answer FROM samples WHERE run_id = ? "
        "ORDER BY row_id, step DESC",
        (run_id,),
    ):
        known = found.get(row["row_id"])
        new = Answer(row["step"], row["step"], row["answer"])
        if known is None:
            found[row["row_id"]] = Asked(row["row_id"], row["asked"], row["expected"], (new,))
            continue
        *newer, last = known.answers
        joined = (
            [last._replace(step=new.step)] if last.text == new.text else [last, new]
        )  # rows come newest first, so an answer's first step moves back
        found[row["row_id"]] = known._replace(answers=(*newer, *joined))
    return list(found.values())


def changes(store: Store, run_id: int) -> list[Change]:
    """Return the settings that were changed on the way, in order."""
    rows = store.rows(
        "SELECT step, key, before, after, why FROM run_changes WHERE run_id = ? ORDER BY id",
        (run_id,),
    )
    return [Change(*row) for row in rows]


def board(store: Store, run_id: int) -> dict[str, float]:
    """Return how a run used its device, of what was measured.

    The keys are those of the series: `mfu`, `gpu_utilisation` (means, 0 to 1), `gpu_watts` (mean)
    and `gpu_temperature` (the highest, degrees Celsius).
    """
    means, highest = _summed(store, run_id, _MEANS, "avg"), _summed(store, run_id, _HIGHEST, "max")
    return means | highest


def preferences(store: Store, run_id: int) -> dict[str, float]:
    """Return the newest margin and share of pairs in the right order; empty for other trainers."""
    from engine.run import metrics

    latest = metrics.latest(store, run_id)
    return {name: latest[name] for name in _PREFERENCES if name in latest}


def _summed(store: Store, run_id: int, names: tuple[str, ...], how: str) -> dict[str, float]:
    marks = ", ".join("?" for _ in names)
    rows = store.rows(
        f"SELECT name, (SELECT {how}(value) FROM points WHERE series_id = series.id) AS value "  # noqa: S608 - constants
        f"FROM series WHERE run_id = ? AND name IN ({marks})",
        (run_id, *names),
    )
    return {row["name"]: row["value"] for row in rows if row["value"] is not None}
