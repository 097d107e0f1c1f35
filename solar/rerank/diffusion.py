"""Diffusion: rank by how well a hit is connected with the query's nearest, over many photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError, naming_extras
from solar.ranking import Ranking
from solar.rerank._graph import Floats, best_first, mutual, nearest
from solar.rerank.protocol import View

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_TOLERANCE = 1e-6
_ITERATIONS = 200  # With alpha 0.99 its condition is below 200: a few dozen are enough.


@dataclass(frozen=True)
class Diffusion:
    """Diffusion over the k-NN graph of the first hits.

    Iscen, Tolias, Avrithis, Furon, Chum, CVPR 2017, sections 3 and 4, truncated to the first N hits
    (section 4.4). With s(x, y) = max(x.y, 0)^gamma, the graph has the weight A_ij = s(x_i, x_j)
    where each of hits i and j is among the `neighbours` nearest of the other, and 0 elsewhere; d is
    the sum of its rows, S = d^-1/2 A d^-1/2. The seeds y are s(q, x_i) of the query's `seeds`
    nearest. The new order is that of f, by conjugate gradients:

        (I - alpha S) f = (1 - alpha) y

    Attributes:
        first: hits that make up the graph, N.
        neighbours: of each hit.
        seeds: nearest hits of the query.
        alpha: how far it spreads, 0 to below 1.
        gamma: the greater, the less the farther neighbours count.
    """

    first: int = 400
    neighbours: int = 5
    seeds: int = 3
    alpha: float = 0.5
    gamma: float = 3.0
    name: ClassVar[str] = "diffusion"
    needs_features: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if min(self.first, self.neighbours, self.seeds) < 1 or not 0 <= self.alpha < 1:
            raise UsageError(
                f"diffusion: {self.first} hits, {self.neighbours} neighbours, {self.seeds} seeds, "
                f"alpha {self.alpha:g}: use 1 up, and 0 to below 1"
            )

    @property
    def description(self) -> str:
        """See `Reranker.description`."""
        return (
            f"diffusion: {self.first} hits, {self.neighbours} reciprocal neighbours, "
            f"{self.seeds} seeds, alpha {self.alpha:g}, gamma {self.gamma:g}"
        )

    def __call__(self, ranking: Ranking, view: View) -> Ranking:
        """See `Reranker.__call__`.

        Raises:
            MissingPackage: SciPy is not installed.
        """
        ids = ranking.ids[: min(self.first, ranking.head)]
        if len(ids) < 2:
            return ranking
        rows = view.descriptors(ids)
        seeds = np.maximum(rows @ view.descriptor, 0) ** np.float32(self.gamma)
        seeds *= nearest(seeds[None], self.seeds)[0]
        return ranking.reordered(best_first(self._spread(self._graph(rows), seeds)))

    def _graph(self, rows: Floats) -> csr_array:
        """S of hits (N, D)."""
        with naming_extras():
            from scipy.sparse import csr_array
        one, other, weights = mutual(rows, self.neighbours, self.gamma)
        return csr_array((weights, (one, other)), (len(rows),) * 2)

    def _spread(self, graph: csr_array, seeds: Floats) -> NDArray[np.float64]:
        """F (N,) of a graph (N, N) and its seeds."""
        from scipy.sparse import eye_array
        from scipy.sparse.linalg import cg

        system = eye_array(len(seeds)) - self.alpha * graph
        right = (1 - self.alpha) * seeds.astype(np.float64)
        found, _ = cg(system, right, rtol=_TOLERANCE, maxiter=_ITERATIONS)
        return np.asarray(found)
