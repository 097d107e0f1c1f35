"""Descriptors that many machines made of photos, put into an index shard by shard."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError
from solar.extraction.shard import Said
from solar.extraction.work import Work
from solar.files.stores import is_address
from solar.index._by_name import homes_of
from solar.index._entries import LENGTH_TOLERANCE, Entry, path_to_bytes
from solar.index._query import fitting
from solar.index._roots import Roots
from solar.index._snapshot import Snapshot
from solar.index._writer import Writer
from solar.index.catalogue import Home
from solar.index.results import AddReport
from solar.index.vectors import lengths_of
from solar.typing import Descriptors, Progress

_PHOTOS_PER_COMMIT = 1 << 14


class Merging:
    """One call of `Index.add_shards`.

    Attributes:
        report: what became of each photo so far.
    """

    def __init__(self, snapshot: Snapshot, writer: Writer, work: Work) -> None:
        """Prepare.

        Args:
            snapshot: the last commit.
            writer: on top of it.
            work: that is done.

        Raises:
            UsageError: it is of another extraction.
        """
        self.report = AddReport()
        self._snapshot, self._writer, self._work = snapshot, writer, work
        nothing = np.zeros((0, work.shards.dimensions), np.float32)
        fitting(nothing, work.shards.extraction, snapshot, "shards")
        folders = [root for root in work.roots if not is_address(root)]
        self._homes, self._roots = homes_of(work.names, _with(snapshot.roots, folders))
        before = set(snapshot.roots.folders.values())
        new = (os.fsdecode(path) for path in self._roots.folders.values() if path not in before)
        self.report.roots = sorted(filter(None, new))

    def run(self, progress: Progress | None) -> None:
        """Put all shards, committing as it goes.

        Raises:
            SolarError: a shard is missing or damaged, or the index cannot be written.
        """
        shards = self._work.shards
        shards.rows()
        self._writer.put_roots(self._roots)
        for shard in range(shards.count):
            first = shard * shards.shard_size
            rows, said = shards.whole(shard)
            self._put(first, _fitted(rows, self._work.names[first]), said)
            if self._writer.pending >= _PHOTOS_PER_COMMIT:
                self._writer.commit()
            if progress:
                progress(first + shards.size_of(shard), shards.photos)
        self._writer.commit()

    def _put(self, first: int, rows: Descriptors, said: Said) -> None:
        reasons = {failure.position - first: failure.reason for failure in said.failed}
        count = len(rows) + len(reasons)
        homes = self._homes[first : first + count]
        known, there = self._snapshot.named(homes), iter(rows)
        for number, home in enumerate(homes):
            sha256, size = said.files[number] if said.files else ("", -1)
            content = bytes.fromhex(sha256) or None
            descriptor = None if number in reasons else next(there)
            before, name = known.get(home), self._work.names[first + number]
            if descriptor is None:
                self._failed(before, home, content, name, reasons[number])
                continue
            if before and before.row is not None and content and before.sha256 == content:
                self.report.unchanged.append(name)
                continue
            made = Entry(before.id if before else self._writer.new_id(), *home, content, size)
            self._writer.put(made, descriptor)
            new = before is None or before.row is None
            (self.report.added if new else self.report.changed).append(name)

    def _failed(
        self, before: Entry | None, home: Home, content: bytes | None, name: str, reason: str
    ) -> None:
        """Note a photo that could not be described, unless the index has it described."""
        self.report.failed.append((name, reason))
        if before is None or before.row is None:
            number = before.id if before else self._writer.new_id()
            self._writer.put(Entry(number, *home, content).failed(reason))


def _with(roots: Roots, folders: Sequence[str]) -> Roots:
    """Roots, and folders that none of them holds, where these are folders here."""
    for folder in map(Path, folders):
        path = path_to_bytes(folder)
        if folder.is_absolute() and not folder.is_file() and not roots.holds(path):
            _, roots = roots.with_root(path)
    return roots


def _fitted(rows: NDArray[np.floating], name: str) -> Descriptors:
    """Rows of a shard as float32, each of unit length.

    Raises:
        UsageError: one is not; names a photo of the shard.
    """
    whole: Descriptors = np.ascontiguousarray(rows, np.float32)
    lengths = lengths_of(whole)
    odd = np.flatnonzero(~(np.abs(lengths - 1) <= LENGTH_TOLERANCE))  # NaN as well.
    if len(odd):
        raise UsageError(
            f"a descriptor near {name} has length {lengths[odd[0]]:.4g} instead of 1: delete "
            "the shard, and describe its photos again"
        )
    return whole
