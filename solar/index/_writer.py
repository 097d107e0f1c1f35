"""The writer: keeps changes in memory, and commits them at once or not at all.

A commit takes SQLite's own lock first, so that two writers exclude each other even if the index's
lock was deleted; proves that every file is still the one that was opened; writes and syncs rows
and features; then changes the catalogue in one transaction, which is the moment when all of it
counts. A killed writer leaves the last commit.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from solar.errors import IndexFolderError
from solar.extraction import Extraction
from solar.features.extraction import FeatureExtraction
from solar.files.log import logger
from solar.index._datafile import DataFile, prove_same
from solar.index._entries import (
    Commit,
    Descriptor,
    Entry,
    checksum,
    descriptor_sum,
)
from solar.index._lock import WriterLock
from solar.index._numbered import features_file
from solar.index._roots import Roots
from solar.index._sqlite import open_writing, plain_errors, refuse_other_schema
from solar.index._versions import write_versions
from solar.index.catalogue import Root, read_commit, roots_sum
from solar.index.vectors import Vectors, kind_named

_log = logger(__name__)


class Writer:
    """Changes an index on top of its last commit. Whoever makes one holds the lock.

    Attributes:
        file: of the catalogue.
        commit_read: the last commit.
        unfinished: see `Commit`; what the next commit will say.
    """

    def __init__(self, file: Path, lock: WriterLock, *, lasting: bool = True) -> None:
        """Open the files.

        Args:
            file: of the catalogue.
            lock: of the index.
            lasting: whether each commit waits until it is on disk; else see `sync`.

        Raises:
            IndexFolderError: they cannot be written, or are damaged.
        """
        self.file = file
        self._prove_lock = lock
        self._lasting = lasting
        self._opened = contextlib.ExitStack()
        self._changes: dict[int, Entry | None] = {}  # None for one that is removed.
        self._descriptors: list[Descriptor] = []
        self._feature_bytes: list[bytes] = []
        self._roots: list[Root] | None = None
        self._settings: Commit | None = None
        self._generation: int | None = None
        self._effort: tuple[int, int] | None = None
        with plain_errors(file, writing=True), contextlib.ExitStack() as opened:
            self._identity = file.stat()
            connection = open_writing(file, lasting=lasting)
            self._connection = opened.enter_context(contextlib.closing(connection))
            with plain_errors(file):
                refuse_other_schema(self._connection, file)
                self.commit_read = read_commit(self._connection, file)
            made = self.commit_read
            self.unfinished = made.unfinished
            self._next_id, self._row, self._features_end = (
                made.next_id,
                made.rows,
                made.features_bytes,
            )
            self._kind = kind_named(made.kind)
            dimensions = made.extraction.dimensions
            self._vectors = self._kind.write(file.parent, made.files, dimensions)
            opened.callback(self._vectors.close)
            self._features = DataFile(features_file(file.parent, made.files))
            opened.callback(self._features.close)
            self._opened = opened.pop_all()

    def __enter__(self) -> Writer:
        """The writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close, without a commit."""
        self._opened.close()

    @property
    def pending(self) -> int:
        """How many photos have changed since the last commit."""
        return len(self._changes)

    def new_id(self) -> int:
        """An id that no photo of this index ever had."""
        self._next_id += 1
        return self._next_id - 1

    def put(
        self, entry: Entry, descriptor: Descriptor | None = None, features: bytes | None = None
    ) -> Entry:
        """Keep a photo, instead of what was known of its id.

        Args:
            entry: where its row or features stay as they are, it names them. The checksum of a
                new descriptor is taken from it, if it has one: then it was compared.
            descriptor: a new one (D,), unit length.
            features: new ones.

        Returns:
            The entry, with where the new bytes lie.
        """
        if descriptor is not None:
            (descriptor,) = self._kind.kept(descriptor[None])
            known = entry.descriptor_sum or descriptor_sum(descriptor)
            entry = entry._replace(row=self._row, descriptor_sum=known)
            self._descriptors.append(descriptor)
            self._row += 1
        if features is not None:
            length, known = len(features), checksum(features)
            entry = entry._replace(
                features_at=self._features_end, features_length=length, features_sum=known
            )
            self._feature_bytes.append(features)
            self._features_end += length
        self._changes[entry.id] = entry
        self._next_id = max(self._next_id, entry.id + 1)  # a renewal takes over ids as they are
        return entry

    def vectors(self) -> Vectors:
        """The rows of the last commit."""
        made = self.commit_read
        folder, dimensions = self.file.parent, made.extraction.dimensions
        return self._kind.open(folder, made.files, dimensions, made.rows)

    def remove(self, number: int) -> None:
        """Forget a photo."""
        self._changes[number] = None

    def put_roots(self, roots: Roots) -> None:
        """Keep these roots, instead of all that were known."""
        stored = roots.stored(self.file.parent)
        self._roots = None if roots_sum(stored) == self.commit_read.roots else stored

    def follow(self, other: Commit) -> None:
        """Let the next commit come after another catalogue's, and give no id that it gave."""
        last = self.commit_read
        self._next_id = max(self._next_id, other.next_id)
        self._generation = max(last.generation, other.generation) + 1

    def put_settings(self, extraction: Extraction, features: FeatureExtraction | None) -> None:
        """Change what descriptors and features depend on."""
        self._settings = replace(self.commit_read, extraction=extraction, features=features)

    def put_effort(self, probes: int, candidates: int) -> None:
        """Change how much a search of an approximate kind looks at; see `Commit`."""
        self._effort = probes, candidates

    def commit(self) -> None:
        """Make all changes part of the index, at once and on disk.

        Raises:
            IndexFolderError: that was not possible; the last commit stands.
        """
        settings = self._settings
        nothing = not self._changes and self._roots is None and settings is None
        nothing = nothing and self._effort is None
        same = self.unfinished == self.commit_read.unfinished
        if nothing and same and self._generation is None:
            return
        with self.exclusive() as connection:
            self._write_data()
            born = self._generation or self.commit_read.generation + 1
            commit = write_versions(connection, self.commit_read, self._changes, born)
            commit = replace(
                commit,
                next_id=self._next_id,
                rows=self._row,
                features_bytes=self._features_end,
                unfinished=self.unfinished,
            )
            if settings is not None:
                made = settings.extraction, settings.features
                commit = replace(commit, extraction=made[0], features=made[1])
            if self._roots is not None:
                connection.execute("DELETE FROM roots")
                connection.executemany("INSERT INTO roots VALUES (?, ?, ?)", self._roots)
                commit = replace(commit, roots=roots_sum(self._roots))
            if self._effort is not None:
                probes, candidates = self._effort
                commit = replace(commit, probes=probes, candidates=candidates)
            connection.execute("UPDATE state SET document = ?", (commit.to_text(),))
        self.commit_read = commit
        _log.info("%s: commit %d, %d photos", self.file, commit.generation, commit.photos)
        self._changes, self._roots, self._settings, self._generation = {}, None, None, None
        self._descriptors, self._feature_bytes, self._effort = [], [], None

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """A transaction in which nobody else commits, on top of the commit that was read.

        Raises:
            IndexFolderError: another has written or replaced a file, or nothing can be written.
        """
        with plain_errors(self.file, writing=True):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._prove()
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def _prove(self) -> None:
        prove_same(self.file, self._identity)
        self._prove_lock()
        self._vectors.prove()
        self._features.prove()
        if read_commit(self._connection, self.file).generation != self.commit_read.generation:
            raise IndexFolderError(
                "was written by another meanwhile: stopped; run the same again", self.file.parent
            )

    def _write_data(self) -> None:
        """Put new descriptors and features on disk, after those that count."""
        if self._descriptors:
            self._vectors.write(self.commit_read.rows, np.stack(self._descriptors))
            if self._lasting:
                self._vectors.sync()
        if self._feature_bytes:
            content = b"".join(self._feature_bytes)
            self._features.write(self.commit_read.features_bytes, content)
            if self._lasting:
                self._features.sync()

    def sync(self) -> None:
        """Put on disk all that was written.

        Raises:
            IndexFolderError: it cannot be.
        """
        with plain_errors(self.file, writing=True), self.file.open("rb+") as catalogue:
            os.fsync(catalogue.fileno())
            self._vectors.sync()
            self._features.sync()
