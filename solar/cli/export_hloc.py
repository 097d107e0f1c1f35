"""solar export-hloc: an index as what hloc and COLMAP reconstruct scenes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import err, out, print_json, progress
from solar.cli.options import AsJson, Device, Overwrite, Precision, Where
from solar.files import numbered


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export-hloc", epilog="Example: solar export-hloc my.index --to scene/ --database")(
        export_hloc
    )


def export_hloc(
    index: Annotated[Path, typer.Argument(help="An index made by `solar index`.")],
    to: Annotated[Path, typer.Option(help="The folder to write.")],
    top: Annotated[
        int, typer.Option(min=1, help="How many of its nearest each photo is matched with.")
    ] = 20,
    verified: Annotated[
        bool, typer.Option("--verified", help="Leave out pairs that agree with no geometry.")
    ] = False,
    keypoints: Annotated[
        int, typer.Option(min=1, help="At most so many of a photo, found and described anew.")
    ] = 4096,
    image_size: Annotated[
        int, typer.Option(min=1, help="Longest side of the copies where they are found, pixels.")
    ] = 1600,
    kept: Annotated[
        bool,
        typer.Option(
            "--kept", help="Take the few features that the index keeps: quick, but hardly enough."
        ),
    ] = False,
    database: Annotated[
        bool,
        typer.Option("--database", help="Write COLMAP's database.db too (extra sfm)."),
    ] = False,
    where: Where = None,
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write descriptors, features, matches and pairs.txt, as hloc keeps them (extra h5)."""
    from solar.index import Index
    from solar.sfm import export

    opened = Index.open(index)
    maker = None
    if not kept:
        maker = export.open_features(
            opened, device, precision, keypoints=keypoints, image_size=image_size
        )
    with progress("exporting") as show:
        found = export.export_hloc(
            opened,
            to,
            top=top,
            verified=verified,
            features=maker,
            kept=kept,
            database=database,
            where=where,
            overwrite=overwrite,
            progress=show,
        )
    for reason in found.left_out:
        err.print(f"left out {reason}")
    if found.split:
        err.print(
            f"{len(found.split):,} names hold spaces, at which hloc splits the lines of pairs.txt; "
            f"COLMAP does not: {found.split[0]}"
        )
    if as_json:
        print_json(found.to_json())
        return
    out.print(
        f"{to}: {numbered(len(found.names), 'photo')}, {numbered(found.pairs, 'pair')}, "
        f"{found.agreeing:,} of which agree with one geometry"
    )
    out.print(f"  names are below {found.photos}")
