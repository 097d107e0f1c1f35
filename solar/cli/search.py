"""solar search: the photos of the same place, best first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from solar.cli.console import numbers, out, print_json

if TYPE_CHECKING:
    from solar.index import Hit


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("search", epilog="Example: solar search my.index query.jpg --html result.html")(
        search
    )


def search(
    index: Annotated[Path, typer.Argument(help="An index made by `solar index`.")],
    query: Annotated[Path, typer.Argument(help="A photo.")],
    box: Annotated[
        str | None, typer.Option(help="Search with a part: x1,y1,x2,y2 in its pixels.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many photos to show.")] = 10,
    rerank: Annotated[
        str | None,
        typer.Option(
            help="geometric: the first 100 by keypoints that agree (needs `solar index --local`); "
            "expansion: search again with the first hits."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with thumbnails.")] = None,
) -> None:
    """Find photos of the place that a photo shows."""
    from solar.index import Index

    opened = Index.open(index)
    region = None
    if box is not None:
        x1, y1, x2, y2 = numbers(box, "--box", 4)
        region = (x1, y1, x2, y2)
    if rerank is None:
        hits = opened.search(query, top=top, box=region)
    else:
        from solar.rerank.searching import search as search_again

        hits = search_again(opened, query, top, region, rerank_by=rerank)
    if html is not None:
        from solar.web.page import Search, write_page

        write_page(html, [Search(query, hits, region)], title=f"Solar: {query.name}")
    if as_json:
        print_json({"query": str(query), "box": region, "hits": [_plain(hit) for hit in hits]})
        return
    out.print(_table(hits))
    if html is not None:
        out.print(f"page: {escape(str(html))}")


def _plain(hit: Hit) -> dict[str, object]:
    plain: dict[str, object] = {"path": hit.path, "score": hit.score, "id": hit.id}
    return plain if hit.inliers is None else {**plain, "inliers": hit.inliers}


def _table(hits: Sequence[Hit]) -> Table:
    verified = any(hit.inliers is not None for hit in hits)
    table = Table("", "score", box=None, header_style="dim")
    if verified:
        table.add_column("inliers", justify="right")
    table.add_column("photo")
    for rank, hit in enumerate(hits, 1):
        inliers = [] if not verified else ["" if hit.inliers is None else str(hit.inliers)]
        table.add_row(str(rank), f"{hit.score:.4f}", *inliers, escape(hit.path))
    return table
