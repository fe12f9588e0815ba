"""`runs.db`: the one record of everything, and the only place that opens SQLite.

WAL mode: readers never block the writer, the writer never blocks readers. Many processes share the
file (workers, viewers); each opens its own `Store`.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from engine.base.errors import TunesmithError
from engine.base.paths import STORE_NAME

SCHEMA_VERSION = 9
_LEAST_BYTES = 1 << 16  # what SQLite adds to a file at once, roughly
Row = sqlite3.Row
Value = str | int | float | None


class Store:
    """A connection to the `runs.db` of one workspace, safe to share between threads.

    Args:
        workspace: The folder of `runs.db`; it is made, and the schema migrated, when needed.

    Raises:
        TunesmithError: The file is not a store, was written by a newer version, or is damaged.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.path = workspace / STORE_NAME
        self._lock = threading.RLock()
        try:
            workspace.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self.path, timeout=30, check_same_thread=False, isolation_level=None
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._migrate()
            self._connection.execute("PRAGMA foreign_keys = ON")
        except (sqlite3.Error, OSError) as error:
            raise TunesmithError(
                f"The store cannot be opened ({error}).",
                "Name another folder with --workspace, or move the file away and start anew.",
                str(self.path),
            ) from error

    def _migrate(self) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise TunesmithError(
                f"This store has schema {version}; this Tunesmith knows up to {SCHEMA_VERSION}.",
                "Update Tunesmith, or name another folder with --workspace.",
                str(self.path),
            )
        if version < SCHEMA_VERSION:
            from engine.base.schema import migrate

            migrate(self._connection)

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection to one thread at a time, and tell of a full disk in one sentence."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.OperationalError as error:
                if not self._disk_full(error):
                    raise
                raise TunesmithError(
                    "The disk is full: runs.db cannot be written.",
                    "Free some space and try again; `tunesmith resume` goes on with a job.",
                    str(self.path),
                ) from error

    def _disk_full(self, error: sqlite3.OperationalError) -> bool:
        """SQLite names it, but not where the shared memory beside the file cannot grow."""
        kind = error.sqlite_errorcode & 0xFF
        if kind == sqlite3.SQLITE_IOERR:
            return shutil.disk_usage(self.workspace).free < _LEAST_BYTES
        return kind == sqlite3.SQLITE_FULL

    def rows(self, sql: str, values: Sequence[Value] | Mapping[str, Value] = ()) -> list[Row]:
        """Return all rows of a query."""
        with self._used() as connection:
            return connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Value] | Mapping[str, Value] = ()) -> Row | None:
        """Return the first row of a query, or None."""
        with self._used() as connection:
            row: Row | None = connection.execute(sql, values).fetchone()
            return row

    def scalar(self, sql: str, values: Sequence[Value] | Mapping[str, Value] = ()) -> Any:
        """Return the first column of the first row, or None."""
        row = self.row(sql, values)
        return None if row is None else row[0]

    def execute(self, sql: str, values: Sequence[Value] | Mapping[str, Value] = ()) -> int:
        """Run one statement; return how many rows it changed."""
        with self._used() as connection:
            return connection.execute(sql, values).rowcount

    def insert(self, table: str, record: Mapping[str, Value], *, replace: bool = False) -> int:
        """Insert one record; return its integer row id."""
        with self._used() as connection:
            cursor = connection.execute(_insert(table, record, replace), tuple(record.values()))
            return cursor.lastrowid or 0

    def insert_all(
        self, table: str, records: Iterable[Mapping[str, Value]], *, replace: bool = False
    ) -> None:
        """Insert many records with equal keys in one transaction."""
        with self.transaction():
            self.write_all(table, records, replace=replace)

    def write_all(
        self, table: str, records: Iterable[Mapping[str, Value]], *, replace: bool = True
    ) -> None:
        """Insert or replace many records with equal keys, inside the caller's transaction."""
        remaining = iter(records)
        first = next(remaining, None)
        if first is None:
            return
        with self._used() as connection:
            connection.executemany(
                _insert(table, first, replace),
                (tuple(record.values()) for record in chain((first,), remaining)),
            )

    def update(self, table: str, key: int | str, changes: Mapping[str, Value]) -> int:
        """Change columns of the row with this id; return 1 if it exists, else 0."""
        columns = ", ".join(f'"{name}" = ?' for name in changes)
        return self.execute(
            f'UPDATE "{table}" SET {columns} WHERE id = ?',  # noqa: S608 - names are ours
            (*changes.values(), key),
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the statements of the block one transaction; a transaction may not be nested."""
        with self._used() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk may have ended it
                    connection.execute("ROLLBACK")
                raise

    def sound(self) -> bool:
        """Say whether the file is whole and every reference in it leads somewhere."""
        try:
            whole = [row[0] for row in self.rows("PRAGMA integrity_check")] == ["ok"]
            return whole and not self.rows("PRAGMA foreign_key_check")
        except sqlite3.Error:
            return False

    def close(self) -> None:
        """Close the connection; the store cannot be used afterwards."""
        with self._lock:
            self._connection.close()


def _insert(table: str, record: Mapping[str, Value], replace: bool) -> str:
    columns = ", ".join(f'"{name}"' for name in record)
    marks = ", ".join("?" * len(record))
    verb = "INSERT OR REPLACE" if replace else "INSERT"
    return f'{verb} INTO "{table}" ({columns}) VALUES ({marks})'
