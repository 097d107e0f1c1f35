"""An index at an address: its catalogue fetched whole and kept, its data read by ranges of bytes.

What is read is checked by what the catalogue says of it, so that a server that sends anything else
gives an error and no other answer.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexDamaged, IndexFolderError, SolarError, UsageError
from solar.files.atomic import write_atomically
from solar.files.cache import cache_folder
from solar.files.stores import Store, Stored, open_store

_CATALOGUE = re.compile(r"catalogue-(\d{6,12})\.db")
_TRIES = 4
_PAUSE = 0.5  # Seconds, before a catalogue that is just being written is looked at again.
_HEAD = 100  # Bytes of SQLite's header, with a number that every commit changes.
_BLOCK = 8 << 20
_MOST = 16 << 30  # Bytes of a file that is fetched whole.
_KEPT = 64 << 20  # Bytes that were read ahead, of one file.
_AT_ONCE = 16  # Requests: a store takes as long for one as for many at the same time.
_GAP = 4096  # Bytes that are read with their neighbours, rather than asked for another time.
_OLD = 7 * 24 * 3600  # Seconds after which the copy of an earlier commit is deleted.


@contextmanager
def _plain() -> Iterator[None]:
    try:
        yield
    except (IndexFolderError, UsageError):
        raise
    except SolarError as error:
        raise IndexFolderError(error.reason, error.path) from error


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
        if _CATALOGUE.fullmatch(last):
            self.address, name = self.address.removesuffix(f"/{last}"), last
        self._lock, self._files = threading.Lock(), dict[str, FarFile | None]()
        self._process, self._pool = os.getpid(), _pool()
        with _plain():
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
        with self._lock, _plain():
            if name not in self._files:
                found = self._store.stat(name)
                self._files[name] = None if found is None else FarFile(self, self._store, found)
            return self._files[name]

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

    def at_once(self, tasks: Sequence[Any]) -> None:
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
            file = FarFile(self, self._store, found)
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
    return _CATALOGUE.fullmatch(name)


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="solar-far")


def _tidy(home: Path, used: Path) -> None:
    """Delete what was kept of earlier commits and not used for long."""
    with suppress(OSError):
        os.utime(used)
        for each in home.iterdir():
            if each != used and each.stat().st_mtime < time.time() - _OLD:
                shutil.rmtree(each, ignore_errors=True)


class FarFile:
    """A data file of an index at an address, as it was when it was looked at."""

    def __init__(self, folder: FarFolder, store: Store, stored: Stored) -> None:
        """Use a file of a size and a version."""
        self.stored, self.size = stored, stored.size
        self.name = f"{folder.address}/{stored.name}"
        self._folder, self._store = folder, store
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._bytes, self._lock = 0, threading.Lock()

    def read(self, start: int, stop: int) -> bytes:
        """Exactly these bytes.

        Raises:
            IndexFolderError: they cannot be read, or the file has changed.
        """
        with self._lock:
            if (found := self._kept.get((start, stop))) is not None:
                return found
        if not 0 <= start <= stop <= self.size:
            raise IndexDamaged("is shorter than its catalogue says: copy the index anew", self.name)
        with _plain():
            return self._store.part(self.stored, start, stop)

    def ahead(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Read several ranges at once, and keep them for `read`."""
        wanted = [each for each in dict.fromkeys(ranges) if each not in self._kept]

        def fetch(start: int, stop: int) -> None:
            data = self.read(start, stop)
            with self._lock:
                self._kept[start, stop] = data
                self._bytes += len(data)
                while self._bytes > _KEPT and len(self._kept) > 1:
                    _, old = self._kept.popitem(last=False)
                    self._bytes -= len(old)

        def task(start: int, stop: int) -> Any:
            return lambda: fetch(start, stop)

        self._folder.at_once([task(*each) for each in wanted])

    def copy(self, path: Path) -> None:
        """Write all of it to a file here."""
        if self.size > _MOST:
            raise IndexFolderError(f"{self.size} bytes are too many to fetch: copy it", self.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as to:
            for start in range(0, self.size, _BLOCK):
                to.write(self.read(start, min(start + _BLOCK, self.size)))


class FarBytes:
    """The first bytes of a file, of which slices are read."""

    def __init__(self, file: FarFile, length: int) -> None:
        """Use a file.

        Raises:
            IndexDamaged: it is shorter.
        """
        if file.size < length:
            raise IndexDamaged("is shorter than its catalogue says: copy the index anew", file.name)
        self._file = file

    def __getitem__(self, part: slice) -> bytes:
        """Some bytes."""
        return self._file.read(part.start, part.stop)

    def ahead(self, parts: Sequence[tuple[int, int]]) -> None:
        """Read several parts at once."""
        self._file.ahead(parts)


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


class FarRows:
    """An array (N, …) in a file, of which rows are read as they are asked for."""

    def __init__(self, file: FarFile, offset: int, kind: str, shape: tuple[int, ...]) -> None:
        """Name what lies at a byte of a file.

        Raises:
            IndexDamaged: the file is shorter.
        """
        self._file, self._offset = file, offset
        self.dtype, self.shape = np.dtype(kind), shape
        self._row = self.dtype.itemsize * int(np.prod(shape[1:], dtype=object))
        if file.size < offset + self._row * shape[0]:
            raise IndexDamaged("is shorter than its catalogue says: copy the index anew", file.name)

    @property
    def ndim(self) -> int:
        """How many dimensions it has."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def nbytes(self) -> int:
        """How many bytes it takes."""
        return self._row * self.shape[0]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        """Some rows, read now."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return self._between(start, max(start, stop))
        return self._some(np.asarray(rows, np.int64))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All of it, read now."""
        return np.asarray(self[:], dtype)

    def ahead(self, parts: Sequence[tuple[int, int]]) -> None:
        """Read some slices at once, for `__getitem__`."""
        self._file.ahead([self._range(*part) for part in parts if part[0] < part[1]])

    def _range(self, start: int, stop: int) -> tuple[int, int]:
        return self._offset + start * self._row, self._offset + stop * self._row

    def _between(self, start: int, stop: int) -> NDArray[Any]:
        if start == stop:
            return np.empty((0, *self.shape[1:]), self.dtype)
        data = self._file.read(*self._range(start, stop))
        return np.frombuffer(data, self.dtype).reshape(stop - start, *self.shape[1:])

    def _some(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Rows (K,) in any order: those that lie near each other are asked for together."""
        wanted, where = np.unique(rows, return_inverse=True)
        found = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        if len(wanted):
            breaks = np.flatnonzero(np.diff(wanted) > 1 + _GAP // self._row) + 1
            groups = np.split(wanted, breaks)
            self.ahead([(int(group[0]), int(group[-1]) + 1) for group in groups])
            done = 0
            for group in groups:
                block = self._between(int(group[0]), int(group[-1]) + 1)
                found[done : done + len(group)] = block[group - group[0]]
                done += len(group)
        return found[where]
