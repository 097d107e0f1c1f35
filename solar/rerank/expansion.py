"""Query expansion: search again with the query's descriptor moved towards hits that are right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from solar.errors import UsageError
from solar.ranking import Evidence, Ranking
from solar.rerank.geometric import trusted
from solar.rerank.probability import judged
from solar.rerank.protocol import View
from solar.typing import Descriptor, Descriptors, Ids
from solar.unit import of_unit_length


@dataclass(frozen=True)
class Expansion:
    """Query expansion by hits that probability or, without a calibration, geometry vouches for.

    Average: Chum, Philbin, Sivic, Isard, Zisserman, ICCV 2007, section 3, where only verified hits
    join, too. Alpha-weighted: Radenović, Tolias, Chum, TPAMI 2019, section 3.4. With a query q and
    the hits x that join, the search is done again with

        q' = q + sum over x of max(q.x, 0)^alpha x,    divided by its length.

    Attributes:
        first: hits of which those join that are vouched for.
        alpha: the greater, the less the farther ones count; 0 is average query expansion.
        verified: let only hits join that are vouched for, see `trusted`; else all of the first.
    """

    first: int = 10
    alpha: float = 3.0
    verified: bool = True
    name: ClassVar[str] = "expansion"
    needs_features: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.first < 1 or self.alpha < 0:
            raise UsageError(f"expansion: {self.first} hits, alpha {self.alpha:g}: use 1 and 0 up")

    @property
    def description(self) -> str:
        """See `Reranker.description`."""
        which = "those vouched for of the first" if self.verified else "the first"
        return f"expansion: query expansion, {which} {self.first} hits, alpha {self.alpha:g}"

    def __call__(self, ranking: Ranking, view: View) -> Ranking:
        """See `Reranker.__call__`; also finds photos that the query alone did not.

        Where no hit is vouched for, nothing changes.
        """
        joining = self._joining(ranking, view)
        if not len(joining):
            return ranking
        nearest = view.descriptors(joining)
        found = view.search(moved(view.descriptor, nearest, self.alpha), ranking.head)
        evidence = {
            number: ranking.evidence[number]
            for number in found.ids.tolist()
            if number in ranking.evidence
        }
        scores = view.descriptors(found.ids) @ view.descriptor
        return replace(found, scores=scores, evidence=evidence)

    def _joining(self, ranking: Ranking, view: View) -> Ids:
        first = ranking.top(self.first)
        if self.verified:
            known = judged(first, view).evidence
            return first.ids[[trusted(known.get(n, Evidence())) for n in first.ids.tolist()]]
        return first.ids


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
    total = (query + weights @ neighbours).astype(np.float32)
    unit: Descriptor = of_unit_length(total[None])[0]
    return unit
