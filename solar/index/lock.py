"""One writer at a time: a lock that the system drops when its process ends, however it ends."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from solar.errors import IndexFolderError

LOCK_NAME = "lock"

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        # Windows keeps others from reading what is locked, so the locked byte is not the text.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


_held: set[int] = set()


def _let_go_in_child() -> None:
    # A forked worker shares the lock, and would keep it after its parent was killed.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Be the only writer of an index folder.

    Args:
        folder: of the index; must exist.

    Raises:
        IndexFolderError: another process or thread writes (the message says who and since when),
            or the folder cannot be written.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(folder / LOCK_NAME, flags, 0o666)
    except OSError as error:
        raise IndexFolderError(f"{folder}: cannot be written: {error}") from error
    _held.add(descriptor)
    try:
        try:
            if not _try_lock(descriptor):
                raise IndexFolderError(
                    f"{folder} is being written by {_owner(descriptor)}; it can be searched "
                    "meanwhile, but to write to it, wait until that has ended"
                )
            _sign(descriptor)
        except OSError as error:
            raise IndexFolderError(f"{folder}: cannot be locked: {error}") from error
        yield
    finally:
        if descriptor in _held:  # Not in a forked child: there the hook has closed it.
            _held.remove(descriptor)
            os.close(descriptor)


def _sign(descriptor: int) -> None:
    """Leave word of who writes, for the message that another writer gets."""
    owner = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps(owner).encode())


def _owner(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        owner = json.loads(os.read(descriptor, 1000))
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (ValueError, KeyError, TypeError):  # It has locked, but not signed yet.
        return "another process"
