"""Support: probable hits vouch for their neighbours, as far as the graph of hits connects them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from solar.calibration import probabilities
from solar.errors import UsageError
from solar.ranking import Evidence, Ranking
from solar.rerank._graph import Floats, best_first, mutual
from solar.rerank.probability import logits
from solar.rerank.protocol import View

_NOTHING = Evidence()


@dataclass(frozen=True)
class Support:
    """Hits in the order of their probability, once neighbours have vouched for one another.

    Diffusion (see `Diffusion`, whose S this is, over the first N hits) of what is known of hits,
    instead of the query's nearest: each hit starts with the square of its probability p, by score
    and inliers, so that doubtful ones lend little, and the support s it ends with is

        (I - alpha S) s = p^2

    What is so with probability p or by one of s events on average is so with 1 - (1 - p) e^-s; the
    calibration makes a probability of that, see `solar.calibration.Supported`. Without a
    calibration hits stay as they are.

    Attributes:
        first: hits that make up the graph, N.
        neighbours: of each hit, mutual.
        alpha: how far it spreads, 0 to below 1.
        gamma: the greater, the less the farther neighbours count.
    """

    first: int = 400
    neighbours: int = 10
    alpha: float = 0.8
    gamma: float = 3.0
    name: ClassVar[str] = "support"
    needs_features: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if min(self.first, self.neighbours) < 1 or not 0 <= self.alpha < 1:
            raise UsageError(
                f"support: {self.first} hits, {self.neighbours} neighbours, alpha {self.alpha:g}: "
                "use 1 up, and 0 to below 1"
            )

    @property
    def description(self) -> str:
        """See `Reranker.description`."""
        return (
            f"support: {self.first} hits, {self.neighbours} reciprocal neighbours, "
            f"alpha {self.alpha:g}, gamma {self.gamma:g}"
        )

    def __call__(self, ranking: Ranking, view: View) -> Ranking:
        """See `Reranker.__call__`."""
        first = ranking.top(self.first)
        own = logits(first, ranking.evidence, view)
        if own is None or view.calibration is None or not len(first):
            return ranking
        lent = self.lent(view.descriptors(first.ids), probabilities(own))
        evidence = {
            number: replace(ranking.evidence.get(number, _NOTHING), support=support)
            for number, support in zip(first.ids.tolist(), lent.tolist(), strict=True)
        }
        order = best_first(view.calibration.supported.logits(own, lent))
        return ranking.reordered(order, evidence)

    def lent(self, rows: Floats, known: NDArray[np.float64]) -> NDArray[np.float64]:
        """The support s (N,) of hits.

        Args:
            rows: (N, D) descriptors.
            known: (N,) their probabilities.
        """
        one, other, weights = mutual(rows, self.neighbours, self.gamma)
        system = np.eye(len(rows))
        system[one, other] -= self.alpha * weights
        found: NDArray[np.float64] = np.maximum(np.linalg.solve(system, known**2), 0)
        return found
