"""solar search: the photos of the same place, best first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import numbers, out, print_json, table
from solar.cli.options import AsJson, Device, Overwrite, Precision
from solar.files import claim_output

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
        str,
        typer.Option(
            help="geometric: the first 100 by keypoints that agree (needs `solar index --local`); "
            "expansion: search again with the first hits; a,b: one after the other; none; "
            "default: geometric where the index keeps local descriptors."
        ),
    ] = "default",
    model: Annotated[
        str | None, typer.Option(help="Where the index's model lies now. [as it was made]")
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with thumbnails.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Find photos of the place that a photo shows."""
    from solar.index import Index
    from solar.photos import decode

    if html is not None:
        claim_output(html, inputs=[query], suffixes=(".html", ".htm"), overwrite=overwrite)
    opened = Index.open(index, model, device=device, precision=precision)
    region = None
    if box is not None:
        x1, y1, x2, y2 = numbers(box, "--box", 4)
        region = (x1, y1, x2, y2)
    photo = decode(query)
    hits = opened.search(photo, top, region, rerank)
    if html is not None:
        from solar.web import Search, write_page

        write_page(html, [Search(photo, hits, region)], title=f"Solar: {query.name}")
    if as_json:
        print_json({"query": str(query), "box": region, "hits": [_plain(hit) for hit in hits]})
        return
    _print(hits)
    if html is not None:
        out.print(f"page: {html}")


def _plain(hit: Hit) -> dict[str, object]:
    plain: dict[str, object] = {"path": hit.path, "score": hit.score, "id": hit.id}
    return plain if hit.inliers is None else {**plain, "inliers": hit.inliers}


def _print(hits: Sequence[Hit]) -> None:
    verified = any(hit.inliers is not None for hit in hits)
    heads = ["", "score", *(["inliers"] if verified else []), "photo"]
    rows = []
    for rank, hit in enumerate(hits, 1):
        inliers = [] if not verified else ["" if hit.inliers is None else str(hit.inliers)]
        rows.append([str(rank), f"{hit.score:.4f}", *inliers, hit.path])
    table(rows, heads)
