"""Kind `sq8`: a byte for each number, a sixth of the bytes of `exact`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from solar.index.vectors._bytes import Bytes
from solar.index.vectors._embedded import Embedded
from solar.index.vectors._ranking import margin, ranked
from solar.index.vectors._rows import RowsWriter, map_rows

_OFF = 2.0**-22  # Of a product with numbers, times a factor, where a score is of their product.


class Sq8(Embedded):
    """Rows in two files, numbers and their inverse lengths; see `Kind`."""

    says = "a byte a number: scores and order are those of rounded descriptors"
    recall: Mapping[int, float] = MappingProxyType({1_000_000: 0.997})

    def open(self, folder: Path, number: int, dimensions: int, rows: int) -> Sq8Vectors:
        """See `Kind.open`."""
        numbers, factors = self.files(folder, number)
        return Sq8Vectors(
            Bytes(
                map_rows(numbers, rows, dimensions, "<i1"),
                map_rows(factors, rows, 1, "<f4").reshape(rows),
            )
        )

    def write(self, folder: Path, number: int, dimensions: int) -> RowsWriter:
        """See `Kind.write`."""
        return RowsWriter(self.files(folder, number), _forms)

    def files(self, folder: Path, number: int) -> list[Path]:
        """See `Kind.files`."""
        return [folder / f"{name}-{number:06d}.bin" for name in ("sq8", "lengths")]

    def row_bytes(self, dimensions: int) -> int:
        """See `Kind.row_bytes`."""
        return dimensions + 4

    def kept(self, descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Kind.kept`."""
        return Bytes.of(descriptors).descriptors()


def _forms(descriptors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    rows = Bytes.of(descriptors)
    return rows.numbers, rows.factors


class Sq8Vectors:
    """The rows of a commit; see `Vectors`."""

    def __init__(self, rows: Bytes) -> None:
        """Use rows (N, D), perhaps memory-mapped."""
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Vectors.read`."""
        return self._rows[rows].descriptors()

    def damaged(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See `Vectors.damaged`."""
        return np.zeros(len(rows), np.bool_)

    def lengths(self, start: int) -> NDArray[np.float32]:
        """See `Vectors.lengths`."""
        return self._rows[slice(start, None)].lengths()

    def search(
        self, queries: NDArray[np.float32], owners: NDArray[np.int64], top: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `Vectors.search`."""
        return ranked(queries, self._rows, owners, top, margin(queries, _OFF), self.read)
