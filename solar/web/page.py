"""The page of a search: the query, what it found, and the keypoints that agree."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solar.files import printable
from solar.photos.facts import date_of
from solar.photos.thumbnails import Thumbnail, thumbnail
from solar.rerank import CHANCE
from solar.typing import AnyPath
from solar.web.html import write_html

if TYPE_CHECKING:
    from solar.index import Hit, Search

LINES = 80
"""At most so many are drawn of a hit."""
_GAP = 8


def write_page(path: AnyPath, searches: Iterable[Search], title: str = "Solar") -> None:
    """Write the result page of some searches, atomically.

    Args:
        path: of the HTML file; replaced if it exists.
        searches: in the order of the page; each is let go of before the next is asked for.
        title: of the page.
    """
    shown = [_shown(search) for search in searches]
    hits = [found for each in shown for found in each["hits"]]
    root = _root([Path(found["hit"].path).parent for found in hits])
    for found in hits:
        folder = Path(found["hit"].path).parent
        within = folder if root is None else folder.relative_to(root)
        found["folder"] = "" if within == Path() else printable(within)
    write_html(
        path,
        "result.html",
        title=title,
        searches=shown,
        count=len(hits),
        root=root and printable(root),
        verified=any(each["verified"] for each in shown),
        calibrated=any(each["calibrated"] for each in shown),
        chance=CHANCE,
    )


def _shown(search: Search) -> dict[str, Any]:
    """What the template shows of a search."""
    queries: list[dict[str, Any]] = [
        {
            "name": printable(Path(each.name).name),
            "photo": thumbnail(each.photo, each.box),
            "address": _address(each.name) if Path(each.name).is_file() else None,
        }
        for each in search.queries
    ]
    hits: list[dict[str, Any]] = [
        {
            "hit": hit,
            "name": printable(Path(hit.path).name),
            "photo": (photo := thumbnail(hit.path)),
            "date": None if photo is None else date_of(hit.path),
            "address": _address(hit.path),
            "agreeing": hit.inliers if (hit.inliers or 0) > CHANCE else None,
        }
        for hit in search.hits
    ]
    shown = any(each["photo"] for each in queries)
    verified = shown and any(hit.inliers is not None for hit in search.hits)
    return {
        "queries": queries,
        "seconds": search.seconds,
        "alike": search.alike,
        "nothing": search.nothing,
        "calibrated": any(hit.probability is not None for hit in search.hits),
        "hits": hits,
        "verified": verified,
        "matches": [
            {"rank": rank, "name": each["name"], **_side_by_side(query, photo, each["hit"])}
            for rank, each in enumerate(hits, 1)
            if each["agreeing"]
            and (query := queries[each["hit"].query]["photo"])
            and (photo := each["photo"])
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
    return {"hit": hit, "query": query.source, "source": photo.source, "height": height,
            "left": left, "start": start, "width": width, "lines": ends}  # fmt: skip


def _root(folders: Sequence[Path]) -> Path | None:
    """The folder that all of these are in; None where they share none."""
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # no folder, or some on another disk
        return None


def _address(path: str) -> str:
    return Path(path).resolve().as_uri()
