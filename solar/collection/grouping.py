"""The places of a collection: which photos show one, what stands for it, when and where it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from solar.collection._communities import vouched
from solar.collection._earth import agreeing, metres, middle
from solar.collection.links import Links, links_of
from solar.index import Index, IndexedPhoto
from solar.rerank.geometric import SURE
from solar.typing import Ids, Progress

LIKELY = 0.5
"""Probability from which on two photos are linked."""


@dataclass(frozen=True)
class PlacePhoto:
    """A photo of a place.

    Attributes:
        id: its number in the index.
        path: of it.
        probability: that it shows the place: the highest of its links with the others.
        taken: when; see `IndexedPhoto`.
        gps: where: degrees north, degrees east.
    """

    id: int
    path: str
    probability: float
    taken: str | None = None
    gps: tuple[float, float] | None = None


@dataclass(frozen=True)
class PlaceRange:
    """Where the photos of a place were taken, as most of those say that do.

    Three fifths within a kilometre of one of them are most; where no so many agree, all count.

    Attributes:
        middle: degrees north, degrees east.
        south_west: the lowest of both.
        north_east: the highest of both; east below west if the range holds 180 degrees east.
        metres: from the middle to the farthest.
        photos: how many say so.
        elsewhere: how many say that they were taken somewhere else, which nothing above counts.
    """

    middle: tuple[float, float]
    south_west: tuple[float, float]
    north_east: tuple[float, float]
    metres: float
    photos: int
    elsewhere: int


@dataclass(frozen=True)
class Place:
    """Photos that show one place.

    Attributes:
        cover: id of the photo that the others have most in common with.
        photos: by when they were taken, those that do not say last.
        first: the earliest local time that one says it was taken at; None if none says.
        last: the latest.
        gps: where they were taken; None if none says.
    """

    cover: int
    photos: tuple[PlacePhoto, ...]
    first: str | None
    last: str | None
    gps: PlaceRange | None


@dataclass(frozen=True)
class PlacesFound:
    """The places of a collection.

    Attributes:
        places: of several photos, those of most first.
        alone: ids of photos that share no place with another.
        compared: photos that were compared with others now, and not before.
    """

    places: tuple[Place, ...]
    alone: tuple[int, ...]
    compared: int

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


def places(index: Index, progress: Progress | None = None) -> PlacesFound:
    """Find which photos of an index show one place.

    Each is compared with its nearest; see `links_of`, which keeps what it finds. Two that show one
    place more probably than not are linked, and a link counts if a third photo is linked with both;
    see `solar.collection._communities.vouched`.

    Args:
        index: at its commit.
        progress: called with the number of photos compared, and of all that must be.

    Raises:
        IndexDamaged: a descriptor or features are damaged.
    """
    links = links_of(index, progress)
    groups = communities(links)
    weights = np.zeros(len(links.ids))
    best = np.zeros(len(links.ids))
    label = np.empty(len(links.ids), np.int64)
    for number, group in enumerate(groups):
        label[group] = number
    one, two = links.pairs.T
    inside = label[one] == label[two]
    for ends in (one[inside], two[inside]):
        np.add.at(weights, ends, links.probabilities[inside])
        np.maximum.at(best, ends, links.probabilities[inside])
    found = [
        _place(index, links.ids[group], weights[group], best[group])
        for group in groups
        if len(group) > 1
    ]
    alone = [int(links.ids[group[0]]) for group in groups if len(group) == 1]
    return PlacesFound(tuple(found), tuple(sorted(alone)), links.compared)


def communities(links: Links) -> list[list[int]]:
    """Photos of one place, by their positions among `links.ids`; also those that are alone."""
    likely = links.probabilities >= LIKELY
    lone = np.flatnonzero(links.probabilities[likely] >= SURE)
    return vouched(len(links.ids), links.pairs[likely], lone)


def _place(index: Index, ids: Ids, weights: np.ndarray, best: np.ndarray) -> Place:
    """One place.

    Args:
        index: that holds the photos.
        ids: (K,) of them.
        weights: (K,) how much each has in common with the others.
        best: (K,) probabilities of their best links.
    """
    numbers = ids.tolist()
    known = {photo: index[photo] for photo in numbers}
    photos = [
        PlacePhoto(photo, known[photo].path, round(probable, 4), known[photo].taken,
                   known[photo].gps)
        for photo, probable in zip(numbers, best.tolist(), strict=True)
    ]  # fmt: skip
    photos.sort(key=lambda photo: (photo.taken is None, photo.taken or "", photo.id))
    times = [photo.taken for photo in photos if photo.taken is not None]
    cover = max(zip(weights.tolist(), [-n for n in numbers], strict=True))[1]
    return Place(
        -cover,
        tuple(photos),
        times[0] if times else None,
        times[-1] if times else None,
        _range(list(known.values())),
    )


def _range(photos: list[IndexedPhoto]) -> PlaceRange | None:
    stated = np.array([photo.gps for photo in photos if photo.gps is not None])
    if not len(stated):
        return None
    group = agreeing(stated, np.ones(len(stated)))
    known = stated if group is None else stated[group]
    north, east = middle(known)
    turned = (known[:, 1] - east + 180) % 360 - 180  # from the middle, the short way round
    west, far = (float((east + edge + 180) % 360 - 180) for edge in (turned.min(), turned.max()))
    return PlaceRange(
        (round(north, 6), round(east, 6)),
        (float(known[:, 0].min()), round(west, 6)),
        (float(known[:, 0].max()), round(far, 6)),
        round(float(metres(known, np.array([north, east])).max()), 1),
        len(known),
        len(stated) - len(known),
    )
