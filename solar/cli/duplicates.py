"""solar duplicates: which photos of an index are the same, and which one to keep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import err, keeping, out, print_json, progress, table
from solar.cli.options import AsJson, IndexModel, Overwrite
from solar.files import claim_output, numbered

if TYPE_CHECKING:
    from solar.collection import GroupedPhoto


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("duplicates", epilog="Example: solar duplicates my.index --html duplicates.html")(
        duplicates
    )


def duplicates(
    index: Annotated[Path, typer.Argument(help="An index made by `solar index`.")],
    same: Annotated[
        str,
        typer.Option(
            help="The weakest sense of being the same to find, of bytes, picture (encoded anew, "
            "resized, mirrored, turned by quarters, cropped), moment (seconds apart), view, place.",
        ),
    ] = "picture",
    model: IndexModel = None,
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page of all groups: .html. [none]")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Find photos that are the same, why they are, and which one to keep; nothing is deleted."""
    from solar import collection
    from solar.index import Index
    from solar.web import write_duplicates

    if html is not None:
        claim_output(html, suffixes=(".html", ".htm"), overwrite=overwrite)
    opened = Index.open(index, model)
    kept = "what was compared is kept: the same command goes on from there"
    with keeping(kept), progress("comparing") as show:
        found = collection.duplicates(opened, same, show)
    if as_json:
        print_json({"index": str(index), **found.to_json()})
    else:
        for group in found.groups:
            out.print(f"same {group.rung}: keep the first: {group.why}")
            table([_row(photo) for photo in group.photos])
        more = sum(len(group.photos) - 1 for group in found.groups)
        groups = numbered(len(found.groups), "group")
        out.print(f"{groups}, {numbered(more, 'photo')} beside those to keep")
    if found.unread:
        err.print(f"{numbered(len(found.unread), 'photo')} cannot be opened now: not looked at")
    if html is not None:
        with progress("drawing") as show:
            write_duplicates(html, found, index.name, show)
        err.print(f"wrote {html}")


def _row(photo: GroupedPhoto) -> list[str]:
    size = f"{photo.width} x {photo.height}" if photo.width else "–"
    how = "keep" if photo.same is None else f"{photo.same.rung}: {photo.same.how}"
    return ["", how, size, f"{photo.size:,}", photo.path]
