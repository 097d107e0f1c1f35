"""Query expansion: search again with the query's descriptor moved towards its first hits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from solar.errors import UsageError
from solar.ranking import Ranking
from solar.rerank.protocol import View
from solar.typing import Descriptor, Descriptors


@dataclass(frozen=True)
class Expansion:
    """Alpha query expansion (Radenović, Tolias, Chum, TPAMI 2019, section 3.4).

    Attributes:
        first: hits that the query moves towards.
        alpha: the greater, the less the farther ones count; 0 weighs all alike.
    """

    first: int = 10
    alpha: float = 3.0
    name: ClassVar[str] = "expansion"
    needs_features: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.first < 1 or self.alpha < 0:
            raise UsageError(f"expansion: {self.first} hits, alpha {self.alpha:g}: use 1 and 0 up")

    @property
    def description(self) -> str:
        """See `Reranker.description`."""
        return f"expansion: alpha query expansion, {self.first} hits, alpha {self.alpha:g}"

    def __call__(self, ranking: Ranking, view: View) -> Ranking:
        """See `Reranker.__call__`; also finds photos that the query alone did not."""
        if not len(ranking):
            return ranking
        nearest = view.descriptors(ranking.ids[: min(self.first, ranking.head)])
        found = view.search(moved(view.descriptor, nearest, self.alpha), ranking.head)
        evidence = {
            number: ranking.evidence[number]
            for number in found.ids.tolist()
            if number in ranking.evidence
        }
        scores = view.descriptors(found.ids) @ view.descriptor
        return replace(found, scores=scores, evidence=evidence)


def moved(query: Descriptor, neighbours: Descriptors, alpha: float) -> Descriptor:
    """The sum of a query and its neighbours, weighted by their similarity to the power alpha.

    Neighbours of negative similarity count nothing.

    Args:
        query: (D,) unit length.
        neighbours: (K, D) unit rows.
        alpha: 0 or more.

    Returns:
        (D,) unit length.
    """
    similar = neighbours @ query
    weights = np.where(similar > 0, np.abs(similar) ** alpha, 0)
    total = query + weights @ neighbours
    unit: Descriptor = (total / np.linalg.norm(total)).astype(np.float32)
    return unit
