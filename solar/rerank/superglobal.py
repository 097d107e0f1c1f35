"""SuperGlobal: the query and its first hits refined by one another, and compared again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from solar.errors import UsageError
from solar.ranking import Ranking
from solar.rerank._graph import Floats, best_first, nearest
from solar.rerank.protocol import View


@dataclass(frozen=True)
class SuperGlobal:
    """Re-ranking by refined global descriptors.

    Shao, Chen, Karpur, Cui, Araujo, Cao, ICCV 2023, section 3.3, as in their code. Each of the
    first M hits x is refined by its K nearest among these, and the query q is expanded by the
    K + 1 refined hits that it is most similar to:

        x' = (x + beta sum over y of (x.y) y) / (1 + beta sum over y of x.y)
        q' = the largest of the x' in each dimension
        score = (q.x' + q'.x') / 2

    Attributes:
        first: hits that are refined, M.
        neighbours: that refine each, K.
        beta: how much these count.
    """

    first: int = 400
    neighbours: int = 9
    beta: float = 0.15
    name: ClassVar[str] = "superglobal"
    needs_features: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.first < 1 or self.neighbours < 0 or self.beta < 0:
            raise UsageError(
                f"superglobal: {self.first} hits, {self.neighbours} neighbours, "
                f"beta {self.beta:g}: use 1, 0 and 0 up"
            )

    @property
    def description(self) -> str:
        """See `Reranker.description`."""
        return (
            f"superglobal: {self.first} hits, {self.neighbours} neighbours of each, "
            f"beta {self.beta:g}"
        )

    def __call__(self, ranking: Ranking, view: View) -> Ranking:
        """See `Reranker.__call__`."""
        ids = ranking.ids[: min(self.first, ranking.head)]
        if not len(ids):
            return ranking
        refined = self._refined(view.descriptors(ids))
        direct = refined @ view.descriptor
        expanded = refined[best_first(direct)[: self.neighbours + 1]].max(axis=0)
        return ranking.reordered(best_first((direct + refined @ expanded) / 2))

    def _refined(self, rows: Floats) -> Floats:
        """All x' of hits (M, D)."""
        similar = rows @ rows.T
        np.fill_diagonal(similar, -np.inf)
        near = nearest(similar, min(self.neighbours, len(rows) - 1))
        weights = self.beta * np.where(near, np.maximum(similar, 0), 0).astype(np.float32)
        refined: Floats = (rows + weights @ rows) / (1 + weights.sum(axis=1, keepdims=True))
        return refined
