"""The HDF5 files of ann-benchmarks: rows, queries, and the true nearest of each (extra `h5`).

`train` (N, D) is what is searched, `test` (Q, D) are the queries, `neighbors` (Q, K) rows of
`train`, nearest first, and `distances` (Q, K) the angular ones, 1 less the cosine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError, UsageError
from solar.files import printable
from solar.files.hdf5 import array, read_hdf5, write_hdf5
from solar.typing import AnyPath, Descriptors
from solar.unit import of_unit_length

TOP = 100
_BLOCK = 1 << 24  # Scores that are in memory at once.


@dataclass(frozen=True, eq=False)
class AnnBenchmark:
    """What such a file holds.

    Attributes:
        train: (N, D) float32, unit rows.
        test: (Q, D) float32, unit rows.
        neighbors: (Q, K) int64, rows of `train`, nearest first.
        distances: (Q, K) float32, of these.
    """

    train: Descriptors
    test: Descriptors
    neighbors: NDArray[np.int64]
    distances: NDArray[np.float32]

    @classmethod
    def of(cls, train: Descriptors, test: Descriptors, top: int = TOP) -> AnnBenchmark:
        """Find the nearest of each query by comparing all; of equal ones the first row.

        Raises:
            UsageError: `top` is not positive, there are fewer rows, or the shapes do not fit.
        """
        if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1]:
            raise UsageError(f"rows {train.shape} and queries {test.shape} are (N, D) and (Q, D)")
        if not 1 <= top <= len(train):
            raise UsageError(f"top {top}: use 1 to {len(train)}, as many rows as there are")
        neighbors = np.empty((len(test), top), np.int64)
        distances = np.empty((len(test), top), np.float32)
        step = max(1, _BLOCK // len(train))
        for start in range(0, len(test), step):
            part = slice(start, min(start + step, len(test)))
            scores = test[part].astype(np.float64) @ train.T.astype(np.float64)
            neighbors[part] = np.argsort(-scores, axis=1, kind="stable")[:, :top]
            best = np.take_along_axis(scores, neighbors[part], axis=1)
            distances[part] = np.maximum(1 - best, 0)
        return cls(train, test, neighbors, distances)

    @classmethod
    def load(cls, path: AnyPath) -> AnnBenchmark:
        """Read a file of angular distances; rows are made unit length.

        Raises:
            UsageError: no such file.
            SolarError: it is another, or of another distance.
            MissingPackage: h5py is not installed.
        """
        with read_hdf5(str(path)) as file:
            distance = file.attrs.get("distance", "angular")
            train, test = (array(file, name, "f", 2) for name in ("train", "test"))
            neighbors = array(file, "neighbors", "iu", 2).astype(np.int64)
            distances = array(file, "distances", "f", 2).astype(np.float32)
        if distance != "angular":
            raise SolarError(f"{printable(path)}: of distance {distance}, not angular")
        fits = train.shape[1] == test.shape[1] and len(test) == len(neighbors) == len(distances)
        inside = neighbors.size == 0 or (neighbors.min() >= 0 and neighbors.max() < len(train))
        if not (fits and inside):
            raise SolarError(f"{printable(path)}: its arrays do not belong together")
        return cls(_unit(train), _unit(test), neighbors, distances)

    def save(self, path: AnyPath) -> None:
        """Write a file, atomically.

        Raises:
            SolarError: it cannot be written.
            MissingPackage: h5py is not installed.
        """
        with write_hdf5(str(path)) as file:
            file["train"], file["test"] = self.train, self.test
            file["neighbors"] = self.neighbors.astype(np.int32)
            file["distances"] = self.distances
            file.attrs.update(
                {
                    "type": "dense",
                    "distance": "angular",
                    "dimension": self.train.shape[1],
                    "point_type": "float",
                }
            )


def _unit(rows: NDArray[np.floating]) -> Descriptors:
    return of_unit_length(rows.astype(np.float64)).astype(np.float32)
