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


def best_first(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """Positions of scores (K,), falling; of equal ones, the first."""
    return np.argsort(-scores, kind="stable")
