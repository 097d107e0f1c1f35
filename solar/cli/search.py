"""solar search: the photos of the same place, best first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from solar.cli.console import numbers, out, print_json


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
    hits = opened.search(query, top=top, box=region)
    if html is not None:
        from solar.web.page import Search, write_page

        write_page(html, [Search(query, hits, region)], title=f"Solar: {query.name}")
    if as_json:
        found = [{"path": hit.path, "score": hit.score, "id": hit.id} for hit in hits]
        print_json({"query": str(query), "box": region, "hits": found})
        return
    table = Table("", "score", "photo", box=None, header_style="dim")
    for rank, hit in enumerate(hits, 1):
        table.add_row(str(rank), f"{hit.score:.4f}", escape(hit.path))
    out.print(table)
    if html is not None:
        out.print(f"page: {escape(str(html))}")
