"""Opening a catalogue's file: with a rollback journal, on any disk, in any state.

A writer that was killed leaves a hot journal, which whoever comes next rolls back. A folder that
cannot be written (a disc, another's share, a snapshot) cannot be repaired where it is: there the
catalogue is rolled back in a copy.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from solar.errors import IndexDamaged, IndexFolderError, IndexLocked

SECONDS_BUSY = 30.0
"""For which a reader waits while a commit is written, and a commit while something is read."""

_WRITER_CACHE = 64 << 10  # KiB.

SCHEMA = (
    "CREATE TABLE state (document TEXT NOT NULL) STRICT",
    "CREATE TABLE roots (id INTEGER PRIMARY KEY, path BLOB NOT NULL, beside BLOB) STRICT",
    """CREATE TABLE photos (
    version INTEGER PRIMARY KEY, id INTEGER NOT NULL, root INTEGER NOT NULL, path BLOB NOT NULL,
    sha256 BLOB, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    row INTEGER, descriptor_sum BLOB,
    features_at INTEGER, features_length INTEGER, features_sum BLOB,
    reason TEXT, taken TEXT, zone INTEGER, latitude REAL, longitude REAL, camera TEXT,
    width INTEGER, height INTEGER,
    checksum BLOB NOT NULL, born INTEGER NOT NULL, died INTEGER) STRICT""",
    "CREATE INDEX by_path ON photos (root, path)",
    "CREATE INDEX by_id ON photos (id)",
    "CREATE INDEX by_content ON photos (sha256) "
    "WHERE sha256 IS NOT NULL AND died IS NULL AND row IS NOT NULL",
    "CREATE INDEX by_death ON photos (died) WHERE died IS NOT NULL",
)
"""Of each photo, one version for each time it changed: born with a commit, dead since another."""


def open_writing(file: Path, mode: str = "rw", *, lasting: bool = True) -> sqlite3.Connection:
    """Open a catalogue for writing; unless it must last, a kill may damage it."""
    connection = _connect(file, mode)
    connection.execute(f"PRAGMA journal_mode = {'DELETE' if lasting else 'MEMORY'}")
    # EXTRA is FULL, and the journal's end is on disk too: what was told as done is never undone.
    connection.execute(f"PRAGMA synchronous = {'EXTRA' if lasting else 'OFF'}")
    connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE}")
    return connection


def open_reading(file: Path, copies: contextlib.ExitStack) -> sqlite3.Connection:
    """Open a catalogue for reading.

    Args:
        file: of the catalogue.
        copies: keeps a copy, where one was needed, for as long as it is read.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not file.exists():
        raise FileNotFoundError(2, "No such file", str(file))
    try:
        return _tried(_connect(file, "ro"))
    except sqlite3.OperationalError:
        writable = os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)
        if not journal_of(file).exists() and not writable:
            return _tried(_connect(file, "ro&immutable=1"))  # A share that knows no locks.
        if not writable:
            file = _copied(file, copies)
        _tried(_connect(file, "rw")).close()
    return _tried(_connect(file, "ro"))


def journal_of(file: Path) -> Path:
    """Where a catalogue's rollback journal lies while it is written."""
    return file.with_name(f"{file.name}-journal")


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}",
        SECONDS_BUSY,
        isolation_level=None,
        check_same_thread=False,
        uri=True,
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _tried(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _copied(file: Path, copies: contextlib.ExitStack) -> Path:
    folder = Path(copies.enter_context(tempfile.TemporaryDirectory(prefix="solar-")))
    for each in (file, journal_of(file)):
        shutil.copyfile(each, folder / each.name)
    return folder / file.name


def refuse_other_schema(connection: sqlite3.Connection, file: Path) -> None:
    """Use only tables that Solar made: others could hold triggers and views.

    Raises:
        IndexDamaged: there are others.
    """
    found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    if sorted(sql for (sql,) in found) != sorted(SCHEMA):
        raise IndexDamaged(
            "holds other tables than a catalogue does: it was damaged, or written by another "
            "version of Solar; restore it from a copy, or make the index anew",
            file,
        )


@contextlib.contextmanager
def plain_errors(file: Path, *, writing: bool = False) -> Iterator[None]:
    """Say what SQLite's and the system's errors mean.

    Raises:
        IndexFolderError: instead of them.
    """
    try:
        yield
    except FileNotFoundError:
        if not writing:
            raise
        raise IndexFolderError("has been deleted or moved meanwhile", file) from None
    except (OSError, sqlite3.Error, OverflowError, UnicodeError, MemoryError) as error:
        if "locked" in str(error):
            raise IndexLocked("is busy with another's commit: try again", file) from error
        if writing and isinstance(error, OSError | sqlite3.OperationalError):
            raise IndexFolderError(
                f"could not be written ({error}): everything up to its last commit is safe; "
                "make room or repair the disk, and run the same again",
                file.parent,
            ) from error
        if isinstance(error, OSError):
            raise IndexFolderError(f"cannot be read: {error}", file) from error
        raise IndexDamaged(
            f"cannot be read ({error}): restore it from a copy, or make the index anew", file
        ) from error
    except (TypeError, ValueError) as error:
        if writing:
            raise
        # after a flip SQLite hands out values of any type
        raise IndexDamaged(
            f"holds what was never written ({error}): restore it from a copy, or make the index "
            "anew",
            file,
        ) from error
