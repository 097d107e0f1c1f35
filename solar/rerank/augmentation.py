"""Database-side augmentation: descriptors moved towards their neighbours, once, before searches."""

from __future__ import annotations

import numpy as np

from solar.errors import UsageError
from solar.typing import Descriptors
from solar.unit import of_unit_length

_BYTES = 1 << 26  # Of similarities at once.


def augmented(descriptors: Descriptors, neighbours: int = 2, alpha: float = 1.0) -> Descriptors:
    """Move each descriptor towards its nearest.

    Arandjelović, Zisserman, CVPR 2012, section 4, on descriptors and with the weights of Gordo,
    Almazán, Revaud, Larlus, IJCV 2017, section 5.2, alpha-weighted as in query expansion. With the
    K nearest y of x, itself left out:

        x' = x + sum over y of max(x.y, 0)^alpha y,    divided by its length

    All pairs are compared, so time grows with the square of N.

    Args:
        descriptors: (N, D), unit rows; they stay as they are.
        neighbours: K; as many as there are where there are fewer.
        alpha: the greater, the less the farther ones count; 0 weighs all alike.

    Returns:
        (N, D) float32, unit rows.

    Raises:
        UsageError: K or alpha is negative.
    """
    if neighbours < 0 or alpha < 0:
        raise UsageError(f"augmentation: {neighbours} neighbours, alpha {alpha:g}: use 0 and up")
    rows: Descriptors = np.array(descriptors, np.float32)
    count = min(neighbours, len(rows) - 1)
    if count < 1:
        return rows
    moved = np.empty_like(rows)
    step = max(1, _BYTES // (4 * len(rows)))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        similar = block @ rows.T
        itself = np.arange(len(block))
        similar[itself, start + itself] = -np.inf
        near = np.argpartition(-similar, count - 1, axis=1)[:, :count]
        weights = np.maximum(np.take_along_axis(similar, near, axis=1), 0)
        weights = np.where(weights > 0, weights**alpha, 0).astype(np.float32)
        moved[start : start + step] = block + np.einsum("nk,nkd->nd", weights, rows[near])
    return of_unit_length(moved)
