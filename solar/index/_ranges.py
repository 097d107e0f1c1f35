"""Data files of an index at an address, of which ranges of bytes are read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexDamaged, IndexFolderError, SolarError, UsageError
from solar.files.atomic import write_atomically
from solar.files.stores import Store, Stored

_BLOCK = 8 << 20
_MOST = 16 << 30  # Bytes of a file that is fetched whole.
_KEPT = 64 << 20  # Bytes that were read ahead, of one file.
_GAP = 4096  # Bytes that are read with their neighbours, rather than asked for another time.

Task = Callable[[], None]


@contextmanager
def plainly() -> Iterator[None]:
    """Errors of a store as those of an index."""
    try:
        yield
    except (IndexFolderError, UsageError):
        raise
    except SolarError as error:
        raise IndexFolderError(error.reason, error.path) from error


class FarFile:
    """A data file of an index at an address, as it was when it was looked at."""

    def __init__(
        self, address: str, store: Store, stored: Stored, at_once: Callable[[Sequence[Task]], None]
    ) -> None:
        """Use a file of a size and a version.

        Args:
            address: of its folder.
            store: that reads it.
            stored: the file.
            at_once: calls all of some functions, several at a time.
        """
        self.stored, self.size = stored, stored.size
        self.name = f"{address}/{stored.name}"
        self._store, self._at_once = store, at_once
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
        with plainly():
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

        def task(start: int, stop: int) -> Task:
            return lambda: fetch(start, stop)

        self._at_once([task(*each) for each in wanted])

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
