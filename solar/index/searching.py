"""Searching with many photos: each decoded once, one that cannot be used stops no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from solar.errors import PhotoError, UsageError
from solar.extraction import Failed
from solar.index.index import Index
from solar.index.results import Hit, Queried, Search
from solar.index.where import Where
from solar.photos import Box, DecodedPhoto, Photo, decode, name_of, parse_box
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
    photos: Sequence[Photo | int],
    top: int = 10,
    box: Box | str | Sequence[str | None] | None = None,
    rerank: str = "default",
    *,
    distinct: bool = False,
    where: str | None = None,
    not_: Sequence[Photo | int] = (),
    together: bool = False,
) -> Iterator[Search | Failed]:
    """Find photos of the places that some photos show.

    Args:
        index: to search.
        photos: the queries, or ids of photos in the index.
        top: how many to find for each.
        box: the part of each to search for, or a text that `solar.photos.parse_box` reads; or a
            list with such a text for each, None for all of a photo.
        rerank: as for `Index.search`.
        distinct: as for `Index.search`.
        where: as for `Index.search`.
        not_: as for `Index.search`.
        together: all photos show one place, which is searched for once.

    Returns:
        For each photo in turn, what was found, or why it cannot be used; together, what was found
        with those that can be used, after why the others cannot.

    Raises:
        UsageError: as `Index.search`, or the text of a box cannot be read, or there is none for
            some photo.
        PhotoError: one of `not_` cannot be used.
        CheckpointError: the index's model cannot be loaded.
        IndexDamaged: a descriptor is damaged.
    """
    boxes = _boxes(box, len(photos))
    for text in boxes:
        if isinstance(text, str):
            parse_box(text, (1, 1))  # before the work
    if where is not None:
        Where.parse(where)
    if not all(isinstance(each, int) for each in (*photos, *not_)) or any(boxes):
        index.begin(rerank)
    unlike = [each if isinstance(each, int) else decode(each) for each in not_]

    def found(asked: Sequence[_Asked]) -> Search:
        part = [each.box for each in asked]
        hits = index.search([each.sought for each in asked], top, part, rerank,
                            distinct=distinct, where=where, not_=unlike)  # fmt: skip
        first, *others = [Queried(each.photo, each.box) for each in asked]
        return Search(first.photo, hits, first.box, alike=alike(index, hits), others=others)

    usable = []
    for position, photo in enumerate(photos):
        name = "" if isinstance(photo, int) else name_of(photo, position, len(photos))
        try:
            asked = _asked(index, photo, name, boxes[position])
        except (PhotoError, UsageError) as error:
            yield Failed(position, error)
            continue
        if together:
            usable.append(asked)
        else:
            yield found([asked])
    if usable:
        yield found(usable)


class _Asked(NamedTuple):
    """A photo to search with: what `Index.search` takes, and what is shown of it."""

    sought: DecodedPhoto | int
    photo: Photo
    box: Box | None


def _asked(index: Index, photo: Photo | int, name: str, box: Box | str | None) -> _Asked:
    """Decode a photo, unless the index knows it and it has no box."""
    if isinstance(photo, int):
        if photo not in index:
            raise UsageError(f"holds no photo of id {photo}", index.folder)
        path = index[photo].path
        if box is None:
            return _Asked(photo, path, None)
        photo = name = path
    decoded = decode(photo, name)
    part = parse_box(box, decoded.size) if isinstance(box, str) else box
    if part is not None:
        decoded.prepared(1, part)  # refuses a box beyond the photo
    return _Asked(decoded, decoded, part)


def _boxes(box: Box | str | Sequence[str | None] | None, count: int) -> Sequence[Box | str | None]:
    """A box for each photo."""
    if not isinstance(box, list):
        return [box] * count  # type: ignore[list-item]
    if len(box) != count:
        raise UsageError(f"{len(box)} boxes for {count} photos: give one for all, or one for each")
    return box
