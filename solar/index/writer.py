"""The writer: appends to the data files of an index, and commits."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from solar.index.datafile import open_all, plain_errors, write_at
from solar.index.manifest import Manifest
from solar.index.records import NO_ROW, Descriptor, Entry, pack
from solar.index.snapshot import DESCRIPTORS, RECORDS, TEXTS, committed_bytes


class Writer:
    """Appends entries after the last commit. Whoever makes one holds the lock.

    Nothing before the committed lengths is ever written to, and nothing counts until `commit` has
    put a manifest with the new lengths in place, so a killed writer leaves the last commit.
    """

    def __init__(self, folder: Path, committed: Manifest, start: Manifest | None = None) -> None:
        """Open the data files.

        Args:
            folder: of the index.
            committed: the manifest of the last commit.
            start: after whose lengths to go on; None for after the last commit's.

        Raises:
            IndexFolderError: the files cannot be written.
        """
        manifest = committed if start is None else start
        self.folder = folder
        self.manifest = manifest
        self._committed = committed
        self._next_id = manifest.next_id
        self._next_row = manifest.rows
        self._pending: list[tuple[Entry, Descriptor | None]] = []
        lengths = committed_bytes(manifest)
        with plain_errors(self.folder), contextlib.ExitStack() as opened:
            self._files = open_all(opened, folder, manifest.generation, lengths)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the data files; what was not committed is lost."""
        self._opened.close()

    def __enter__(self) -> Writer:
        """The writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close, without a commit."""
        self.close()

    @property
    def pending(self) -> int:
        """How many entries are kept in memory until the next `flush` or `commit`."""
        return len(self._pending)

    def new_id(self) -> int:
        """An id that no photo of this index ever had."""
        self._next_id += 1
        return self._next_id - 1

    def put(self, entry: Entry, descriptor: Descriptor | None = None) -> Entry:
        """Append an entry, to be written with the next commit.

        Args:
            entry: its `row` counts where the descriptor is already in the index.
            descriptor: a new descriptor (D,) for it.

        Returns:
            The entry, with the row of its descriptor.
        """
        if descriptor is not None:
            entry = entry._replace(row=self._next_row)
        self._pending.append((entry, descriptor))
        self._next_row += descriptor is not None
        return entry

    def descriptor(self, entry: Entry) -> Descriptor | None:
        """The descriptor (D,) of an entry, committed or not; None if it has none."""
        if entry.row == NO_ROW:
            return None
        for pending, descriptor in self._pending:
            if descriptor is not None and pending.row == entry.row:
                return descriptor
        bytes_each = 4 * self.manifest.settings.dimensions
        file = self._files[DESCRIPTORS]
        with plain_errors(self.folder):
            file.seek(entry.row * bytes_each)
            return np.frombuffer(file.read(bytes_each), "<f4")

    def flush(self) -> None:
        """Write what is pending to the data files; it counts only once it is committed.

        Raises:
            IndexFolderError: it could not be written.
        """
        if not self._pending:
            return
        entries, new = zip(*self._pending, strict=True)
        stored = [
            self.descriptor(entry) if descriptor is None else descriptor
            for entry, descriptor in self._pending
        ]
        records, texts = pack(entries, stored, self.manifest.text_bytes)
        rows = [descriptor for descriptor in new if descriptor is not None]
        starts = committed_bytes(self.manifest)
        with plain_errors(self.folder):
            data = b"".join(row.astype("<f4", copy=False).tobytes() for row in rows)
            write_at(self._files[DESCRIPTORS], starts[DESCRIPTORS], data)
            write_at(self._files[RECORDS], starts[RECORDS], records.tobytes())
            write_at(self._files[TEXTS], starts[TEXTS], texts)
        self.manifest = replace(
            self.manifest,
            records=self.manifest.records + len(entries),
            rows=self.manifest.rows + len(rows),
            text_bytes=self.manifest.text_bytes + len(texts),
            next_id=self._next_id,
        )
        self._pending = []

    def commit(self) -> None:
        """Make everything that was put so far part of the index, at once and on disk.

        Raises:
            IndexFolderError: it could not be written; the last commit stands.
        """
        self.flush()
        if self.manifest == self._committed:
            return
        with plain_errors(self.folder):
            for file in self._files.values():
                os.fsync(file.fileno())
            self.manifest.write(self.folder)
        self._committed = self.manifest
