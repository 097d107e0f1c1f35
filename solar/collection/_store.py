"""What is known of pairs of photos of an index, kept beside it: each pair is compared once.

A file of SQLite in the index's folder. It holds nothing that could not be found again: one that is
damaged, or of other descriptors, is begun anew, and where none can be written, nothing is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

NAME = "links.db"
_FORMAT = 2
_PATIENCE = 30.0
"""Seconds to wait for another process that writes into it."""
_SCHEMA = (
    "CREATE TABLE made (settings TEXT NOT NULL) STRICT",
    "CREATE TABLE compared (id INTEGER PRIMARY KEY, known BLOB NOT NULL) STRICT",
    "CREATE TABLE links (one INTEGER NOT NULL, two INTEGER NOT NULL, cosine REAL NOT NULL, "
    "inliers INTEGER, apart INTEGER, PRIMARY KEY (one, two)) STRICT, WITHOUT ROWID",
    "CREATE INDEX by_two ON links (two)",
)


class Row(NamedTuple):
    """Two photos, compared.

    Attributes:
        one: the lower id.
        two: the higher id.
        cosine: of their descriptors.
        inliers: keypoints that agree; None if they were not compared.
        apart: those of them that lie apart, see `solar.ranking.Evidence`.
    """

    one: int
    two: int
    cosine: float
    inliers: int | None
    apart: int | None


class Store:
    """Pairs of an index. Use it as a context manager."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        """Open what is kept, or begin anew.

        Args:
            folder: of the index.
            settings: that descriptors, features and the choice of pairs depend on.
        """
        self.file = folder / NAME
        self._settings = json.dumps({"format": _FORMAT, **settings}, sort_keys=True)
        self._connection = self._opened()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _opened(self) -> sqlite3.Connection:
        with contextlib.suppress(OSError, sqlite3.Error, ValueError):
            if stat.S_ISREG(self.file.lstat().st_mode):
                connection = _connected(self.file)
                if self._fits(connection):
                    return connection if self._writable() else _in_memory(connection)
                connection.close()
        with contextlib.suppress(OSError, sqlite3.Error):
            return self._begun()
        connection = _connected(None)
        _fill(connection, self._settings)
        return connection

    def _fits(self, connection: sqlite3.Connection) -> bool:
        """Whether it holds these tables and nothing else, of these settings."""
        found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        if sorted(sql for (sql,) in found) != sorted(_SCHEMA):
            return False
        made = connection.execute("SELECT settings FROM made").fetchall()
        whole = connection.execute("PRAGMA quick_check(1)").fetchall()
        return made == [(self._settings,)] and whole == [("ok",)]

    def _writable(self) -> bool:
        return os.access(self.file, os.W_OK) and os.access(self.file.parent, os.W_OK)

    def _begun(self) -> sqlite3.Connection:
        """A new file, whole before it has its name; a link or a damaged file gives way to it."""
        partial = self.file.with_name(f"{NAME}.{os.getpid()}.partial")
        journal = self.file.with_name(f"{NAME}-journal")
        try:
            partial.unlink(missing_ok=True)
            with contextlib.closing(_connected(partial)) as connection:
                _fill(connection, self._settings)
            journal.unlink(missing_ok=True)  # of the file before, which must not be rolled back
            partial.replace(self.file)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        return _connected(self.file)

    @property
    def kept(self) -> bool:
        """Whether what is put here is there the next time."""
        return bool(self._connection.execute("PRAGMA database_list").fetchone()[2])

    def forget(self, sums: Mapping[int, bytes]) -> None:
        """Drop all pairs of photos that are gone, or not the same any more.

        Args:
            sums: of the photos that are there; see `Index.sums`.
        """
        known = dict(self._connection.execute("SELECT id, known FROM compared"))
        gone = [(number,) for number, known_as in known.items() if sums.get(number) != known_as]
        if not gone:
            return
        with self._committing() as connection:
            connection.executemany("DELETE FROM compared WHERE id = ?", gone)
            connection.executemany("DELETE FROM links WHERE one = ?", gone)
            connection.executemany("DELETE FROM links WHERE two = ?", gone)

    def compared(self) -> set[int]:
        """The photos that have been compared with their neighbours."""
        return {number for (number,) in self._connection.execute("SELECT id FROM compared")}

    def partners(self, number: int) -> set[int]:
        """The photos that one has been compared with."""
        found = self._connection.execute(
            "SELECT two FROM links WHERE one = ?1 UNION SELECT one FROM links WHERE two = ?1",
            (number,),
        )
        return {partner for (partner,) in found}

    def put(self, rows: Sequence[Row], sums: Mapping[int, bytes]) -> None:
        """Keep pairs, and that some photos have now been compared, both or neither."""
        with self._committing() as connection:
            connection.executemany("INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?)", rows)
            connection.executemany("INSERT OR REPLACE INTO compared VALUES (?, ?)", sums.items())

    def rows(self) -> list[Row]:
        """All pairs, by rising ids."""
        found = self._connection.execute("SELECT * FROM links ORDER BY one, two")
        return [Row(*row) for row in found]

    @contextlib.contextmanager
    def _committing(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _connected(file: Path | None) -> sqlite3.Connection:
    where = ":memory:" if file is None else os.fspath(file)
    connection = sqlite3.connect(where, _PATIENCE, isolation_level=None)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _in_memory(connection: sqlite3.Connection) -> sqlite3.Connection:
    copy = _connected(None)
    with contextlib.closing(connection):
        connection.backup(copy)
    return copy


def _fill(connection: sqlite3.Connection, settings: str) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO made VALUES (?)", (settings,))
