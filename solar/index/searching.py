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


def alike(hits: Sequence[Hit]) -> bool:
    """Whether any of some hits is more alike than unrelated photos are.

    One is if it shows the query's place more probably than not; where the model is not calibrated,
    if more keypoints agree than chance gives, or its score exceeds 0, which is nothing in common.
    """
    return any(
        (hit.inliers or 0) > CHANCE or hit.score > 0
        if hit.probability is None
        else hit.probability >= 0.5
        for hit in hits
    )


def require_probability(index: Index, least: float | None) -> None:
    """Refuse to ask for probable hits alone where none is known to be.

    Raises:
        UsageError: the least probability is none, or the index's model is not calibrated.
    """
    if least is None:
        return
    if not 0 <= least <= 1:
        raise UsageError(f"--min-probability {least:g}: use 0 to 1")
    if index.calibration is None:
        model = index.extraction.model
        raise UsageError(
            f"--min-probability: {model} is not calibrated: solar calibrate {model} PLACES"
        )


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
    min_probability: float | None = None,
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
        min_probability: leave out hits that are less probable; None for none.

    Returns:
        For each photo in turn, what was found, or why it cannot be used; together, what was found
        with those that can be used, after why the others cannot.

    Raises:
        UsageError: as `Index.search`, or the text of a box cannot be read, or there is none for
            some photo, or a probability is asked for and the index's model is not calibrated.
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
    require_probability(index, min_probability)
    if not all(isinstance(each, int) for each in (*photos, *not_)) or any(boxes):
        index.begin(rerank)
    unlike = [each if isinstance(each, int) else decode(each) for each in not_]

    def found(asked: Sequence[_Asked]) -> Search:
        part = [each.box for each in asked]
        hits = index.search([each.sought for each in asked], top, part, rerank,
                            distinct=distinct, where=where, not_=unlike)  # fmt: skip
        first, *others = [Queried(each.photo, each.box) for each in asked]
        least = min_probability or 0
        shown = [hit for hit in hits if (hit.probability or 0) >= least]
        return Search(first.photo, shown, first.box, None, alike(hits), others, searched)

    usable, searched = [], index.count(where) if min_probability else 0
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
