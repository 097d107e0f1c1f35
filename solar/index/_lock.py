"""One writer at a time: a lock that the system drops when its process ends, however it ends."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from solar.errors import IndexFolderError, IndexLocked
from solar.files.lock import try_lock
from solar.index._datafile import prove_same

LOCK_NAME = "lock"
_SECONDS_BETWEEN = 0.02  # Two tries.

_held: set[int] = set()


def _let_go_in_child() -> None:
    # A forked worker shares the lock, and would keep it after its parent was killed.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


WriterLock = Callable[[], None]
"""Proves that the lock is still held: that its file is not another, of which somebody else may have
the lock. Raises IndexFolderError if it is."""


@contextmanager
def writer_lock(folder: Path, timeout: float = 0) -> Iterator[WriterLock]:
    """Be the only writer of an index folder.

    Args:
        folder: of the index; must exist.
        timeout: seconds to wait for another writer.

    Raises:
        IndexLocked: another process or thread writes; the message says who and since when.
        IndexFolderError: the folder cannot be written.
    """
    try:
        descriptor = _locked(folder, time.monotonic() + timeout)
    except OSError as error:
        raise IndexFolderError(f"cannot be written: {error}", folder) from error
    try:
        yield partial(prove_same, folder / LOCK_NAME, os.fstat(descriptor))
    finally:
        _drop(descriptor)


def _locked(folder: Path, deadline: float) -> int:
    """A descriptor of the lock's file, locked; the file is the one that lies in the folder."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    while True:
        descriptor = os.open(folder / LOCK_NAME, flags, 0o666)
        _held.add(descriptor)
        try:
            if try_lock(descriptor):
                prove_same(folder / LOCK_NAME, os.fstat(descriptor))
                _sign(descriptor)
                return descriptor
            owner = _owner(descriptor)
        except IndexFolderError:  # It was deleted just now: the next one counts.
            owner = "another process"
        except OSError:
            _drop(descriptor)
            raise
        _drop(descriptor)
        if time.monotonic() >= deadline:
            raise IndexLocked(
                f"is being written by {owner}; it can be searched meanwhile, but to write to it, "
                "wait until that has ended",
                folder,
            )
        time.sleep(_SECONDS_BETWEEN)


def _drop(descriptor: int) -> None:
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
