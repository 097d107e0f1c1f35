"""The writer of features: appends to their data files, and commits."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexFolderError
from solar.features.features import Features
from solar.index.datafile import open_all, plain_errors, write_at
from solar.index.local_manifest import LocalManifest

KEY_BYTES = 32
RECORDS = "records"
KEYPOINTS = "keypoints"
KINDS = (RECORDS, KEYPOINTS)
_CHECKSUM_BYTES = 16
RECORD = np.dtype(
    [
        ("key", f"V{KEY_BYTES}"),
        ("first", "<i8"),  # In the keypoints file.
        ("count", "<i4"),
        ("width", "<u2"),  # Of the copy that was described.
        ("height", "<u2"),
        ("checksum", f"V{_CHECKSUM_BYTES}"),  # Of this record and its keypoints.
    ]
)


def committed_bytes(manifest: LocalManifest) -> dict[str, int]:
    """How much of each data file the commit of a manifest covers."""
    return {
        RECORDS: manifest.records * RECORD.itemsize,
        KEYPOINTS: manifest.keypoints * manifest.extraction.row_bytes,
    }


def checksum(record: np.void, rows: NDArray[np.uint8]) -> bytes:
    """BLAKE2b over everything that is stored of one photo, but the checksum itself."""
    content = record.tobytes()[:-_CHECKSUM_BYTES]
    digest = hashlib.blake2b(content, digest_size=_CHECKSUM_BYTES)
    digest.update(rows.tobytes())
    return digest.digest()


class LocalWriter:
    """Appends features after a commit. Whoever makes one holds the lock; see `Writer`."""

    def __init__(self, folder: Path, manifest: LocalManifest) -> None:
        """Open the data files to go on after the lengths of a manifest."""
        self._folder = folder
        self._manifest = manifest
        lengths = committed_bytes(manifest)
        with plain_errors(self._folder), contextlib.ExitStack() as opened:
            self._files = open_all(opened, folder, manifest.generation, lengths)
            self._opened = opened.pop_all()

    def __enter__(self) -> LocalWriter:
        """The writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close; what was not committed is lost."""
        self._opened.close()

    def put(self, key: bytes, features: Features) -> None:
        """Write features; they count only once they are committed.

        Raises:
            IndexFolderError: they do not fit the settings, or could not be written.
        """
        rows = features.rows()
        if rows.shape[1] != self._manifest.extraction.row_bytes:
            raise IndexFolderError(
                f"{self._folder} holds descriptors of {self._manifest.extraction.dimensions} "
                f"dimensions, not {features.descriptors.shape[1]}: use what it was made with"
            )
        places = self._manifest.keypoints, len(rows), features.width, features.height
        record = np.array([(key, *places, b"")], RECORD)
        record["checksum"] = np.void(checksum(record[0], rows))
        starts = committed_bytes(self._manifest)
        with plain_errors(self._folder):
            write_at(self._files[KEYPOINTS], starts[KEYPOINTS], rows.tobytes())
            write_at(self._files[RECORDS], starts[RECORDS], record.tobytes())
        self._manifest = replace(
            self._manifest,
            records=self._manifest.records + 1,
            keypoints=self._manifest.keypoints + len(rows),
        )

    def rename(self, name: str) -> None:
        """Commit another name of the same descriptor.

        Raises:
            IndexFolderError: it could not be written.
        """
        extraction = replace(self._manifest.extraction, descriptor=name)
        self._manifest = replace(self._manifest, extraction=extraction)
        self.commit()

    def commit(self) -> None:
        """Make everything that was put so far count, at once and on disk.

        Raises:
            IndexFolderError: it could not be written; the last commit stands.
        """
        with plain_errors(self._folder):
            for file in self._files.values():
                os.fsync(file.fileno())
            self._manifest.write(self._folder)
