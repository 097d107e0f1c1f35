"""Pictures of verified hits: the query and the hit side by side, with lines between inliers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from solar.photos.thumbnails import Thumbnail
from solar.rerank.geometric import CHANCE

if TYPE_CHECKING:
    from solar.index import Hit

LINES = 80
"""At most so many are drawn of a hit."""
_GAP = 8


def match_figures(query: Thumbnail | None, hits: Sequence[tuple[Hit, Thumbnail | None]]) -> str:
    """A figure for each hit with more inliers than chance gives; empty if none was verified.

    Args:
        query: its picture.
        hits: with their pictures, None where the photo is gone.
    """
    if query is None or all(hit.inliers is None for hit, _ in hits):
        return ""
    figures = [
        f"<figure>{_svg(query, photo, hit)}<figcaption><b>{rank}. {hit.inliers} inliers</b> "
        f"<span>{escape(Path(hit.path).name)}</span></figcaption></figure>"
        for rank, (hit, photo) in enumerate(hits, 1)
        if photo is not None and hit.inliers is not None and hit.inliers > CHANCE
    ]
    none = f"<p>No hit has more than {CHANCE} inliers, which unrelated photos reach too.</p>"
    return f'<div class="matches">{"".join(figures) or none}</div>'


def _svg(query: Thumbnail, photo: Thumbnail, hit: Hit) -> str:
    """Both pictures at the same height."""
    height = max(query.height, photo.height)
    left = height * query.width / query.height
    right = height * photo.width / photo.height
    start = left + _GAP
    drawn = hit.lines[:: -(-len(hit.lines) // LINES)]
    ends = [(x1 * left, y1 * height, start + x2 * right, y2 * height) for x1, y1, x2, y2 in drawn]
    lines = "".join(f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" for x1, y1, x2, y2 in ends)
    places = [place for x1, y1, x2, y2 in ends for place in ((x1, y1), (x2, y2))]
    circles = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in places)
    return (
        f'<svg viewBox="0 0 {start + right:.1f} {height}" role="img" '
        f'aria-label="{hit.inliers} inliers">'
        f'<image href="{query.source}" width="{left:.1f}" height="{height}"/>'
        f'<image href="{photo.source}" x="{start:.1f}" width="{right:.1f}" height="{height}"/>'
        f'<path d="{lines}"/>{circles}</svg>'
    )
