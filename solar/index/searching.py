"""Searching with many photos: each decoded once, one that cannot be used stops no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from solar.errors import PhotoError, UsageError
from solar.extraction import Failed
from solar.index.index import Index
from solar.index.results import Hit, Search
from solar.photos import Box, Photo, decode, name_of, parse_box
from solar.rerank import CHANCE

LEVELS = {"solar-r18": 0.34}
"""By model: the score that the nearest of 264 photos of other places stays below in three of four
searches, and that the nearest photo of the same place exceeds in 98 of 100 (validation photos of
landmarks)."""


def alike(index: Index, hits: Sequence[Hit]) -> bool:
    """Whether any of some hits is more alike than unrelated photos are.

    One is if more keypoints agree than chance gives, or if its score exceeds what `LEVELS` has of
    the index's model; of other models nothing is known but that 0 is nothing in common.
    """
    level = LEVELS.get(index.extraction.model.partition("@")[0], 0.0)
    return any((hit.inliers or 0) > CHANCE or hit.score > level for hit in hits)


def search_each(
    index: Index,
    photos: Sequence[Photo],
    top: int = 10,
    box: Box | str | None = None,
    rerank: str = "default",
    *,
    distinct: bool = False,
) -> Iterator[Search | Failed]:
    """Find photos of the places that some photos show.

    Args:
        index: to search.
        photos: the queries.
        top: how many to find for each.
        box: the part of each to search for, or a text that `solar.photos.parse_box` reads.
        rerank: as for `Index.search`.
        distinct: as for `Index.search`.

    Returns:
        For each photo in turn, what was found, or why it cannot be used.

    Raises:
        UsageError: as `Index.search`, or the text of the box cannot be read.
        CheckpointError: the index's model cannot be loaded.
        IndexDamaged: a descriptor is damaged.
    """
    if isinstance(box, str):
        parse_box(box, (1, 1))  # before the work
    index.begin(rerank)
    for position, photo in enumerate(photos):
        try:
            decoded = decode(photo, name_of(photo, position, len(photos)))
            part = parse_box(box, decoded.size) if isinstance(box, str) else box
            if part is not None:
                decoded.prepared(1, part)  # refuses a box beyond the photo
        except (PhotoError, UsageError) as error:
            yield Failed(position, error)
            continue
        hits = index.search(decoded, top, part, rerank, distinct=distinct)
        yield Search(decoded, hits, part, alike=alike(index, hits))
