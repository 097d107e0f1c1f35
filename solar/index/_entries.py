"""Entries: what a catalogue keeps of each photo, and the checksum of each."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Descriptor = NDArray[np.float32]
"""(D,), unit length."""

_LARGEST = (1 << 63) - 1  # What SQLite keeps of a whole number.
SUM_BYTES = 8


class Entry(NamedTuple):
    """One photo, as the index knows it: with a descriptor, or with the reason why it has none.

    Attributes:
        id: its number, kept for as long as the photo is in the index, and never used again.
        root: number of the folder that `path` starts from.
        path: of the photo's file, relative to its root, with forward slashes, as bytes.
        sha256: of the file; None if it was not read.
        size: of the file in bytes; -1 if it was not read.
        mtime_ns: when its content changed last.
        ctime_ns: when anything about it changed last.
        row: of its descriptor in the vectors.
        descriptor_sum: checksum of that descriptor.
        features_at: where its features start in the features file; None if it has none.
        features_length: of its features in bytes.
        features_sum: checksum of these bytes.
        reason: why it has no descriptor.
    """

    id: int
    root: int
    path: bytes
    sha256: bytes | None = None
    size: int = -1
    mtime_ns: int = -1
    ctime_ns: int = -1
    row: int | None = None
    descriptor_sum: bytes | None = None
    features_at: int | None = None
    features_length: int | None = None
    features_sum: bytes | None = None
    reason: str | None = None

    @property
    def stamp(self) -> tuple[int, int, int]:
        """Size and times of the file: while these are the same, so is the file."""
        return self.size, self.mtime_ns, self.ctime_ns

    def with_features_of(self, other: Entry | None) -> Entry:
        """This photo with another's features, which have the same bytes; of None, with none."""
        places = (None,) * 3 if other is None else other[-4:-1]
        return Entry(*self[:-4], *places, self.reason)

    def checksum(self, born: int) -> bytes:
        """Of everything above and of the generation that the entry came with."""
        return checksum(repr((*self, born)).encode())


COLUMNS = ", ".join(Entry._fields)


def checksum(data: bytes) -> bytes:
    """Eight bytes that change with any other."""
    return hashlib.blake2b(data, digest_size=SUM_BYTES).digest()


def descriptor_sum(descriptor: Descriptor) -> bytes:
    """The checksum of a descriptor as it lies on disk."""
    return checksum(descriptor.astype("<f4", copy=False).tobytes())


def stamp_of(found: os.stat_result) -> tuple[int, int, int]:
    """Size and times of a file, within what can be kept."""
    return found.st_size, _kept(found.st_mtime_ns), _kept(found.st_ctime_ns)


def _kept(value: int) -> int:
    return min(max(value, -_LARGEST), _LARGEST)


def is_gone(path: Path) -> bool:
    """Whether a file is no longer there; one that is out of reach for now is not gone."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def path_to_bytes(path: Path) -> bytes:
    """A path as the index stores it: with forward slashes, in the file system's own bytes."""
    return os.fsencode(path.as_posix())


def path_to_text(path: bytes) -> str:
    """A stored path as text; bytes that are no UTF-8 become surrogates, as everywhere in Python."""
    return os.fsdecode(path)
