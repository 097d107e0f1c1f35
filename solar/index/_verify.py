"""Verifying: every flip in an index's files that would change an answer is found."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from solar.errors import IndexFolderError, SolarError
from solar.index._entries import COLUMNS, Entry, digest_of
from solar.index._snapshot import Snapshot
from solar.index._sqlite import open_reading, plain_errors
from solar.index.catalogue import roots_sum

_AT_ONCE = 1000


def find_problems(folder: Path) -> list[str]:
    """Check the last commit of an index against its checksums.

    SQLite's own check misses values that were changed. So each photo has a checksum of what is
    kept of it, its descriptor and its features one each, the settings one; and the settings hold
    the sum of all photos' checksums, so that no version of a photo can come, go or return unseen.

    Args:
        folder: of the index.

    Returns:
        One line for each damaged thing, naming the file or photo; empty if all is well.
    """
    try:
        snapshot = Snapshot.open(folder)
        with contextlib.ExitStack() as opened, plain_errors(snapshot.catalogue.file):
            connection = open_reading(snapshot.catalogue.file, opened)
            opened.enter_context(contextlib.closing(connection))
            return list(_problems(snapshot, connection))
    except IndexFolderError as error:
        return [str(error)]


def _problems(snapshot: Snapshot, connection: sqlite3.Connection) -> Iterator[str]:
    commit, file = snapshot.commit, snapshot.catalogue.file
    for (line,) in connection.execute("PRAGMA integrity_check(5)").fetchall():
        if line != "ok":
            yield f"{file}: {' '.join(str(line).split())}: restore it from a copy"
    if roots_sum(snapshot.catalogue.roots()) != commit.roots:
        yield f"{file}: its roots do not match their checksum: restore it from a copy"
    live: list[bytes] = []
    paths: set[tuple[int, bytes]] = set()
    ids: set[int] = set()
    question = f"SELECT {COLUMNS}, checksum, born, died FROM photos WHERE born <= ?"  # noqa: S608
    cursor = connection.execute(question, (commit.generation,))
    while part := cursor.fetchmany(_AT_ONCE):
        good = []
        for *values, known, born, died in part:
            entry = Entry(*values)
            if entry.checksum(born) != known:
                yield f"{file}: what it says of photo {entry.path!r:.80} is damaged"
                continue
            if died is None or died > commit.generation:
                good.append(entry)
                live.append(known)
                ids.add(entry.id)
                paths.add((entry.root, entry.path))
        yield from _damage(snapshot, good)
    wanted = commit.photos + commit.failed
    if digest_of(live) != commit.digest or not len(live) == len(ids) == len(paths) == wanted:
        yield f"{file}: photos are missing, or there that should not be: restore it from a copy"


def _damage(snapshot: Snapshot, entries: Sequence[Entry]) -> Iterator[str]:
    """What is wrong with some photos, their descriptors and features."""
    commit, roots = snapshot.commit, snapshot.roots.folders
    rows = [entry.row for entry in entries if entry.row is not None]
    within = [row for row in rows if 0 <= row < len(snapshot.vectors)]
    odd = snapshot.vectors.damaged(np.array(within, np.int64))
    copies = {row for row, wrong in zip(within, odd, strict=True) if wrong}
    for entry, _, wrong in snapshot.checked(entries):
        if not wrong and entry.row in copies:
            wrong = snapshot.damage(entry, "descriptor that is searched")
        if not wrong and not (0 <= entry.id < commit.next_id and entry.root in roots):
            wrong = f"photo {snapshot.text(entry)!r} has an id or a folder that was never given"
        if wrong:
            yield f"{snapshot.folder}: {wrong}"
        try:
            snapshot.feature_bytes(entry)
        except SolarError as error:
            yield str(error)
