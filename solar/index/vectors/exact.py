"""Exact search: every row is compared, by FAISS, block by block from a memory-mapped matrix."""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.index._datafile import DataFile, map_file

_BLOCK_BYTES = 64 << 20  # Of descriptors, searched at a time: the memory that a search needs.
_ROWS_AT_ONCE = 4096  # Of candidates, ranked in double precision.
_TIE = 1e-5  # FAISS sums in single precision; scores that close may come in any order.


class Exact:
    """A matrix of float32 in one file; see `Kind`."""

    def open(self, folder: Path, number: int, dimensions: int, rows: int) -> ExactVectors:
        """See `Kind.open`."""
        (file,) = self.files(folder, number)
        matrix = np.frombuffer(map_file(file, 4 * dimensions * rows), "<f4")
        return ExactVectors(matrix.reshape(rows, dimensions))

    def write(self, folder: Path, number: int, dimensions: int) -> ExactWriter:
        """See `Kind.write`."""
        (file,) = self.files(folder, number)
        return ExactWriter(file, dimensions)

    def files(self, folder: Path, number: int) -> list[Path]:
        """See `Kind.files`."""
        return [folder / f"descriptors-{number:06d}.bin"]


class ExactWriter:
    """Appends rows to the matrix; see `VectorsWriter`."""

    def __init__(self, file: Path, dimensions: int) -> None:
        """Open the file of a matrix with rows of D dimensions."""
        self._file = DataFile(file)
        self._row_bytes = 4 * dimensions
        self.sync, self.prove, self.close = self._file.sync, self._file.prove, self._file.close

    def write(self, start: int, descriptors: NDArray[np.float32]) -> None:
        """See `VectorsWriter.write`."""
        rows = np.ascontiguousarray(descriptors, "<f4")
        self._file.write(start * self._row_bytes, rows.tobytes())


class ExactVectors:
    """The rows of a commit; see `Vectors`.

    FAISS chooses candidates, double precision ranks them: single precision alone would order
    duplicates by chance, and the same search would differ between two machines.
    """

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        """Use the rows (N, D) of a matrix, perhaps memory-mapped."""
        self._matrix = matrix

    def __len__(self) -> int:
        return len(self._matrix)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Vectors.read`."""
        return np.asarray(self._matrix[rows])

    def lengths(self, start: int) -> NDArray[np.float32]:
        """See `Vectors.lengths`."""
        found = np.empty(len(self) - start, np.float32)
        for first, stop in _blocks(self._matrix[start:]):
            found[first:stop] = lengths_of(self._matrix[start + first : start + stop])
        return found

    def search(
        self, queries: NDArray[np.float32], owners: NDArray[np.int64], top: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `Vectors.search`."""
        count = int(np.count_nonzero(owners >= 0))
        top = min(top, count)
        scores = np.empty((len(queries), top), np.float32)
        found = np.empty((len(queries), top), np.int64)
        if scores.size == 0:
            return scores, found
        reach = min(top + top // 8 + 16, count)
        rough, rows = _candidates(queries, self._matrix, owners, reach)
        for place, query in enumerate(queries):
            candidates = rows[place]
            least = rough[place, top - 1] - _TIE * max(1.0, float(np.linalg.norm(query)))
            if reach < count and rough[place, -1] >= least:  # The tie may go on beyond.
                candidates = _at_least(least, query, self._matrix, owners)
            exact = _scores(query, self._matrix, candidates)
            order = np.lexsort((owners[candidates], -exact))[:top]
            scores[place], found[place] = exact[order], owners[candidates[order]]
        return scores, found


def lengths_of(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The Euclidean lengths (N,) of rows (N, D), not finite where a number is not, or is huge."""
    with np.errstate(over="ignore", invalid="ignore"):
        found: NDArray[np.float32] = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    return found


def _candidates(
    queries: NDArray[np.float32],
    descriptors: NDArray[np.float32],
    owners: NDArray[np.int64],
    reach: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rough scores (Q, reach), descending, and the rows (Q, reach) of the best descriptors."""
    faiss = _faiss()
    best = faiss.ResultHeap(len(queries), reach, keep_max=True)
    for start, stop in _blocks(descriptors):
        rows = start + np.flatnonzero(owners[start:stop] >= 0)
        if len(rows) == 0:
            continue
        whole = len(rows) == stop - start
        block = descriptors[start:stop] if whole else descriptors[rows]
        scores, places = faiss.knn(
            queries, block, min(reach, len(rows)), faiss.METRIC_INNER_PRODUCT
        )
        best.add_result(scores, rows[places])
    best.finalize()
    return best.D, best.I


@cache
def _faiss() -> Any:
    """FAISS, loaded with the first search; a forked process must not wait for threads it lacks."""
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)
    import faiss

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: faiss.omp_set_num_threads(1))
    return faiss


def _at_least(
    least: float,
    query: NDArray[np.float32],
    descriptors: NDArray[np.float32],
    owners: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Rows of all descriptors whose score is not below the least."""
    found = []
    for start, stop in _blocks(descriptors):
        scores = descriptors[start:stop] @ query
        found.append(start + np.flatnonzero((scores >= least) & (owners[start:stop] >= 0)))
    return np.concatenate(found)


def _scores(
    query: NDArray[np.float32], descriptors: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Inner products (K,) summed in double precision, equal for equal rows."""
    scores = np.empty(len(rows), np.float32)
    precise = query.astype(np.float64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        scores[part] = (descriptors[rows[part]] * precise).sum(axis=1)
    return scores


def _blocks(descriptors: NDArray[np.float32]) -> list[tuple[int, int]]:
    count, dimensions = descriptors.shape
    step = max(1, _BLOCK_BYTES // (4 * dimensions))
    return [(start, min(start + step, count)) for start in range(0, count, step)]
