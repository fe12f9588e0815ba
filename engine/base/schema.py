"""The schema of `runs.db`, as a list of migrations that is only ever added to.

Every table's row holds the id of the row it came from, so lineage is a join:
projects -> datasets -> plans -> runs -> scores -> artifacts. `jobs` records the work itself.
The statements of a migration stand in `migrations/NAME.sql`, a blank line between them.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

# sqlite-utils imports pandas and numpy when it finds them (0.3 s); nothing here needs either.
with patch.dict(sys.modules, {"pandas": None, "numpy": None}):
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

migrations = Migrations("tunesmith")


@migrations()  # type: ignore[untyped-decorator]
def m001_journey(db: Any) -> None:
    """The tables of the first journey, from project to artifact."""
    _run(db, "m001_journey")


@migrations()  # type: ignore[untyped-decorator]
def m002_answer_tokens(db: Any) -> None:
    """How many of a dataset's training tokens are answers; 0 where nobody counted."""
    _run(db, "m002_answer_tokens")


@migrations()  # type: ignore[untyped-decorator]
def m003_data_stage(db: Any) -> None:
    """What the data stage remembers: a dataset's form and parent, splits, golden sets, reviews."""
    _run(db, "m003_data_stage")


@migrations()  # type: ignore[untyped-decorator]
def m004_advice_and_fit(db: Any) -> None:
    """More ways to prompt the base, a score for every answer, and what the fit gate measured.

    SQLite cannot widen a CHECK, so `scores` is made anew; foreign keys are off until `Store` has
    migrated.
    """
    _run(db, "m004_advice_and_fit")


@migrations()  # type: ignore[untyped-decorator]
def m005_queue(db: Any) -> None:
    """The order of the jobs, what each needs, its hours, what it waits for, and the pause."""
    _run(db, "m005_queue")


@migrations()  # type: ignore[untyped-decorator]
def m006_sweeps(db: Any) -> None:
    """Sweeps with their trials and values, and learning-rate range tests with their points."""
    _run(db, "m006_sweeps")


@migrations()  # type: ignore[untyped-decorator]
def m007_ends_and_reruns(db: Any) -> None:
    """What tells why a worker is gone, and which run a run repeats."""
    _run(db, "m007_ends_and_reruns")


@migrations()  # type: ignore[untyped-decorator]
def m008_fetched_runs(db: Any) -> None:
    """Which runs were trained elsewhere and brought home, and from which bundle."""
    _run(db, "m008_fetched_runs")


@migrations()  # type: ignore[untyped-decorator]
def m009_watching(db: Any) -> None:
    """Answers while a run trains, settings that were changed on the way, best step and energy."""
    _run(db, "m009_watching")


def migrate(connection: sqlite3.Connection) -> int:
    """Bring a store to the newest schema; each migration is one transaction. Return its version."""
    database = Database(connection)
    migrations.apply(database)
    version = len(migrations.applied(database))
    connection.execute(f"PRAGMA user_version = {version:d}")
    connection.commit()
    return version


def _run(db: Any, name: str) -> None:
    path = Path(__file__).with_name("migrations") / f"{name}.sql"
    for statement in path.read_text(encoding="utf-8").split(";\n\n"):
        db.execute(statement)
