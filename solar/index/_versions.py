"""Versions of photos in a catalogue: a commit lets old ones die and new ones be born."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace

from solar.index._entries import COLUMNS, Commit, Entry, digest_of

_AT_ONCE = 500  # Of ids in one question.
_INSERT = (
    f"INSERT INTO photos (version, {COLUMNS}, checksum, born) "  # noqa: S608
    f"VALUES ({', '.join('?' * (len(Entry._fields) + 3))})"
)


def write_versions(
    connection: sqlite3.Connection, old: Commit, changes: Mapping[int, Entry | None], born: int
) -> Commit:
    """Change photos of a catalogue.

    Args:
        connection: in a transaction.
        old: the last commit.
        changes: by id; None for a photo that is removed.
        born: generation of what comes.

    Returns:
        The last commit with what has changed of generation, versions, counts and digest.
    """
    entries = [entry for entry in changes.values() if entry]
    digest, photos, failed = old.digest, old.photos, old.failed
    known = [number for number in changes if number < old.next_id and old.versions]
    for start in range(0, len(known), _AT_ONCE):
        part = known[start : start + _AT_ONCE]
        marks = ",".join("?" * len(part))
        gone = connection.execute(
            "SELECT version, row, checksum FROM photos "  # noqa: S608
            f"WHERE died IS NULL AND id IN ({marks})",
            part,
        ).fetchall()
        connection.executemany(
            "UPDATE photos SET died = ? WHERE version = ?",
            ((born, version) for version, *_ in gone),
        )
        digest -= digest_of(each for *_, each in gone)
        described = sum(row is not None for _, row, _ in gone)
        photos, failed = photos - described, failed - len(gone) + described
    sums = [entry.checksum(born) for entry in entries]
    connection.executemany(
        _INSERT,
        (
            (version, *entry, known, born)
            for version, (entry, known) in enumerate(
                zip(entries, sums, strict=True), old.versions + 1
            )
        ),
    )
    described = sum(entry.row is not None for entry in entries)
    return replace(
        old,
        generation=born,
        versions=old.versions + len(entries),
        photos=photos + described,
        failed=failed + len(entries) - described,
        digest=(digest + digest_of(sums)) % (1 << 64),
    )
