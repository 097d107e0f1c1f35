"""Kind `float16`: float16 rows and nothing else, a third of the bytes of `exact`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from solar.index.vectors._embedded import Embedded
from solar.index.vectors._ranking import margin, ranked
from solar.index.vectors._rows import (
    UNSCALED,
    Halves,
    RowsWriter,
    Unpacked,
    descriptors_of,
    halves_of,
    map_rows,
)

_BLOCK = 1 << 18  # Numbers whose squares are summed at a time.


class Float16(Embedded):
    """Rows in one file; see `Kind`. Scores and order are those of the rounded descriptors."""

    says = "float16 rows only: scores and order are those of descriptors rounded to float16"
    recall: Mapping[int, float] = MappingProxyType({1_000_000: 0.999})

    def open(self, folder: Path, number: int, dimensions: int, rows: int) -> Float16Vectors:
        """See `Kind.open`."""
        (file,) = self.files(folder, number)
        return Float16Vectors(map_rows(file, rows, dimensions, "<f2"))

    def write(self, folder: Path, number: int, dimensions: int) -> RowsWriter:
        """See `Kind.write`."""
        return RowsWriter(self.files(folder, number), lambda rows: (halves_of(rows),))

    def files(self, folder: Path, number: int) -> list[Path]:
        """See `Kind.files`."""
        return [folder / f"float16-{number:06d}.bin"]

    def row_bytes(self, dimensions: int) -> int:
        """See `Kind.row_bytes`."""
        return 2 * dimensions

    def kept(self, descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Kind.kept`."""
        return descriptors_of(halves_of(descriptors))


class Float16Vectors:
    """The rows of a commit; see `Vectors`."""

    def __init__(self, halves: Halves) -> None:
        """Use rows (N, D), perhaps memory-mapped."""
        self._halves = halves

    def __len__(self) -> int:
        return len(self._halves)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Vectors.read`."""
        return descriptors_of(self._halves[rows])

    def damaged(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See `Vectors.damaged`."""
        return np.zeros(len(rows), np.bool_)

    def lengths(self, start: int) -> NDArray[np.float32]:
        """See `Vectors.lengths`."""
        return lengths_of_halves(self._halves[start:])

    def search(
        self, queries: NDArray[np.float32], owners: NDArray[np.int64], top: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `Vectors.search`."""
        errors = margin(queries)
        return ranked(queries, self._halves, owners, top, errors, self.read)


def lengths_of_halves(halves: Halves) -> NDArray[np.float32]:
    """The Euclidean lengths (N,) of float16 rows (N, D)."""
    found = np.empty(len(halves), np.float32)
    step = max(1, _BLOCK // halves.shape[1])
    unpacked = Unpacked(halves, step)
    for start in range(0, len(halves), step):
        stop = min(start + step, len(halves))
        rows = unpacked(start, stop)
        rows *= UNSCALED
        found[start:stop] = np.einsum("nd,nd->n", rows, rows)
    return np.sqrt(found, out=found)
