"""Clusters of rows, by k-means."""

from __future__ import annotations

import logging

import numpy as np

from solar.errors import UsageError
from solar.typing import Descriptors


def k_means(rows: Descriptors, clusters: int, *, seed: int = 0, rounds: int = 20) -> Descriptors:
    """Centres of clusters, by FAISS: as near as so many rounds bring them, the same every time.

    Args:
        rows: (N, D) float32; more than 256 for each cluster are drawn from.
        clusters: how many.
        seed: of the first centres, and of what is drawn.
        rounds: in which each row joins its nearest centre, and each centre moves to its rows' mean.

    Returns:
        (clusters, D) float32.

    Raises:
        UsageError: fewer rows than clusters, or rows that are not finite.
    """
    if rows.ndim != 2 or not 1 <= clusters <= len(rows):
        raise UsageError(f"{clusters} clusters of rows {rows.shape}: give more rows than clusters")
    if not np.isfinite(rows).all():
        raise UsageError("clusters of rows that are not finite")
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)
    import faiss

    found = faiss.Kmeans(
        rows.shape[1], clusters, niter=rounds, seed=seed, min_points_per_centroid=1
    )
    found.train(np.ascontiguousarray(rows, np.float32))
    return np.asarray(found.centroids, np.float32).reshape(clusters, rows.shape[1])
