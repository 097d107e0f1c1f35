"""An index at an address: its catalogue fetched whole and kept, its data where ranges are read.

What is read is checked by what the catalogue says of it, so that a server that sends anything else
gives an error and no other answer.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np

from solar.errors import IndexDamaged, IndexFolderError, SolarError
from solar.files.atomic import write_atomically
from solar.files.cache import cache_folder
from solar.files.stores import Stored, open_store
from solar.index._numbered import CATALOGUE
from solar.index._ranges import FarBytes, FarFile, Task, plainly
from solar.typing import Descriptors

_TRIES = 4
_PAUSE = 0.5  # Seconds, before a catalogue that is just being written is looked at again.
_HEAD = 100  # Bytes of SQLite's header, with a number that every commit changes.
_AT_ONCE = 16  # Requests: a store takes as long for one as for many at the same time.
_OLD = 7 * 24 * 3600  # Seconds after which the copy of an earlier commit is deleted.


class FarFolder:
    """The files of an index at an address, as of one commit.

    Attributes:
        address: of the index.
        local: the folder of the cache that holds what was fetched whole.
        catalogue: file there.
    """

    def __init__(self, address: str) -> None:
        """Look which commit there is, and fetch its catalogue unless that was done before.

        Raises:
            IndexFolderError: there is no index, or it cannot be read.
            UsageError: nothing speaks to such addresses.
        """
        self.address, name = address.rstrip("/"), None
        last = self.address.rpartition("/")[2]
        if CATALOGUE.fullmatch(last):
            self.address, name = self.address.removesuffix(f"/{last}"), last
        self._lock, self._files = threading.Lock(), dict[str, FarFile | None]()
        self._process, self._pool = os.getpid(), _pool()
        with plainly():
            self._store = open_store(self.address)
            self._listed = {} if name else {each.name: each for each in self._list()}
            numbers = {int(found[1]): each for each in self._listed if (found := _of(each))}
            if not name and not numbers:
                raise IndexFolderError("there is no index", self.address)
            self.local = self._fetch_catalogue(name or numbers[max(numbers)])
        self.catalogue = self.local / (name or numbers[max(numbers)])

    def _list(self) -> Iterator[Stored]:
        try:
            yield from self._store.list()
        except SolarError as error:
            raise IndexFolderError(
                f"{error.reason}: name the catalogue, as {self.address}/catalogue-000001.db",
            ) from error

    def file(self, name: str) -> FarFile | None:
        """A file of the index; None if it is not there."""
        with self._lock, plainly():
            if name not in self._files:
                found = self._store.stat(name)
                self._files[name] = found and self._opened(found)
            return self._files[name]

    def _opened(self, stored: Stored) -> FarFile:
        return FarFile(self.address, self._store, stored, self.at_once)

    def fetched(self, name: str) -> Path:
        """A file here, fetched whole unless that was done before.

        Raises:
            FileNotFoundError: there is none.
            IndexFolderError: it cannot be read.
        """
        path = self.local / name
        if not path.exists():
            file = self.file(name)
            if file is None:
                raise FileNotFoundError(2, "No such file", f"{self.address}/{name}")
            file.copy(path)
        return path

    @property
    def size(self) -> int:
        """Bytes of all files that were looked at."""
        return sum(file.stored.size for file in self._files.values() if file)

    def at_once(self, tasks: Sequence[Task]) -> None:
        """Call all of some functions, several at a time."""
        if self._process != os.getpid():  # Threads do not survive a fork.
            self._process, self._pool = os.getpid(), _pool()
        for done in [self._pool.submit(task) for task in tasks]:
            done.result()

    def _fetch_catalogue(self, name: str) -> Path:
        """Where the catalogue lies now, whole and of one commit.

        SQLite writes pages in any order while a journal lies beside. So the number in its header
        must be the same before, in and after what is read, and no journal be there.
        """
        home = cache_folder() / "far" / sha256(self.address.encode()).hexdigest()[:16]
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE * attempt)
            found = self._store.stat(name)
            if found is None:
                raise IndexFolderError(f"there is no {name}", self.address)
            file = self._opened(found)
            head = file.read(0, min(_HEAD, found.size))
            if self._store.stat(f"{name}-journal") is not None:
                continue
            told = f"{found.size} {found.version} {head.hex()}"
            local = home / sha256(f"{name} {told}".encode()).hexdigest()[:16]
            if not (local / name).exists():
                local.mkdir(parents=True, exist_ok=True)
                file.copy(local / name)
                again = self._store.stat(f"{name}-journal"), self._store.stat(name)
                whole = (local / name).read_bytes()[:_HEAD] == head
                if (
                    again != (None, found)
                    or not whole
                    or self._store.part(found, 0, len(head)) != head
                ):
                    (local / name).unlink()
                    continue
            self._files[name] = file
            _tidy(home, local)
            return local
        raise IndexFolderError(
            "is being written, or a writer was killed: open it again, or copy it once more",
            self.address,
        )


def _of(name: str) -> re.Match[str] | None:
    return CATALOGUE.fullmatch(name)


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="solar-far")


def _tidy(home: Path, used: Path) -> None:
    """Delete what was kept of earlier commits and not used for long."""
    with suppress(OSError):
        os.utime(used)
        for each in home.iterdir():
            if each != used and each.stat().st_mtime < time.time() - _OLD:
                shutil.rmtree(each, ignore_errors=True)


def far_bytes(far: FarFolder, name: str, length: int) -> FarBytes | bytes:
    """The committed bytes of a data file at an address; see `map_file`.

    Raises:
        IndexDamaged: it is missing or shorter.
    """
    if length == 0:
        return b""
    file = far.file(name)
    if file is None:
        raise IndexDamaged(f"{name} is missing: copy the index anew", far.address)
    return FarBytes(file, length)


def kept_here(file: Path, shape: tuple[int, int], read: Callable[[], Descriptors]) -> Descriptors:
    """Rows that were read once from an address, and are kept in a file of the cache."""
    with suppress(OSError, ValueError):
        kept: Descriptors = np.load(file, allow_pickle=False)
        if kept.shape == shape:
            return kept
    rows = read()
    with write_atomically(file) as to:
        np.save(to, rows, allow_pickle=False)
    return rows
