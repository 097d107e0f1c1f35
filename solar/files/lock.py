"""A lock on a file that the system drops when its process ends, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from solar.errors import SolarError
from solar.files.text import printable

if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        """Lock an open file, without waiting; whether it succeeded."""
        # Windows keeps others from reading what is locked, so the locked byte is not the text.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Lock an open file, without waiting; whether it succeeded."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def only_one(folder: Path, busy: str) -> Iterator[None]:
    """Be the only one that works in a folder.

    Args:
        folder: made if missing.
        busy: what to say where another works in it.

    Raises:
        SolarError: another does, or the folder cannot be written.
    """
    try:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        reason = f"cannot be written ({error.strerror})"
        raise SolarError(f"{printable(folder)}: {reason}") from error
    try:
        if not try_lock(descriptor):
            raise SolarError(busy)
        yield
    finally:
        os.close(descriptor)
