"""Searching an index with re-ranking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from solar.errors import UsageError
from solar.features.features import Features
from solar.index import Hit, Index
from solar.photos import Box
from solar.rerank import geometric
from solar.rerank.expansion import NEIGHBOURS, expand

RerankedSearch = Callable[[Index, Path, int, Box | None], list[Hit]]


def search(
    index: Index, photo: str | Path, top: int = 10, box: Box | None = None, *, rerank: str
) -> list[Hit]:
    """Find photos of the same place, and rank them better than by one comparison.

    Args:
        index: an opened index.
        photo: the query's file.
        top: how many to find.
        box: x1, y1, x2, y2 in pixels of the photo: the part of it to search for.
        rerank: `geometric` puts hits first whose keypoints agree with the query's, by how many,
            and tells `inliers` and `lines` of each that was verified; `expansion` searches again
            with the query's descriptor moved towards its first hits.

    Returns:
        The best first; scores are cosines of the descriptors, after `expansion` of the moved one.

    Raises:
        UsageError: as `Index.search`, or another way to re-rank.
        PhotoError: the query cannot be used.
        IndexFolderError: as `Index.search`, or the index has no features to verify with.
    """
    if rerank not in WAYS:
        raise UsageError(f"rerank {rerank}: use {' or '.join(WAYS)}")
    return WAYS[rerank](index, Path(photo), top, box)


def _geometric(index: Index, photo: Path, top: int, box: Box | None) -> list[Hit]:
    if top < 1:
        raise UsageError(f"top is {top}: ask for 1 or more")
    query = index.describe_features(photo, box)
    hits = index.search(photo, max(top, geometric.FIRST), box)
    verified = _verified(index, query, hits[: geometric.FIRST]) + hits[geometric.FIRST :]
    places = geometric.order([hit.inliers for hit in verified])
    return [verified[place] for place in places[:top]]


def _verified(index: Index, query: Features, hits: list[Hit]) -> list[Hit]:
    """Hits with their inliers; those without features as they are."""
    features = index.features_of(hit.id for hit in hits)
    agreements = iter(geometric.verify(query, [found for found in features if found is not None]))
    return [
        hit if found is None else _with(hit, next(agreements))
        for hit, found in zip(hits, features, strict=True)
    ]


def _with(hit: Hit, agreement: geometric.Agreement) -> Hit:
    return replace(hit, inliers=agreement.inliers, lines=agreement.lines())


def _expansion(index: Index, photo: Path, top: int, box: Box | None) -> list[Hit]:
    queries = index.describe(photo, box)[None]
    nearest = index.search_descriptors(queries, NEIGHBOURS)[0]
    if nearest:
        queries = expand(queries, index.descriptors(hit.id for hit in nearest))
    return index.search_descriptors(queries, top)[0]


WAYS: dict[str, RerankedSearch] = {"expansion": _expansion, "geometric": _geometric}
