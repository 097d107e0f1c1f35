"""Neighbours among the first hits of one query, from their descriptors alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def nearest(similar: Floats, count: int) -> NDArray[np.bool_]:
    """Which columns are the largest of each row.

    Args:
        similar: (N, M) similarities.
        count: how many to mark in each row, at most M; of equal ones, the first.

    Returns:
        (N, M), `count` true in each row.
    """
    count = min(count, similar.shape[1])
    chosen = np.zeros(similar.shape, np.bool_)
    if count:
        columns = np.argsort(-similar, axis=1, kind="stable")[:, :count]
        np.put_along_axis(chosen, columns, True, axis=1)
    return chosen


def mutual(
    rows: Floats, neighbours: int, gamma: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The graph of mutual neighbours, normalised: S = d^-1/2 A d^-1/2.

    A_ij = max(x_i.x_j, 0)^gamma where each of i and j is among the `neighbours` nearest of the
    other, and 0 elsewhere; d is the sum of its rows.

    Args:
        rows: (N, D) descriptors.
        neighbours: of each.
        gamma: the greater, the less the farther neighbours count.

    Returns:
        Row, column and value of each number of S that is not 0, (E,).
    """
    similar = rows @ rows.T
    np.fill_diagonal(similar, -np.inf)
    near = nearest(similar, neighbours)
    one, other = np.nonzero(near & near.T)
    weights = np.maximum(similar[one, other], 0).astype(np.float64) ** gamma
    sums = np.bincount(one, weights, len(rows))
    scale = np.divide(1, np.sqrt(sums), out=np.zeros(len(rows)), where=sums > 0)
    return one, other, weights * scale[one] * scale[other]


def best_first(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """Positions of scores (K,), falling; of equal ones, the first."""
    return np.argsort(-scores, kind="stable")
