"""Features on disk: a log that grows, keyed by what was described.

A key is the SHA-256 of a photo's file, so features are right whenever they are there: photos that
are added, copied, moved, changed or removed need no change here, the two folders need no common
commit, and a reader may combine any commit of this one with any of the index's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexFolderError
from solar.features.extraction import FeatureExtraction
from solar.features.features import Features
from solar.files.atomic import sync_folder
from solar.index.datafile import (
    MANIFEST_NAME,
    data_file,
    map_file,
    open_commit,
    remove_leftovers,
)
from solar.index.local_manifest import LocalManifest
from solar.index.local_writer import (
    KEY_BYTES,
    KEYPOINTS,
    KINDS,
    RECORD,
    RECORDS,
    LocalWriter,
    checksum,
    committed_bytes,
)
from solar.index.lock import writer_lock


@dataclass(frozen=True)
class LocalStore:
    """One commit of a folder of features, memory-mapped; later commits leave it as it is.

    Attributes:
        folder: of the features.
        manifest: of the commit.
        records: (records,) the log.
        keypoints: (keypoints, 8 + D) bytes, as `Features.rows` gives them.
    """

    folder: Path
    manifest: LocalManifest
    records: NDArray[np.void]
    keypoints: NDArray[np.uint8]

    @classmethod
    def create(cls, folder: Path, extraction: FeatureExtraction) -> LocalStore:
        """Make an empty folder of features; its parent exists.

        Raises:
            IndexFolderError: it cannot be written.
        """
        try:
            folder.mkdir(exist_ok=True)
            with writer_lock(folder):
                LocalManifest(extraction).write(folder)
            sync_folder(folder.parent)
        except OSError as error:
            raise IndexFolderError(f"{folder}: cannot be written: {error}") from error
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> LocalStore:
        """Open the last commit.

        Raises:
            IndexFolderError: there is none, or it is damaged.
        """
        if folder.is_symlink():
            raise IndexFolderError(f"{folder} is a link: features lie in the index's own folder")
        again = f"delete {folder} to have its features made anew"
        return open_commit(folder, LocalManifest.read, cls._of, again)

    @classmethod
    def _of(cls, folder: Path, manifest: LocalManifest) -> LocalStore:
        maps = {
            kind: map_file(data_file(folder, kind, manifest.generation), length)
            for kind, length in committed_bytes(manifest).items()
        }
        records = np.frombuffer(maps[RECORDS], RECORD)
        keypoints = np.frombuffer(maps[KEYPOINTS], np.uint8).reshape(
            -1, manifest.extraction.row_bytes
        )
        _check(records, manifest, data_file(folder, RECORDS, manifest.generation))
        return cls(folder, manifest, records, keypoints)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether features are there, damaged or not; an interrupted `create` leaves none."""
        return (folder / MANIFEST_NAME).exists() or any(folder.glob("*.bin"))

    @property
    def extraction(self) -> FeatureExtraction:
        """How the features are made."""
        return self.manifest.extraction

    @property
    def size(self) -> int:
        """Of the data files, in bytes."""
        return sum(committed_bytes(self.manifest).values())

    def keys(self) -> set[bytes]:
        """Of all features."""
        return set(self.records["key"].tolist())

    def find(self, key: bytes) -> Features | None:
        """The features of a key, None if there are none."""
        starts, order = self._order
        place = int(np.searchsorted(starts, np.frombuffer(key, "<u8", 1)[0], "left"))
        while place < len(starts) and starts[place].tobytes() == key[:8]:
            position = int(order[place])
            if self.records["key"][position].item() == key:
                return self._features(position)
            place += 1
        return None

    @cached_property
    def _order(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """The first eight bytes of the keys as numbers, ascending, and their positions."""
        keys = np.ascontiguousarray(self.records["key"]).view("<u8").reshape(-1, KEY_BYTES // 8)
        order = np.argsort(keys[:, 0], kind="stable")
        return keys[order, 0], order

    def _features(self, position: int) -> Features:
        record = self.records[position]
        size, rows = (int(record["width"]), int(record["height"])), self._rows(position)
        return Features.from_rows(*size, rows, binary=self.extraction.binary)

    def _rows(self, position: int) -> NDArray[np.uint8]:
        first, count = int(self.records["first"][position]), int(self.records["count"][position])
        return self.keypoints[first : first + count]

    def problems(self) -> list[str]:
        """One line for each damaged thing; empty if every committed byte is as it was written."""
        file = data_file(self.folder, RECORDS, self.manifest.generation)
        return [
            f"{file}: record {position}, or its keypoints, is damaged: "
            f"delete {self.folder} to have its features made anew"
            for position, record in enumerate(self.records)
            if checksum(record, self._rows(position)) != record["checksum"].item()
        ]

    @contextmanager
    def writer(self) -> Iterator[LocalWriter]:
        """Be the only writer, on top of the last commit.

        Raises:
            IndexFolderError: another writes, or it cannot be written.
        """
        with writer_lock(self.folder):
            manifest = LocalManifest.read(self.folder)
            remove_leftovers(self.folder, KINDS, manifest.generation)
            with LocalWriter(self.folder, manifest) as writer:
                yield writer

    def rename(self, name: str) -> None:
        """Note where the descriptor is now.

        Raises:
            IndexFolderError: another writes, or it cannot be written.
        """
        with self.writer() as writer:
            writer.rename(name)

    def compact(self, wanted: set[bytes]) -> None:
        """Write only the features of wanted keys anew, if others are there.

        Raises:
            IndexFolderError: another writes, or it cannot be written; the features are as before.
        """
        with writer_lock(self.folder):
            last = LocalStore.open(self.folder)
            if last.keys() <= wanted:
                return
            old = last.manifest
            empty = replace(old, generation=old.generation + 1, records=0, keypoints=0)
            with LocalWriter(self.folder, empty) as writer:
                for position, key in enumerate(last.records["key"].tolist()):
                    if key in wanted:
                        writer.put(key, last._features(position))
                writer.commit()
            remove_leftovers(self.folder, KINDS, empty.generation)


def _check(records: NDArray[np.void], manifest: LocalManifest, file: Path) -> None:
    """Refuse records that point outside the keypoints, or that no photo has."""
    first, count = records["first"], records["count"].astype(np.int64)
    inside = (first >= 0) & (first <= manifest.keypoints) & (count >= 0)
    inside &= np.where(inside, first, 0) + count <= manifest.keypoints
    bad = np.flatnonzero(~(inside & (records["width"] > 0) & (records["height"] > 0)))
    if len(bad):
        raise IndexFolderError(
            f"{file}: record {bad[0]} makes no sense: the file was damaged; "
            f"delete {file.parent} to have its features made anew"
        )
