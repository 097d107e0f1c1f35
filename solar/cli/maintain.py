"""solar info, verify, compact, remove: looking after an index."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import out, print_json, table
from solar.cli.options import AsJson
from solar.errors import IndexDamaged
from solar.files import printable

Folder = Annotated[Path, typer.Argument(help="An index made by `solar index`.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("info", epilog="Example: solar info my.index")(info)
    app.command("list", epilog="Example: solar list my.index")(list_photos)
    app.command("verify", epilog="Example: solar verify my.index")(verify)
    app.command("compact", epilog="Example: solar compact my.index")(compact)
    app.command("remove", epilog="Example: solar remove my.index old/photo.jpg")(remove)


def info(index: Folder, as_json: AsJson = False) -> None:
    """What an index holds, how it was made, and which photos were skipped and why."""
    from solar.index import Index

    found = Index.open(index).info()
    if as_json:
        print_json({**asdict(found), "folder": str(found.folder)})
        return
    made = found.extraction
    rows = [
        ("photos", str(found.photos)),
        ("skipped", str(len(found.failed))),
        *(("folder", root) for root in found.roots),
        ("model", f"{made.model} ({made.dimensions}-D)"),
        ("fingerprint", made.fingerprint[:16]),
        ("image size", f"{made.image_size} px"),
        ("scales", ", ".join(f"{scale:.4g}" for scale in made.scales)),
        ("on disk", f"{found.size / 1e6:.1f} MB"),
        ("compact frees", f"{found.reclaimable / 1e6:.1f} MB"),
    ]
    if found.features is not None:
        rows.append(("local descriptors", f"of {found.with_features} photos"))
        rows.append(("made by", f"{found.features}, {found.features.keypoints} each"))
    table(rows)
    for _, reason in found.failed:
        out.print(f"skipped {reason}")


def list_photos(index: Folder, as_json: AsJson = False) -> None:
    """Every photo of an index by its number, and where it is."""
    from solar.index import Index

    with Index.open(index) as opened:
        photos = opened.photos()
        if as_json:
            print_json({"index": str(index), "photos": [asdict(photo) for photo in photos]})
            return
        for photo in photos:
            typer.echo(f"{photo.id}\t{printable(photo.path)}")


def verify(index: Folder, as_json: AsJson = False) -> None:
    """Read every byte of an index and compare checksums; exit code 1 if any differs."""
    from solar.index import Index

    problems = Index.open(index).verify()
    if as_json:
        print_json({"index": str(index), "problems": problems})
    if problems:
        raise IndexDamaged("; ".join(problems))
    if not as_json:
        out.print(f"{index}: everything is as it was written")


def compact(index: Folder) -> None:
    """Give back the space of removed and changed photos; ids stay."""
    from solar.index import Index

    opened = Index.open(index)
    opened.compact()
    out.print(f"{index}: {len(opened)} photos, compact")


def remove(
    index: Folder,
    photos: Annotated[list[str], typer.Argument(help="Photos and folders to drop, by path.")],
) -> None:
    """Drop photos from an index; the files themselves are not touched."""
    from solar.index import Index

    opened = Index.open(index)
    count = opened.remove(photos)
    out.print(f"{index}: {count} dropped, {len(opened)} photos left")
