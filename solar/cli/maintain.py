"""solar info, list, verify, compact, remove: looking after an index."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import err, out, print_json, table
from solar.cli.options import AsJson, Overwrite, Where
from solar.errors import IndexDamaged
from solar.files import claim_output, numbered, printable
from solar.files.stores import is_address

SHOWN = 20

Folder = Annotated[
    str, typer.Argument(help="An index made by `solar index`: a folder, or an address of a copy.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Also say what only experts need.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("info", epilog="Example: solar info my.index")(info)
    app.command("list", epilog="Example: solar list my.index")(list_photos)
    app.command("verify", epilog="Example: solar verify my.index")(verify)
    app.command("compact", epilog="Example: solar compact my.index")(compact)
    app.command("remove", epilog="Example: solar remove my.index old/photo.jpg")(remove)


def info(index: Folder, verbose: Verbose = False, as_json: AsJson = False) -> None:
    """What an index holds, how it was made, which photos were skipped and why, which are copies."""
    from solar.index import Index
    from solar.index.vectors import kind_named

    found = Index.open(index).info()
    engine = _engine_here(found.extraction.model)
    if as_json:
        print_json(
            {
                **asdict(found),
                "folder": index if is_address(index) else str(found.folder),
                "engine": engine,
            }
        )
        return
    made, size = found.extraction, f"{found.size / 1e6:.1f} MB"
    if found.reclaimable >= 1e5:
        size += f", of which `solar compact {index}` frees {found.reclaimable / 1e6:.1f} MB"
    rows = [
        ("photos", f"{found.photos:,}"),
        ("skipped", f"{len(found.failed):,}"),
        ("copies", f"{sum(len(group) - 1 for group in found.copies):,}"),
        *(("folder", root) for root in found.roots),
        *(("not finished", place) for place in found.unfinished),
        ("model", made.model),
        ("engine", f"{engine} runs it here" if engine else "nothing runs it here"),
        ("photo size", f"{made.image_size} pixels at most"),
        ("kind", f"{found.kind}: {kind_named(found.kind).says}"),
        *([("server", found.server)] if found.server else []),
        ("on disk", size),
    ]
    if found.features is not None:
        rows.append(
            (
                "keypoints",
                f"of {numbered(found.with_features, 'photo')}, by {found.features.descriptor}",
            )
        )
    if verbose:
        rows += [
            ("descriptors", f"{made.dimensions} numbers a photo"),
            ("scales", ", ".join(f"{scale:.4g}" for scale in made.scales)),
            ("fingerprint", made.fingerprint),
            ("commits", f"{found.generation:,}"),
        ]
        if found.features is not None:
            rows.append(("keypoints", f"at most {found.features.keypoints} a photo"))
    table(rows)
    for _, reason in found.failed:
        out.print(f"skipped {reason}")
    for group in found.copies[:SHOWN]:
        out.print(f"the same: {'  =  '.join(group)}")
    if len(found.copies) > SHOWN:
        out.print(f"… {len(found.copies):,} groups of copies in all; all of them: --json")


def _engine_here(model: str) -> str | None:
    """What would run an index's model now, if it is there."""
    from solar.errors import SolarError
    from solar.extraction.engines.choose import document_of, engine_for
    from solar.models.registry import GLOBAL

    try:
        return engine_for(document_of(model, GLOBAL), "auto", "auto")
    except SolarError:
        return None


def list_photos(
    index: Folder,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Write paths and descriptors into this .npz, .h5 or .parquet file. [none]"
        ),
    ] = None,
    where: Where = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Every photo of an index by its number, and where it is; also those that were skipped.

    With --json, also when and where each was taken, and with what camera.
    """
    from solar.extraction.descriptors import SUFFIXES, is_descriptors_file
    from solar.index import Index

    if to is not None:
        claim_output(to, suffixes=SUFFIXES, overwrite=overwrite, made_by=is_descriptors_file)
    with Index.open(index) as opened:
        if to is not None:
            rows = opened.descriptors_file(where)
            rows.save(to)
            count, dimensions = rows.descriptors.shape
            out.print(f"{to}: {numbered(count, 'photo')}, {dimensions} numbers each")
            return
        photos = opened.photos(where)
        if as_json:
            print_json({"index": str(index), "photos": [asdict(photo) for photo in photos]})
            return
        for photo in photos:
            state = "" if photo.reason is None else "\tskipped"
            typer.echo(f"{photo.id}\t{printable(photo.path)}{state}")


def verify(index: Folder, as_json: AsJson = False) -> None:
    """Check that all of an index is as it was written, by checksums; exit code 1 if it is not."""
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
    out.print(f"{index}: {numbered(len(opened), 'photo')}, no space unused")


def remove(
    index: Folder,
    photos: Annotated[list[str], typer.Argument(help="Photos and folders to drop, by path.")],
) -> None:
    """Drop photos from an index; the files themselves are not touched.

    The next `solar index` of their folder takes them in again, unless --exclude leaves them out.
    """
    from solar.index import Index

    opened = Index.open(index)
    count = opened.remove(photos)
    out.print(f"{index}: {count:,} dropped, {numbered(len(opened), 'photo')} left")
    if any(Path(photo).exists() for photo in photos):
        err.print(
            "  their files are still there: `solar index` of their folder takes them in again, "
            "unless --exclude leaves them out"
        )
