"""k-reciprocal re-ranking: hits whose neighbours are the query's neighbours come first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError
from solar.ranking import Ranking
from solar.rerank._graph import Floats, best_first, nearest
from solar.rerank.protocol import View

Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class KReciprocal:
    """k-reciprocal encoding among the query and its first hits.

    Zhong, Zheng, Cao, Li, CVPR 2017, sections 3.2 to 3.5. Of the query and the first hits, N in
    all, d_ij = |x_i - x_j|^2 divided by the largest of row i. With T_k(i) the k + 1 nearest of i,
    itself among them:

        R_k(i) = those j of T_k(i) that have i in T_k(j)
        R*(i) = R_k1(i), and R_k1/2(j) of each j in it that shares more than 2/3 of R_k1/2(j)
        V_ij = exp(-d_ij) for j in R*(i), else 0; each row divided by its sum,
               then averaged over the k2 nearest of i
        jaccard(q, i) = 1 - sum of min(V_q, V_i) / sum of max(V_q, V_i)

    The new order is that of (1 - lambda) jaccard(q, i) + lambda d_qi, rising.

    Attributes:
        first: hits that are looked at.
        k1: neighbours that must be mutual.
        k2: neighbours over which encodings are averaged, itself among them.
        weight: lambda, of the distance of the descriptors, 0 to 1.
    """

    first: int = 400
    k1: int = 10
    k2: int = 3
    weight: float = 0.7
    name: ClassVar[str] = "k-reciprocal"
    needs_features: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if min(self.first, self.k1, self.k2) < 1 or not 0 <= self.weight <= 1:
            raise UsageError(
                f"k-reciprocal: {self.first} hits, k1 {self.k1}, k2 {self.k2}, weight "
                f"{self.weight:g}: use 1 up, and 0 to 1"
            )

    @property
    def description(self) -> str:
        """See `Reranker.description`."""
        return (
            f"k-reciprocal: {self.first} hits, k1 {self.k1}, k2 {self.k2}, lambda {self.weight:g}"
        )

    def __call__(self, ranking: Ranking, view: View) -> Ranking:
        """See `Reranker.__call__`."""
        ids = ranking.ids[: min(self.first, ranking.head)]
        if len(ids) < 2:
            return ranking
        rows = np.concatenate([view.descriptor[None], view.descriptors(ids)])
        distances = 2 - 2 * (rows @ rows.T)
        np.fill_diagonal(distances, -1)  # Each is its own nearest, before its copies.
        order = -distances
        distances = np.maximum(distances, 0)
        distances /= np.maximum(distances.max(axis=1, keepdims=True), 1e-12)
        encoded = self._encoded(order, distances)
        shared = np.minimum(encoded[0], encoded[1:]).sum(axis=1)
        jaccard = 1 - shared / (2 - shared)  # Rows sum to 1.
        return ranking.reordered(
            best_first(-((1 - self.weight) * jaccard + self.weight * distances[0, 1:]))
        )

    def _encoded(self, order: Floats, distances: Floats) -> Floats:
        """V (N, N) by similarities that order neighbours, and by distances."""
        wide = _reciprocal(nearest(order, self.k1 + 1))
        narrow = _reciprocal(nearest(order, round(self.k1 / 2) + 1)).astype(np.float32)
        common = wide.astype(np.float32) @ narrow.T
        joining = wide & (3 * common > 2 * narrow.sum(axis=1))
        sets = wide | (joining.astype(np.float32) @ narrow > 0)
        weights = np.where(sets, np.exp(-distances), 0).astype(np.float32)
        weights /= weights.sum(axis=1, keepdims=True)
        near = nearest(order, self.k2).astype(np.float32)
        averaged: Floats = near @ weights / near.sum(axis=1, keepdims=True)
        return averaged


def _reciprocal(near: Marks) -> Marks:
    mutual: Marks = near & near.T
    return mutual
