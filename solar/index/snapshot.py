"""A snapshot: an index folder as it was at one commit, memory-mapped, for readers."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexFolderError
from solar.index.datafile import data_file, map_file, open_commit
from solar.index.manifest import Manifest
from solar.index.records import NO_ROW, RECORD, Descriptor, Entry, Records, State, unpack

DESCRIPTORS = "descriptors"
RECORDS = "records"
TEXTS = "texts"
KINDS = (DESCRIPTORS, RECORDS, TEXTS)
_PHOTOS_AT_ONCE = 1 << 16


def committed_bytes(manifest: Manifest) -> dict[str, int]:
    """How much of each data file the commit of a manifest covers."""
    return {
        DESCRIPTORS: manifest.rows * manifest.settings.dimensions * 4,
        RECORDS: manifest.records * RECORD.itemsize,
        TEXTS: manifest.text_bytes,
    }


@dataclass(frozen=True)
class Snapshot:
    """One commit, opened. Later commits, and `compact`, leave it as it is.

    Attributes:
        folder: of the index.
        manifest: of the commit.
        descriptors: (rows, D) float32, memory-mapped.
        records: (records,) the log, memory-mapped.
        current: (photos,) positions in the log of the records that count, by ascending id.
        ids: (photos,) their ids.
        row_ids: (rows,) id of the photo that each descriptor belongs to, -1 if to none any more.
    """

    folder: Path
    manifest: Manifest
    descriptors: NDArray[np.float32]
    records: Records
    current: NDArray[np.int64]
    ids: NDArray[np.int64]
    row_ids: NDArray[np.int64]
    _texts: mmap.mmap | bytes

    @classmethod
    def open(cls, folder: Path) -> Snapshot:
        """Open the last commit.

        Raises:
            IndexFolderError: there is no index, or it is damaged.
        """
        restore = "restore it from a copy, or make the index anew"
        return open_commit(folder, Manifest.read, cls._of, restore)

    @classmethod
    def _of(cls, folder: Path, manifest: Manifest) -> Snapshot:
        maps = {
            kind: map_file(data_file(folder, kind, manifest.generation), length)
            for kind, length in committed_bytes(manifest).items()
        }
        descriptors = np.frombuffer(maps[DESCRIPTORS], "<f4")
        records = np.frombuffer(maps[RECORDS], RECORD)
        _check(records, manifest, data_file(folder, RECORDS, manifest.generation))
        current = _current(records)
        photos = current[records["state"][current] == State.PHOTO]
        row_ids = np.full(manifest.rows, -1, np.int64)
        row_ids[records["row"][photos]] = records["id"][photos]
        return cls(
            folder=folder,
            manifest=manifest,
            descriptors=descriptors.reshape(-1, manifest.settings.dimensions),
            records=records,
            current=current,
            ids=records["id"][current],
            row_ids=row_ids,
            _texts=maps[TEXTS],
        )

    def texts(self, position: int) -> bytes:
        """Path and reason of a record, end to end."""
        record = self.records[position]
        start = int(record["text"])
        return self._texts[start : start + int(record["path_length"] + record["reason_length"])]

    def entry(self, position: int) -> Entry:
        """The entry at a position in the log."""
        return unpack(self.records[position], self.texts(position))

    def entries(self) -> Iterator[Entry]:
        """All photos in the index, failed ones too, by ascending id."""
        return map(self.entry, self.current.tolist())

    def known_files(self) -> Iterator[tuple[int, bytes, bytes, bool]]:
        """Of each photo: position in the log, path, SHA-256, and whether it has a descriptor."""
        for start in range(0, len(self.current), _PHOTOS_AT_ONCE):
            part = self.current[start : start + _PHOTOS_AT_ONCE]
            records = self.records[part]
            names = ("text", "path_length", "sha256", "state")
            columns = [records[name].tolist() for name in names]
            for position, text, length, sha256, state in zip(part.tolist(), *columns, strict=True):
                yield position, self._texts[text : text + length], sha256, state == State.PHOTO

    def find(self, number: int) -> Entry | None:
        """The photo with an id, None if there is none (any more)."""
        place = int(np.searchsorted(self.ids, number))
        if place == len(self.ids) or self.ids[place] != number:
            return None
        return self.entry(int(self.current[place]))

    def descriptor(self, entry: Entry) -> Descriptor | None:
        """The descriptor (D,) of an entry, None if it has none."""
        return None if entry.row == NO_ROW else self.descriptors[entry.row]


def _current(records: Records) -> NDArray[np.int64]:
    """Positions of the last record of each id, without those that say removed."""
    order = np.argsort(records["id"], kind="stable")
    ids = records["id"][order]
    last = np.append(ids[1:] != ids[:-1], True)[: len(ids)]
    current: NDArray[np.int64] = order[last]
    kept: NDArray[np.bool_] = records["state"][current] != State.REMOVED
    return current[kept]


def _check(records: Records, manifest: Manifest, file: Path) -> None:
    """Refuse records that point outside the other files."""
    text, row, state = records["text"], records["row"], records["state"]
    lengths = records["path_length"].astype(np.int64), records["reason_length"].astype(np.int64)
    # Each part lies in the file before they are added, so the sum cannot overflow.
    in_texts = (text >= 0) & (text <= manifest.text_bytes)
    in_texts &= (lengths[0] > 0) & (lengths[1] >= 0)
    in_texts &= np.where(in_texts, text, 0) + lengths[0] + lengths[1] <= manifest.text_bytes
    in_rows = np.where(state == State.PHOTO, (row >= 0) & (row < manifest.rows), row == NO_ROW)
    known = (state >= State.PHOTO) & (state <= State.REMOVED)
    known &= (records["id"] >= 0) & (records["id"] < manifest.next_id)
    bad = np.flatnonzero(~(in_texts & in_rows & known))
    if len(bad):
        raise IndexFolderError(
            f"{file}: record {bad[0]} makes no sense: the file was damaged; "
            "restore it from a copy, or make the index anew"
        )
