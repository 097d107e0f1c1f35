"""Query expansion: search again with the query's descriptor moved towards its first hits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError

Descriptors = NDArray[np.float32]

NEIGHBOURS = 10
"""Hits that a query moves towards."""


def expand(
    queries: Descriptors, database: Descriptors, neighbours: int = NEIGHBOURS, alpha: float = 3.0
) -> Descriptors:
    """Alpha query expansion (Radenović, Tolias, Chum, TPAMI 2019, section 3.4).

    The new query is the sum of the old one and of its nearest neighbours, each weighted by its
    similarity to the power alpha, normalised; neighbours of negative similarity count nothing.

    Args:
        queries: (Q, D) unit rows.
        database: (N, D) unit rows.
        neighbours: how many hits are taken in; at most N are.
        alpha: 0 weighs all hits alike.

    Returns:
        (Q, D) unit rows.

    Raises:
        UsageError: no neighbours, or a negative alpha.
    """
    if neighbours < 1 or alpha < 0:
        raise UsageError(
            f"query expansion: {neighbours} neighbours, alpha {alpha:g}: use 1 and 0 up"
        )
    scores = queries @ database.T
    count = min(neighbours, len(database))
    nearest = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    similar = np.take_along_axis(scores, nearest, axis=1)
    weights = np.where(similar > 0, np.abs(similar) ** alpha, 0)
    moved = queries + np.einsum("qk,qkd->qd", weights, database[nearest])
    unit: Descriptors = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
    return unit


def rank_expanded(queries: Descriptors, database: Descriptors) -> NDArray[np.int64]:
    """Rank the database for expanded queries: (Q, N) positions, best first, ties by position."""
    scores = expand(queries, database) @ database.T
    ranks: NDArray[np.int64] = np.argsort(-scores, axis=1, kind="stable")
    return ranks
