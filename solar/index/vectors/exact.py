"""Kind `exact`: float32 rows, and a float16 copy of them from which candidates are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from solar.index.vectors._embedded import Embedded
from solar.index.vectors._ranking import ROUNDED, margin, ranked
from solar.index.vectors._rows import Halves, RowsWriter, halves_of, let_go, map_rows
from solar.index.vectors.float16 import lengths_of_halves


class Exact(Embedded):
    """Rows in two files; see `Kind`."""

    says = "float32 rows, and a float16 copy that is searched first"
    recall: Mapping[int, float] = MappingProxyType({})

    def open(self, folder: Path, number: int, dimensions: int, rows: int) -> ExactVectors:
        """See `Kind.open`."""
        whole, copy = self.files(folder, number)
        return ExactVectors(
            map_rows(whole, rows, dimensions, "<f4"), map_rows(copy, rows, dimensions, "<f2")
        )

    def write(self, folder: Path, number: int, dimensions: int) -> RowsWriter:
        """See `Kind.write`."""
        return RowsWriter(self.files(folder, number), _forms)

    def files(self, folder: Path, number: int) -> list[Path]:
        """See `Kind.files`."""
        return [folder / f"{name}-{number:06d}.bin" for name in ("descriptors", "float16")]

    def row_bytes(self, dimensions: int) -> int:
        """See `Kind.row_bytes`."""
        return 6 * dimensions

    def kept(self, descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Kind.kept`."""
        return descriptors


def _forms(descriptors: NDArray[np.float32]) -> tuple[NDArray[np.float32], Halves]:
    return descriptors.astype("<f4", copy=False), halves_of(descriptors)


class ExactVectors:
    """The rows of a commit; see `Vectors`.

    Candidates are chosen from the float16 rows, and ranked in double precision by the float32 ones:
    single precision alone would order duplicates by chance, and the same search would differ
    between two machines.
    """

    def __init__(self, matrix: NDArray[np.float32], halves: Halves) -> None:
        """Use rows (N, D), perhaps memory-mapped, and their float16 copy."""
        self._matrix, self._halves = matrix, halves

    def __len__(self) -> int:
        return len(self._matrix)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Vectors.read`."""
        found = np.asarray(self._matrix[rows])
        let_go(self._matrix)
        return found

    def damaged(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See `Vectors.damaged`."""
        copies = halves_of(self.read(rows)).view(np.uint16)
        return np.asarray((self._halves[rows].view(np.uint16) != copies).any(axis=1))

    def lengths(self, start: int) -> NDArray[np.float32]:
        """See `Vectors.lengths`."""
        return lengths_of_halves(self._halves[start:])

    def search(
        self, queries: NDArray[np.float32], owners: NDArray[np.int64], top: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `Vectors.search`."""
        errors = margin(queries, ROUNDED)
        return ranked(queries, self._halves, owners, top, errors, self.read)
