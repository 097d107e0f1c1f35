"""The catalogue: what an index knows about its photos, in SQLite, as of any commit."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexDamaged, IndexFolderError
from solar.index._entries import COLUMNS, LARGEST_DOCUMENT, Commit, Entry, checksum
from solar.index._functions import functions
from solar.index._sqlite import open_reading, plain_errors, refuse_other_schema
from solar.index.where import Where

_AT_ONCE = 500  # Of ids in one question.
_ROWS_AT_ONCE = 50_000
_LIVE = "born <= ?1 AND (died IS NULL OR died > ?1)"

Root = tuple[int, bytes, bytes | None]
"""Number, absolute path, and path from the index's folder, if there is one."""

Home = tuple[int, bytes]
"""Of a photo: the number of its root, and its path from there."""


class Catalogue:
    """Answers questions about one catalogue file, in short transactions, to any thread.

    Every question names a generation: what later commits have changed is not seen.
    """

    def __init__(self, file: Path) -> None:
        """Open it.

        Args:
            file: of the catalogue.

        Raises:
            FileNotFoundError: it is not there (any more).
            IndexFolderError: it cannot be read.
        """
        self.file = file
        self._copies = contextlib.ExitStack()
        self._open()
        with self._asking() as connection:
            refuse_other_schema(connection, file)

    def _open(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        with plain_errors(self.file):
            if not stat.S_ISREG(self.file.lstat().st_mode):
                raise IndexFolderError("is not a regular file, as all in an index are", self.file)
            self._connection = open_reading(self.file, self._copies)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        self._copies.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            self.close()

    @contextlib.contextmanager
    def _asking(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone; a forked process opens its own."""
        if self._process != os.getpid():
            self._abandoned = self._connection
            self._open()
        with self._lock, plain_errors(self.file):
            yield self._connection

    def _ask(self, question: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        with self._asking() as connection:
            return connection.execute(question, values).fetchall()

    def commit(self) -> Commit:
        """The last commit.

        Raises:
            IndexDamaged: it cannot be read.
        """
        with self._asking() as connection:
            return read_commit(connection, self.file)

    def roots(self) -> list[Root]:
        """All folders that photos are kept relative to, by number."""
        return self._ask("SELECT id, path, beside FROM roots ORDER BY id")  # type: ignore[return-value]

    def entries(self, ids: Iterable[int], at: int) -> dict[int, Entry]:
        """The photos that some ids stand for, by id; those that are not there are left out."""
        wanted = {number for number in map(int, ids) if abs(number) < 1 << 63}
        return {entry.id: entry for entry in self._among("id", wanted, _LIVE, at)}

    def named(self, homes: Iterable[Home], at: int) -> dict[Home, Entry]:
        """The photos at some paths; those where there is none are left out."""
        paths: dict[int, set[bytes]] = {}
        for root, path in homes:
            paths.setdefault(root, set()).add(path)
        return {
            (root, entry.path): entry
            for root, wanted in paths.items()
            for entry in self._among("path", wanted, f"root = ?2 AND {_LIVE}", at, root)
        }

    def below(self, root: int, folder: bytes, at: int) -> Iterator[Entry]:
        """All photos below a folder of a root, in the order of their paths.

        Args:
            root: its number.
            folder: relative to the root; empty for the root itself.
            at: generation.
        """
        first = folder + b"/" if folder else b""
        values = (root, folder + b"0") if folder else (root,)  # The character after the slash.
        inside = "AND path < ?4" if folder else ""
        return self._rising("path", first, f"root = ?3 {inside} AND {_LIVE}", at, *values)

    def with_content(self, hashes: Iterable[bytes], at: int) -> dict[bytes, list[Entry]]:
        """Photos with a descriptor whose files had some SHA-256, by id."""
        found: dict[bytes, list[Entry]] = {}
        where = f"row IS NOT NULL AND died IS NULL AND {_LIVE}"
        for entry in self._among("sha256", set(hashes), where, at):
            found.setdefault(entry.sha256 or b"", []).append(entry)
        return {key: sorted(entries) for key, entries in found.items()}

    def copies(self, at: int) -> list[list[Entry]]:
        """Photos with a descriptor whose files had the same bytes, in groups, by id."""
        same = (
            "SELECT sha256 FROM photos WHERE row IS NOT NULL AND died IS NULL "
            "AND sha256 IS NOT NULL GROUP BY sha256 HAVING count(*) > 1"
        )
        groups = self.with_content([sha256 for (sha256,) in self._ask(same)], at)  # type: ignore[misc]
        return sorted(group for group in groups.values() if len(group) > 1)

    def all(self, at: int) -> Iterator[Entry]:
        """All photos by ascending id."""
        return self._rising("id", -1, _LIVE, at)

    def count(self, root: int, at: int) -> int:
        """How many photos a root has."""
        question = f"SELECT count(*) FROM photos WHERE root = ?2 AND {_LIVE}"  # noqa: S608
        return self._number(question, at, root)

    def features(self, at: int) -> tuple[int, int]:
        """How many photos have features, and how many bytes these take."""
        where = f"features_at IS NOT NULL AND {_LIVE}"
        each = f"SELECT DISTINCT features_at, features_length FROM photos WHERE {where}"  # noqa: S608
        return (
            self._number(f"SELECT count(*) FROM photos WHERE {where}", at),  # noqa: S608
            self._number(f"SELECT coalesce(sum(features_length), 0) FROM ({each})", at),  # noqa: S608
        )

    def _number(self, question: str, *values: int) -> int:
        with self._asking() as connection:
            number: int = connection.execute(question, values).fetchone()[0]
        return number

    def failed(self, at: int) -> list[Entry]:
        """All photos that have no descriptor, by ascending id."""
        return self._entries(f"row IS NULL AND {_LIVE} ORDER BY id", (at,))

    def _among(
        self, column: str, wanted: Iterable[Any], where: str, *values: object
    ) -> Iterator[Entry]:
        """Entries of which a column has one of some values, asked for some at a time."""
        ordered = sorted(wanted)
        for start in range(0, len(ordered), _AT_ONCE):
            part = ordered[start : start + _AT_ONCE]
            marks = ",".join(f"?{len(values) + number}" for number in range(1, len(part) + 1))
            yield from self._entries(f"{where} AND {column} IN ({marks})", (*values, *part))

    def _rising(
        self, column: str, after: object, where: str, at: int, *values: object
    ) -> Iterator[Entry]:
        """Entries in the order of a column, in short transactions."""
        question = f"{where} AND {column} > ?2 ORDER BY {column} LIMIT {_AT_ONCE}"
        while rows := self._entries(question, (at, after, *values)):
            yield from rows
            after = getattr(rows[-1], column)

    def _entries(self, where: str, values: Sequence[object]) -> list[Entry]:
        question = f"SELECT {COLUMNS}, checksum, born FROM photos WHERE {where}"  # noqa: S608
        return [_checked(row, self.file) for row in self._ask(question, values)]

    def matching(
        self, where: Where | None, folders: Mapping[int, bytes], at: int
    ) -> NDArray[np.int64]:
        """The ids of photos that a filter lets through, rising.

        Args:
            where: the filter; None for all.
            folders: of the roots, where they are now.
            at: generation.
        """
        also, values = ("1", ()) if where is None else (where.condition, tuple(where.values))
        question = f"SELECT id FROM photos WHERE {_LIVE} AND {also} ORDER BY id"  # noqa: S608
        with self._asking() as connection:
            for name, function in functions(folders).items():
                connection.create_function(name, -1, function, deterministic=True)
            found = connection.execute(question, (at, *values)).fetchall()
        return np.array(found, np.int64).reshape(-1)

    def owners(
        self, commit: Commit, known: NDArray[np.int64] | None, since: Commit | None
    ) -> NDArray[np.int64]:
        """For each row of the vectors, the id of the photo that it describes, -1 for none.

        Args:
            commit: as of which.
            known: what the answer was as of an earlier commit of this file, to save most work.
            since: that commit.

        Returns:
            (rows of the commit,).

        Raises:
            IndexDamaged: a photo claims a row that is not there, or the row or id of another.
        """
        owners = np.full(commit.rows, -1, np.int64)
        versions = 0
        if known is not None and since is not None:
            owners[: len(known)] = known
            versions = since.versions
            gone = "SELECT row, -1 FROM photos WHERE died > ?2 AND died <= ?1 AND row IS NOT NULL"
            self._fill(owners, gone, commit.generation, since.generation)
        came = f"SELECT row, id FROM photos WHERE version > ?2 AND row IS NOT NULL AND {_LIVE}"  # noqa: S608
        self._fill(owners, came, commit.generation, versions)
        owned = owners[owners >= 0]
        if not len(np.unique(owned)) == len(owned) == commit.photos:
            raise IndexDamaged(
                "gives photos the number or the descriptor of another: restore it from a copy, or "
                "make the index anew",
                self.file,
            )
        return owners

    def _fill(self, owners: NDArray[np.int64], question: str, *values: int) -> None:
        with self._asking() as connection:
            cursor = connection.execute(question, values)
            while part := cursor.fetchmany(_ROWS_AT_ONCE):
                pairs = np.array(part, np.int64)  # (K, 2)
                if not 0 <= pairs[:, 0].min() <= pairs[:, 0].max() < len(owners):
                    raise IndexDamaged(
                        "names descriptors that are not there: it was damaged; restore it from a "
                        "copy, or make the index anew",
                        self.file,
                    )
                owners[pairs[:, 0]] = pairs[:, 1]


def read_commit(connection: sqlite3.Connection, file: Path) -> Commit:
    """The commit that a catalogue stands at.

    Raises:
        IndexDamaged: it cannot be read.
    """
    found = connection.execute("SELECT length(document) FROM state").fetchall()
    if len(found) != 1 or not 0 < found[0][0] <= LARGEST_DOCUMENT:
        raise IndexDamaged("holds no settings: restore it from a copy", file)
    ((text,),) = connection.execute("SELECT document FROM state").fetchall()
    return Commit.from_text(text, file)


def roots_sum(roots: Iterable[Root]) -> str:
    """Checksum of a table of roots."""
    return checksum(repr(sorted(roots)).encode()).hex()


def _checked(row: Sequence[object], file: Path) -> Entry:
    """An entry, unless its checksum says that it is not what was written."""
    *values, found, born = row
    entry = Entry(*values)  # type: ignore[arg-type]
    if entry.checksum(born) != found:  # type: ignore[arg-type]
        raise IndexDamaged(
            f"what it says of photo {entry.path!r:.60} does not match its checksum: "
            "restore it from a copy, or make the index anew",
            file,
        )
    return entry
