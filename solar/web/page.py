"""The page of a search: the query, what it found, and the keypoints that agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from solar.photos import Box, Photo, name_of
from solar.photos.thumbnails import Thumbnail, thumbnail
from solar.ranking import Line
from solar.rerank import CHANCE
from solar.typing import AnyPath
from solar.web.html import write_html

if TYPE_CHECKING:
    from solar.index import Hit

LINES = 80
"""At most so many are drawn of a hit."""
_GAP = 8


@dataclass(frozen=True, eq=False)
class Search:
    """One search and what it found.

    Attributes:
        query: the photo; one that is decoded is not decoded again.
        hits: best first.
        box: part of the query that was searched with.
        seconds: that it took, if known.
    """

    query: Photo
    hits: Sequence[Hit]
    box: Box | None = None
    seconds: float | None = None


def write_page(path: AnyPath, searches: Sequence[Search], title: str = "Solar") -> None:
    """Write the result page of some searches, atomically.

    Args:
        path: of the HTML file; replaced if it exists.
        searches: in the order of the page.
        title: of the page.
    """
    write_html(
        path,
        "result.html",
        title=title,
        searches=[_SearchShown.of(search) for search in searches],
        count=sum(len(search.hits) for search in searches),
        verified=any(hit.inliers is not None for search in searches for hit in search.hits),
        chance=CHANCE,
    )


@dataclass(frozen=True, eq=False)
class _HitShown:
    path: str
    score: float
    inliers: int | None
    photo: Thumbnail | None
    name: str
    address: str | None


@dataclass(frozen=True, eq=False)
class _SearchShown:
    photo: Thumbnail | None
    name: str
    address: str | None
    seconds: float | None
    hits: Sequence[_HitShown]
    matches: Sequence[_MatchShown]
    verified: bool

    @classmethod
    def of(cls, search: Search) -> _SearchShown:
        name, photo = name_of(search.query), thumbnail(search.query, search.box)
        hits = [
            _HitShown(
                hit.path,
                hit.score,
                hit.inliers,
                thumbnail(hit.path),
                Path(hit.path).name,
                _address(hit.path),
            )
            for hit in search.hits
        ]
        matches = [
            _MatchShown.of(rank, photo, shown, hit.lines)
            for rank, (hit, shown) in enumerate(zip(search.hits, hits, strict=True), 1)
            if photo and shown.photo and (shown.inliers or 0) > CHANCE
        ]
        verified = photo is not None and any(hit.inliers is not None for hit in hits)
        address = _address(name) if Path(name).is_file() else None
        return cls(photo, Path(name).name, address, search.seconds, hits, matches, verified)


@dataclass(frozen=True, eq=False)
class _MatchShown:
    """The query and a hit side by side, at the same height, with lines between inliers."""

    rank: int
    name: str
    inliers: int | None
    source: str
    left: float
    start: float
    width: float
    height: int
    lines: Sequence[Line]

    @classmethod
    def of(cls, rank: int, query: Thumbnail, hit: _HitShown, lines: Sequence[Line]) -> _MatchShown:
        photo = hit.photo
        assert photo is not None  # noqa: S101 - the caller looked
        height = max(query.height, photo.height)
        left = height * query.width / query.height
        start, right = left + _GAP, height * photo.width / photo.height
        drawn = [
            (x1 * left, y1 * height, start + x2 * right, y2 * height)
            for x1, y1, x2, y2 in lines[:: -(-len(lines) // LINES) or 1]
        ]
        shown = hit.name, hit.inliers, photo.source
        return cls(rank, *shown, left, start, start + right, height, drawn)


def _address(path: str) -> str:
    return Path(path).resolve().as_uri()
