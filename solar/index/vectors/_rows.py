"""Rows of descriptors in files that only grow; those of float16."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.index._datafile import DataFile, map_file

SCALE = np.float32(2.0**15)
"""Descriptors are kept as float16 this many times as large: else components below 2^-14 would be
subnormal, with fewer digits, and some processors' settings take these for zero."""

_DOWN = 112  # float16 bits, moved to where a float32 has them, say 2^-112 times their number.
_WITHOUT_EXPONENT = np.int32(np.uint32(0x8FFFE000).view(np.int32))

UNSCALED = np.float32(2.0 ** (_DOWN - 15))
"""What unpacked rows must be multiplied by, or the queries that they are multiplied with."""

Halves = NDArray[np.float16]
"""(N, D): 2^15 times descriptors, rounded to float16, as they lie on disk."""


def map_rows(file: Path, rows: int, dimensions: int, kind: str) -> NDArray[Any]:
    """The first rows (N, D) of a file, memory-mapped.

    Raises:
        FileNotFoundError: it is not there.
        IndexDamaged: it holds fewer.
    """
    size = rows * dimensions * np.dtype(kind).itemsize
    return np.frombuffer(map_file(file, size), kind).reshape(rows, dimensions)


Forms = Callable[[NDArray[np.float32]], Sequence[NDArray[Any]]]
"""Makes of descriptors (N, D) what each file keeps of them, N rows of one size."""


class RowsWriter:
    """Appends rows to one file or several, in a form for each; see `VectorsWriter`."""

    def __init__(self, files: Iterable[Path], forms: Forms) -> None:
        """Open files, and make rows for each."""
        self._forms = forms
        self._files: list[DataFile] = []
        with contextlib.ExitStack() as opened:
            for file in files:
                self._files.append(DataFile(file))
                opened.callback(self._files[-1].close)
            self._opened = opened.pop_all()

    def write(self, start: int, descriptors: NDArray[np.float32]) -> None:
        """See `VectorsWriter.write`."""
        for file, rows in zip(self._files, self._forms(descriptors), strict=True):
            row_bytes = rows.itemsize * int(np.prod(rows.shape[1:]))
            file.write(start * row_bytes, np.ascontiguousarray(rows).tobytes())

    def sync(self) -> None:
        """See `VectorsWriter.sync`."""
        for file in self._files:
            file.sync()

    def prove(self) -> None:
        """See `VectorsWriter.prove`."""
        for file in self._files:
            file.prove()

    def close(self) -> None:
        """See `VectorsWriter.close`."""
        self._opened.close()


def halves_of(descriptors: NDArray[np.float32]) -> Halves:
    """Descriptors (N, D) in the form in which they are kept as float16."""
    with np.errstate(over="ignore", invalid="ignore"):  # What is no descriptor becomes infinite.
        halves: Halves = (descriptors * SCALE).astype("<f2")
    return halves


def descriptors_of(halves: Halves) -> NDArray[np.float32]:
    """The descriptors (N, D) that float16 rows stand for, exactly."""
    rows: NDArray[np.float32] = halves.astype(np.float32) / SCALE
    return rows


def lengths_of(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The Euclidean lengths (N,) of rows (N, D), not finite where a number is not, or is huge."""
    with np.errstate(over="ignore", invalid="ignore"):
        found: NDArray[np.float32] = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    return found


class Unpacked:
    """Float16 rows as float32, a block at a time in the same memory.

    NumPy converts one number after the other, this a vector of them: 2.5 x 10^9 a second and core
    against 0.4. Bits are moved to where float32 has them; as its exponents count from another
    number, rows come 2^-97 times as large: see `UNSCALED`.
    """

    def __init__(self, halves: Halves, step: int) -> None:
        """Prepare for blocks of some rows."""
        self._bits = halves.view("<i2")
        self._block = np.empty((step, halves.shape[1]), np.int32)

    def __call__(self, start: int, stop: int) -> NDArray[np.float32]:
        """Rows from one to another, (K, D), until the next call."""
        block = self._block[: stop - start]
        np.copyto(block, self._bits[start:stop])
        np.left_shift(block, 13, out=block)
        np.bitwise_and(block, _WITHOUT_EXPONENT, out=block)
        return block.view(np.float32)


def let_go(rows: NDArray[np.floating]) -> None:
    """Say that mapped rows are not needed for now: they no longer count as this process's memory.

    A page that is read brings its neighbours along, so that some thousand rows, read here and
    there, would be most of a file.
    """
    held: Any = rows
    while isinstance(held, np.ndarray | memoryview):
        held = held.base if isinstance(held, np.ndarray) else held.obj
    if isinstance(held, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        held.madvise(mmap.MADV_DONTNEED)
