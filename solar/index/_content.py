"""Photos whose very bytes are known that were decoded: what is described is what was hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from solar.files.atomic import sha256
from solar.photos import Photo, name_of


class WatchedPhoto:
    """A photo's file as a binary file, opened when it is read.

    Attributes:
        name: what errors call it.
        sha256: of the bytes that were handed out last, None before that.
    """

    def __init__(self, path: Path) -> None:
        """Watch the file at a path."""
        self.name = str(path)
        self.sha256: bytes | None = None
        self._path = path

    def read(self, size: int = -1) -> bytes:
        """The file from its beginning, or so many bytes of it."""
        with self._path.open("rb") as file:
            data = file.read(size)
        self.sha256 = hashlib.sha256(data).digest()
        return data


def content_of(photo: Photo | int) -> bytes:
    """SHA-256 of a photo's file; empty where it is none."""
    if isinstance(photo, bytes):
        return hashlib.sha256(photo).digest()
    if isinstance(photo, int) or not Path(name_of(photo)).is_file():
        return b""
    return bytes.fromhex(sha256(Path(name_of(photo))))


def as_photos(watched: Sequence[WatchedPhoto]) -> Sequence[Photo]:
    """What extractors take: they only read these files."""
    return cast("Sequence[Photo]", watched)
