"""The record of a bundle, read as what it is: rows that anybody may have written."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.base.errors import TunesmithError
from engine.base.store import Store, Value
from engine.run.bundle.snapshot import snapshot
from engine.run.bundle.untrusted import damaged

_KINDS: Mapping[str, tuple[type, ...]] = {"INTEGER": (int,), "REAL": (int, float), "TEXT": (str,)}
_LONGEST = 1_000_000  # characters of one value
_QUOTES = re.compile(r"[\s\"`\[\]]")


class Reading:
    """A bundle's rows, checked against the schema of the store that they go to.

    Args:
        home: The store that they go to.
        far: A copy of the bundle's store.
        folder: The bundle, for messages.
    """

    def __init__(self, home: Store, far: Store, folder: Path) -> None:
        self._home = home
        self._far = far
        self._folder = folder

    def rows(
        self, table: str, where: str = "1", values: Sequence[Value] = ()
    ) -> list[dict[str, Value]]:
        """Return rows of a table, each value of its column's type.

        Raises:
            TunesmithError: A value is of another type, no finite number, or overlong.
        """
        kinds = {
            row["name"]: _KINDS[row["type"]]
            for row in self._home.rows(f'PRAGMA table_info("{table}")')
        }
        found = self._far.rows(f"SELECT * FROM {table} WHERE {where}", values)  # noqa: S608 - ours
        return [{key: self._value(row[key], kinds[key]) for key in kinds} for row in found]

    def row(self, table: str, where: str, values: Sequence[Value]) -> dict[str, Value]:
        """Return the one row that there must be."""
        rows = self.rows(table, where, values)
        if len(rows) != 1:
            raise damaged(f"its record has {len(rows)} rows of {table} for one run", self._folder)
        return rows[0]

    def _value(self, value: object, kinds: tuple[type, ...]) -> Value:
        if value is None:
            return None
        if not isinstance(value, kinds) or not isinstance(value, str | int | float):
            raise damaged("a value in its record is of the wrong type", self._folder)
        if isinstance(value, float) and not math.isfinite(value):
            raise damaged("a value in its record is no number", self._folder)
        if isinstance(value, str) and len(value) > _LONGEST:
            raise damaged("a text in its record is overlong", self._folder)
        return value


@contextmanager
def opened(home: Store, folder: Path) -> Iterator[Reading]:
    """Open a copy of a bundle's store; the bundle itself is left as it is.

    Raises:
        TunesmithError: It is no store, is damaged, has another schema, or is newer.
    """
    with tempfile.TemporaryDirectory() as temporary:
        snapshot(folder, Path(temporary))
        try:
            far = Store(Path(temporary))
        except TunesmithError as error:
            raise TunesmithError(
                f"The record of this bundle cannot be read: {error.what.rstrip('.')}.",
                "Update Tunesmith, or copy the bundle again.",
                str(folder),
            ) from error
        try:
            if not far.sound() or _schema(far) != _schema(home):
                raise damaged("its record is not whole", folder)
            yield Reading(home, far, folder)
        finally:
            far.close()


def _schema(store: Store) -> set[tuple[str, str, str]]:
    """Return what a store is made of; versions of SQLite quote names in different ways."""
    return {
        (row["type"], row["name"], _QUOTES.sub("", row["sql"] or ""))
        for row in store.rows("SELECT type, name, sql FROM sqlite_master")
    }
