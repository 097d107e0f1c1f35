"""solar where: where a photo was taken, by photos of an index that prove it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import err, out, print_json, table
from solar.cli.options import AsJson, Device, Engine, IndexModel, Overwrite, Precision
from solar.files import claim_output

if TYPE_CHECKING:
    from solar.collection import Location, Proof


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("where", epilog="Example: solar where my.index photo.jpg --html where.html")(where)


def where(
    index: Annotated[Path, typer.Argument(help="An index made by `solar index`.")],
    photo: Annotated[Path, typer.Argument(help="A photo; where it says it was is not looked at.")],
    box: Annotated[
        str | None,
        typer.Option(
            metavar="BOX",
            help="The part of it that shows the place: x1,y1,x2,y2 in pixels, or in percent as "
            "10%,20%,50%,60%. [the whole photo]",
        ),
    ] = None,
    model: IndexModel = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with the photos that prove it: .html. [none]")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Say where a photo was taken, by photos of the same place that say where they were.

    Says nothing where none surely shows the same place, or where they disagree; that is no failure.
    """
    from solar import collection
    from solar.index import Index
    from solar.photos import decode, parse_box
    from solar.web import write_where

    if html is not None:
        claim_output(html, inputs=[photo], suffixes=(".html", ".htm"), overwrite=overwrite)
    opened = Index.open(index, model, engine=engine, device=device, precision=precision)
    opened.begin()
    decoded = decode(photo)
    part = None if box is None else parse_box(box, decoded.size)
    found = collection.where(opened, decoded, part)
    if as_json:
        print_json(found.to_json())
    elif found.location is None:
        out.print(f"{found.query}: nowhere proven: {found.reason}")
    else:
        _print(found.query, found.location)
    if html is not None:
        write_where(html, decoded, found)
        err.print(f"wrote {html}")


def _position(latitude: float, longitude: float) -> str:
    return f"{latitude:.5f},{longitude:.5f}"


def _print(query: str, location: Location) -> None:
    at = _position(location.latitude, location.longitude)
    out.print(f"{query}: {at}, within {location.radius:,.0f} m")
    heads = ["", "probability", "inliers", "metres", "at", "photo"]
    rows = []
    for says, proofs in (("proves", location.photos), ("disagrees", location.disagreeing)):
        rows += [[says, *_cells(proof), proof.path] for proof in proofs]
    table(rows, heads)


def _cells(proof: Proof) -> list[str]:
    probable = "–" if proof.probability is None else f"{proof.probability:.0%}"
    inliers = "–" if proof.inliers is None else str(proof.inliers)
    return [probable, inliers, f"{proof.metres:.0f}", _position(*proof.gps)]
