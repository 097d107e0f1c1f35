"""Exact nearest neighbours between two sets of descriptors, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

_MEMORY = 64 << 20  # bytes of one block of distances


@dataclass(frozen=True)
class Matches:
    """Pairs of rows that are each other's nearest.

    Attributes:
        first: (K,) rows of the first set, ascending.
        second: (K,) rows of the second set.
        distance: (K,) Euclidean distances.
    """

    first: IntArray
    second: IntArray
    distance: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.first)


def squared_distances(a: FloatArray, b: FloatArray) -> npt.NDArray[np.float64]:
    """(N, M) squared Euclidean distances of the rows of `a` (N, D) and `b` (M, D).

    Computed in double precision and rounded to 1e-12, so that equal rows of unit length are at
    distance 0 and ties stay ties, whatever the order of summation was.
    """
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    squared: npt.NDArray[np.float64] = a64 @ b64.T
    squared *= -2
    squared += (a64**2).sum(axis=1)[:, None]
    squared += (b64**2).sum(axis=1)
    np.round(squared, 12, out=squared)
    np.maximum(squared, 0, out=squared)
    return squared


def nearest(
    a: FloatArray, b: FloatArray, *, memory: int = _MEMORY
) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """For every row of `a` (N, D), its nearest row of `b` (M, D), the first of equals.

    Args:
        a: (N, D).
        b: (M, D), M at least 1.
        memory: bytes that one block of distances may take.

    Returns:
        (N,) rows of `b` and (N,) Euclidean distances.
    """
    index = np.empty(len(a), np.int64)
    distance = np.empty(len(a), np.float64)
    for rows, squared in _blocks(a, b, memory):
        index[rows] = squared.argmin(axis=1)
        distance[rows] = np.sqrt(squared[np.arange(len(squared)), index[rows]])
    return index, distance


def mutual_nearest(
    a: FloatArray, b: FloatArray, *, ratio: float | None = None, memory: int = _MEMORY
) -> Matches:
    """Mutual nearest neighbours of two sets of descriptors.

    Args:
        a: (N, D).
        b: (M, D).
        ratio: keep a match only if its distance is below `ratio` times the distance to the second
            nearest row of `b` (Lowe, IJCV 2004); None keeps all. Where `b` has one row only,
            there is no second, and the match stays.
        memory: bytes that one block of distances may take.

    Returns:
        The matches; empty if either set is.
    """
    if len(a) == 0 or len(b) == 0:
        return Matches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    forward = np.empty(len(a), np.int64)
    best, second = np.empty(len(a)), np.full(len(a), np.inf)
    backward, backward_best = np.zeros(len(b), np.int64), np.full(len(b), np.inf)
    for rows, squared in _blocks(a, b, memory):
        forward[rows] = squared.argmin(axis=1)
        column_best = squared.min(axis=0)
        better = column_best < backward_best
        backward[better] = squared.argmin(axis=0)[better] + rows.start
        backward_best[better] = column_best[better]
        best[rows] = squared[np.arange(len(squared)), forward[rows]]
        if ratio is not None and len(b) > 1:
            second[rows] = np.partition(squared, 1, axis=1)[:, 1]
    keep = backward[forward] == np.arange(len(a))
    if ratio is not None:
        keep &= np.sqrt(best) < ratio * np.sqrt(second)
    return Matches(np.flatnonzero(keep), forward[keep], np.sqrt(best[keep]))


def _blocks(
    a: FloatArray, b: FloatArray, memory: int
) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """Blocks of rows of `a` with their squared distances to all of `b`."""
    step = max(1, memory // (8 * max(1, len(b))))
    for start in range(0, len(a), step):
        rows = slice(start, min(start + step, len(a)))
        yield rows, squared_distances(a[rows], b)
