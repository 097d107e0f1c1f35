"""A result page that needs nothing but itself: thumbnails inside, no script, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from solar.files.atomic import write_atomically
from solar.photos import Box
from solar.photos.thumbnails import Thumbnail, thumbnail
from solar.rerank.geometric import CHANCE
from solar.web.matches import match_figures

if TYPE_CHECKING:
    from solar.index import Hit

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #888; --frame: #f59e0b; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1240px; padding: 24px; }
h1 { font-size: 22px; margin: 0 0 4px; } p { color: var(--soft); margin: 0 0 20px; }
section { border-top: 1px solid var(--line); padding: 20px 0; display: grid; gap: 20px;
  grid-template-columns: minmax(160px, 260px) 1fr; }
figure { margin: 0; }
img { width: 100%; border-radius: 6px; display: block; background: var(--line); }
.query img { outline: 3px solid var(--frame); outline-offset: 2px; }
.hits { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
.hits img { aspect-ratio: 4/3; object-fit: cover; }
figcaption { font-size: 13px; margin-top: 5px; overflow-wrap: anywhere; }
figcaption b { font-variant-numeric: tabular-nums; } figcaption span { color: var(--soft); }
.gone { aspect-ratio: 4/3; border: 1px dashed var(--line); border-radius: 6px; display: grid;
  place-items: center; color: var(--soft); font-size: 13px; text-align: center; padding: 8px; }
.matches { grid-column: 1 / -1; display: grid; gap: 14px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 360px), 1fr)); align-items: start; }
.matches svg { width: 100%; height: auto; display: block; border-radius: 6px;
  background: var(--line); }
.matches path { stroke: #28eb6e; stroke-width: 1; stroke-opacity: .8; fill: none; }
.matches circle { fill: #28eb6e; stroke: #0008; stroke-width: .5; }
a { color: inherit; text-decoration: none; }
@media (max-width: 640px) { section { grid-template-columns: 1fr; } }
"""


@dataclass(frozen=True)
class Search:
    """One search and what it found.

    Attributes:
        query: path of the query photo.
        hits: best first.
        box: part of the query that was searched with.
        seconds: that it took, if known.
    """

    query: Path
    hits: Sequence[Hit]
    box: Box | None = None
    seconds: float | None = None


def write_page(path: str | Path, searches: Sequence[Search], title: str = "Solar") -> None:
    """Write the result page of some searches, atomically.

    Args:
        path: of the HTML file; replaced if it exists.
        searches: in the order of the page.
        title: of the page.
    """
    hits = sum(len(search.hits) for search in searches)
    count = f"{len(searches)} search{'es' if len(searches) != 1 else ''}, {hits} photos"
    verified = any(hit.inliers is not None for search in searches for hit in search.hits)
    inliers = (
        f"; hits with more than {CHANCE} inliers, keypoints that agree with the query's, first"
    )
    body = "\n".join(_section(search) for search in searches)
    document = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><p>{count}, best first; the score is the cosine of the "
        f"descriptors{inliers if verified else ''}.</p>\n{body}\n</body></html>\n"
    )
    with write_atomically(path) as file:
        # a file name need not be UTF-8
        file.write(document.encode("utf-8", "replace"))


def _section(search: Search) -> str:
    took = "" if search.seconds is None else f"<br><span>in {search.seconds * 1000:.0f} ms</span>"
    query = thumbnail(search.query, search.box)
    shown = [(hit, thumbnail(Path(hit.path))) for hit in search.hits]
    figures = "".join(_hit(rank, hit, photo) for rank, (hit, photo) in enumerate(shown, 1))
    caption = f"<b>query</b> {escape(search.query.name)}{took}"
    return (
        f'<section><figure class="query">{_picture(search.query, query)}'
        f"<figcaption>{caption}</figcaption></figure>"
        f'<div class="hits">{figures or "<p>The index holds no photo.</p>"}</div>'
        f"{match_figures(query, shown)}</section>"
    )


def _hit(rank: int, hit: Hit, photo: Thumbnail | None) -> str:
    name = escape(Path(hit.path).name)
    inliers = "" if hit.inliers is None else f" · {hit.inliers} inliers"
    return (
        f'<figure title="{escape(str(hit.path))}">{_picture(Path(hit.path), photo)}'
        f"<figcaption><b>{rank}. {hit.score:.3f}{inliers}</b><br><span>{name}</span></figcaption>"
        "</figure>"
    )


def _picture(path: Path, photo: Thumbnail | None) -> str:
    if photo is None:
        return f'<div class="gone">{escape(path.name)}<br>cannot be opened any more</div>'
    image = f'<img alt="{escape(path.name)}" src="{photo.source}">'
    address = escape(path.resolve().as_uri())
    return f'<a href="{address}">{image}</a>'
