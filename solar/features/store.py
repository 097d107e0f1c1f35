"""Features in one file, by key: it grows, and an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from types import TracebackType

import numpy as np

from solar.errors import SolarError
from solar.features.extraction import FeatureExtraction
from solar.features.features import Features

_RECORD = struct.Struct("<32sI8s")  # Key, length and checksum of what follows.
_SIZE = struct.Struct("<II")


def to_bytes(features: Features) -> bytes:
    """Width and height of the copy that was described, then each keypoint with its descriptor."""
    return _SIZE.pack(features.width, features.height) + features.rows().tobytes()


def from_bytes(content: bytes, made: FeatureExtraction) -> Features:
    """What `to_bytes` made bytes of.

    Raises:
        SolarError: these are no such bytes.
    """
    if len(content) < _SIZE.size or (len(content) - _SIZE.size) % made.row_bytes:
        raise SolarError("features of a length that cannot be")
    width, height = _SIZE.unpack_from(content)
    if not 0 < width < 1 << 16 or not 0 < height < 1 << 16:
        raise SolarError("features of a size that no photo has")
    rows = np.frombuffer(content, np.uint8, offset=_SIZE.size).reshape(-1, made.row_bytes)
    return Features.from_rows(width, height, rows, binary=made.binary)


class FeatureStore:
    """A file of features, each under a key of 32 bytes.

    The first line says how they are made; then come records. What a killed run left at the end is
    cut off when the file is opened next.
    """

    def __init__(self, file: Path, extraction: FeatureExtraction) -> None:
        """Use `FeatureStore.open`."""
        self.extraction = extraction
        self._path = file
        self._places: dict[bytes, tuple[int, int]] = {}
        self._file = file.open("r+b")
        self._scan()

    @classmethod
    def open(
        cls, file: Path, extraction: FeatureExtraction, *, overwrite: bool = False
    ) -> FeatureStore:
        """Open a file, or make it.

        Args:
            file: its folder exists.
            extraction: of the features.
            overwrite: begin anew where features were made otherwise.

        Raises:
            UsageError: it holds features that were made otherwise.
            SolarError: it is no such file.
        """
        if file.exists():
            with file.open("rb") as opened:
                line = opened.readline(1 << 16)
            try:
                made = FeatureExtraction.from_json(json.loads(line), file)
            except ValueError as error:
                raise SolarError("is no file of features: choose another", file) from error
            if not made.differences(extraction):
                return cls(file, extraction)
            if not overwrite:
                made.require_same(extraction, file, "choose another folder, or say --overwrite")
        file.write_bytes(json.dumps(extraction.to_json()).encode() + b"\n")
        return cls(file, extraction)

    def __enter__(self) -> FeatureStore:
        """The store itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep what was put, and close."""
        self.commit()
        self._file.close()

    def keys(self) -> set[bytes]:
        """Of all features."""
        return set(self._places)

    def find(self, key: bytes) -> Features | None:
        """The features of a key, None if there are none."""
        if key not in self._places:
            return None
        start, length = self._places[key]
        self._file.seek(start)
        return from_bytes(self._file.read(length), self.extraction)

    def put(self, key: bytes, features: Features) -> None:
        """Add features; they are on disk after `commit`."""
        content = to_bytes(features)
        start = self._file.seek(0, os.SEEK_END)
        self._file.write(_RECORD.pack(key, len(content), _sum(key, content)) + content)
        self._places[key] = start + _RECORD.size, len(content)

    def commit(self) -> None:
        """Put everything on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def _scan(self) -> None:
        """Find all records, up to the first that is not whole."""
        self._file.readline()
        while True:
            end = self._file.tell()
            head = self._file.read(_RECORD.size)
            if len(head) < _RECORD.size:
                break
            key, length, known = _RECORD.unpack(head)
            content = self._file.read(length)
            if len(content) < length or _sum(key, content) != known:
                break
            self._places[key] = end + _RECORD.size, length
        self._file.truncate(end)


def _sum(key: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(key + content, digest_size=8).digest()
