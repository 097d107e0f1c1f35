"""solar places: which photos of an index show one place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import err, keeping, out, print_json, progress, table
from solar.cli.options import AsJson, IndexModel, Overwrite
from solar.files import claim_output, numbered

if TYPE_CHECKING:
    from solar.collection import Place


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("places", epilog="Example: solar places my.index --html places.html")(places)


def places(
    index: Annotated[Path, typer.Argument(help="An index made by `solar index`.")],
    model: IndexModel = None,
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a contact sheet of each place: .html. [none]")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Find which photos show one place: a cover of each place, dates, where it is.

    Each photo is compared with its nearest; what was compared is kept in the index, so that only
    new and changed photos are compared the next time.
    """
    from solar import collection
    from solar.index import Index
    from solar.web import write_places

    if html is not None:
        claim_output(html, suffixes=(".html", ".htm"), overwrite=overwrite)
    opened = Index.open(index, model)
    kept = "what was compared is kept: the same command goes on from there"
    with keeping(kept), progress("comparing") as show:
        found = collection.places(opened, show)
    if as_json:
        print_json({"index": str(index), **found.to_json()})
    else:
        table([_row(number, place) for number, place in enumerate(found.places, 1)], _HEADS)
        out.print(
            f"{numbered(len(found.places), 'place')} of several photos, "
            f"{numbered(len(found.alone), 'photo')} alone; "
            f"{found.compared:,} compared now"
        )
    if html is not None:
        with progress("drawing") as show:
            write_places(html, found, index.name, show)
        err.print(f"wrote {html}")


_HEADS = ("", "photos", "first", "last", "where", "metres", "cover")


def _row(number: int, place: Place) -> list[str]:
    cover = next(photo for photo in place.photos if photo.id == place.cover)
    at = "–" if place.gps is None else "{:.4f},{:.4f}".format(*place.gps.middle)
    within = "–" if place.gps is None else f"{place.gps.metres:.0f}"
    first, last = ((time or "–")[:10] for time in (place.first, place.last))
    return [str(number), str(len(place.photos)), first, last, at, within, cover.path]
