"""The page of a search: the query, what it found, and the keypoints that agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from solar.photos import Box, Photo, name_of
from solar.photos.thumbnails import Thumbnail, thumbnail
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
        searches=[_shown(search) for search in searches],
        count=sum(len(search.hits) for search in searches),
        verified=any(hit.inliers is not None for search in searches for hit in search.hits),
        chance=CHANCE,
    )


def _shown(search: Search) -> dict[str, object]:
    """What the template shows of a search."""
    name, query = name_of(search.query), thumbnail(search.query, search.box)
    hits = [(hit, thumbnail(hit.path), _address(hit.path)) for hit in search.hits]
    return {
        "name": Path(name).name,
        "photo": query,
        "address": _address(name) if Path(name).is_file() else None,
        "seconds": search.seconds,
        "hits": [
            {"hit": hit, "name": Path(hit.path).name, "photo": photo, "address": address}
            for hit, photo, address in hits
        ],
        "verified": query is not None and any(hit.inliers is not None for hit in search.hits),
        "matches": [
            {
                "rank": rank,
                "hit": hit,
                "name": Path(hit.path).name,
                **_side_by_side(query, photo, hit),
            }
            for rank, (hit, photo, _) in enumerate(hits, 1)
            if query and photo and (hit.inliers or 0) > CHANCE
        ],
    }


def _side_by_side(query: Thumbnail, photo: Thumbnail, hit: Hit) -> dict[str, object]:
    """The query and a hit at the same height, with lines between inliers."""
    height = max(query.height, photo.height)
    left = height * query.width / query.height
    start, right = left + _GAP, height * photo.width / photo.height
    drawn = hit.lines[:: -(-len(hit.lines) // LINES) or 1]
    ends = [(a * left, b * height, start + c * right, d * height) for a, b, c, d in drawn]
    width = start + right
    return {"hit": hit, "source": photo.source, "height": height, "left": left, "start": start,
            "width": width, "lines": ends}  # fmt: skip


def _address(path: str) -> str:
    return Path(path).resolve().as_uri()
