"""Data files of an index, which only grow: a commit says how much of them counts."""

from __future__ import annotations

import mmap
import os
import stat
from io import FileIO
from pathlib import Path

from solar.errors import IndexDamaged, IndexFolderError


def map_file(file: Path, length: int) -> mmap.mmap | bytes:
    """The committed bytes of a data file, memory-mapped.

    Raises:
        FileNotFoundError: there is no such file.
        IndexDamaged: it is shorter, or no plain file.
    """
    if length == 0:
        return b""  # Nothing can be mapped, and before the first commit there is no file.
    if not stat.S_ISREG(file.lstat().st_mode):
        raise IndexDamaged("is not a regular file, as all in an index are", file)
    with file.open("rb") as opened:
        found = os.fstat(opened.fileno()).st_size
        if found < length:
            raise IndexDamaged(
                f"has {found} bytes where the catalogue says {length}: it was cut short; "
                "restore it from a copy, or make the index anew",
                file,
            )
        return mmap.mmap(opened.fileno(), length, access=mmap.ACCESS_READ)


class DataFile:
    """A data file that is written: after what counts, and never before it."""

    def __init__(self, file: Path) -> None:
        """Open it; it is made if it is not there.

        Raises:
            OSError: it cannot be written, or is a link.
        """
        self._path = file
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._file = FileIO(os.open(file, flags, 0o666), "r+")
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            self._file.close()
            raise IndexDamaged("is not a regular file, as all in an index are", file)

    def write(self, start: int, data: bytes | memoryview) -> None:
        """Write all of some bytes, beginning at a byte; what lay beyond them is cut off."""
        self._file.seek(start)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._file.truncate(start + len(data))

    def sync(self) -> None:
        """Put what was written on disk."""
        os.fsync(self._file.fileno())

    def prove(self) -> None:
        """Refuse to go on once another file lies at the path.

        Raises:
            IndexFolderError: it does.
        """
        prove_same(self._path, os.fstat(self._file.fileno()))

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


def prove_same(path: Path, opened: os.stat_result) -> None:
    """Refuse to go on once another file than the opened one lies at a path.

    Raises:
        IndexFolderError: it does, or none.
    """
    try:
        found = path.stat(follow_symlinks=False)
        same = (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)
    except OSError:
        same = False
    if not same:
        raise IndexFolderError(
            "was deleted, moved or replaced while it was being written: stopped, so that nothing "
            "is lost that another has written; run the same again",
            path,
        )
