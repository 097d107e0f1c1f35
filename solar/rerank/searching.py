"""Searching an index with re-ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from solar.errors import UsageError
from solar.features.features import Features
from solar.index import Hit, Index
from solar.photos import Box
from solar.ranking import Evidence, Ranking
from solar.rerank.chain import parse_rerank, reach, rerank
from solar.typing import Descriptor, Descriptors, Ids


class _View:
    """See `solar.rerank.View`."""

    def __init__(self, index: Index, photo: Path, box: Box | None, features: bool) -> None:
        self.index = index
        self.descriptor: Descriptor = index.describe(photo, box)
        self.features = index.describe_features(photo, box) if features else None
        self.hits: dict[int, Hit] = {}

    def descriptors(self, ids: Ids) -> Descriptors:
        return self.index.descriptors(ids.tolist())

    def features_of(self, ids: Ids) -> Sequence[Features | None]:
        return self.index.features_of(ids.tolist())

    def search(self, descriptor: Descriptor, top: int) -> Ranking:
        hits = self.index.search_descriptors(descriptor[None], top)[0]
        self.hits |= {hit.id: hit for hit in hits}
        scores = np.array([hit.score for hit in hits], np.float32)
        return Ranking.of(np.array([hit.id for hit in hits], np.int64), scores)


def search(
    index: Index, photo: str | Path, top: int = 10, box: Box | None = None, *, rerank_by: str
) -> list[Hit]:
    """Find photos of the same place, and rank them better than by one comparison.

    Args:
        index: an opened index.
        photo: the query's file.
        top: how many to find.
        box: x1, y1, x2, y2 in pixels of the photo: the part of it to search for.
        rerank_by: see `parse_rerank`.

    Returns:
        The best first; scores are cosines of the descriptors.

    Raises:
        UsageError: as `Index.search`, or another way to re-rank.
        PhotoError: the query cannot be used.
        IndexFolderError: as `Index.search`, or the index has no features to verify with.
    """
    if top < 1:
        raise UsageError(f"top is {top}: ask for 1 or more")
    chain = parse_rerank(rerank_by, features=index.info().local is not None)
    view = _View(index, Path(photo), box, any(way.needs_features for way in chain))
    first = view.search(view.descriptor, max(top, reach(chain)))
    ranking = rerank(first, view, chain).top(top)
    return [
        _hit(view.hits[number], float(score), ranking.evidence.get(number))
        for number, score in zip(ranking.ids.tolist(), ranking.scores, strict=True)
    ]


def _hit(hit: Hit, score: float, found: Evidence | None) -> Hit:
    inliers, lines = (None, ()) if found is None else (found.inliers, found.lines)
    return replace(hit, score=score, inliers=inliers, lines=lines)
