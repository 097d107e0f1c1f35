"""Files that are either whole or not there: atomic writes, checksums."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from solar.errors import SolarError
from solar.files.text import printable


@contextmanager
def write_atomically(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file that appears under its name only once it is complete and on disk.

    Args:
        path: of the file; replaced if it exists.

    Raises:
        SolarError: it cannot be written, its folder is missing or full; names the file as given.
            The old file is then untouched.
    """
    path = Path(path)
    # a long name leaves no room for more letters
    partial = path.with_name(f".{path.name[:40]}.{uuid4().hex[:8]}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.filename not in (None, str(partial)):
            raise
        reason = error.strerror or error
        raise SolarError(f"{printable(path)}: cannot be written ({reason})") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on disk; where the system cannot (Windows), it does so by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
