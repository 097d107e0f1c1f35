"""solar match: whether two photos show the same place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import err, out, print_json, progress
from solar.cli.options import AsJson, Device, Engine, Precision
from solar.files import claim_output


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("match", epilog="Example: solar match a.jpg b.jpg --to matches.png")(match)


def match(
    first: Annotated[Path, typer.Argument(help="A photo.")],
    second: Annotated[Path, typer.Argument(help="Another photo.")],
    to: Annotated[
        Path | None, typer.Option(help="Draw the matches into this .png, .jpg or .pdf file. [none]")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that Solar did not make.")
    ] = False,
    as_json: AsJson = False,
    descriptor: Annotated[
        str,
        typer.Option(
            help="Named local model, model folder, .pth or .params file, rootsift, sift or orb."
        ),
    ] = "solar-local",
    detector: Annotated[str, typer.Option(help="Of keypoints: sift, sift-faint or orb.")] = "sift",
    fundamental: Annotated[
        bool,
        typer.Option("--fundamental", help="Fit a fundamental matrix instead of a homography."),
    ] = False,
    keypoints: Annotated[int, typer.Option(min=1, help="At most so many in a photo.")] = 2000,
    upright: Annotated[bool, typer.Option("--upright", help="Ignore orientations.")] = False,
    ratio: Annotated[
        float, typer.Option(min=0, max=1, help="Of Lowe's test, on top of mutual; 1 for none.")
    ] = 0.9,
    image_size: Annotated[
        int, typer.Option(min=1, help="Longest side of the copies that are matched, pixels.")
    ] = 1600,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Say whether two photos show the same place, and draw what they have in common."""
    from solar.files.pictures import PICTURES, save_picture
    from solar.matching import draw_match
    from solar.matching import match as match_photos
    from solar.photos import Photo, decode

    photos: list[Photo] = [first, second]
    if to is not None:
        claim_output(to, inputs=[first, second], suffixes=PICTURES, overwrite=overwrite)
        photos = [decode(photo) for photo in photos]  # once, to be matched and drawn
    with progress("matching") as show:
        found = match_photos(
            *photos,
            model=descriptor,
            geometry="fundamental" if fundamental else "homography",
            detector=detector,
            keypoints=keypoints,
            upright=upright,
            ratio=None if ratio == 1 else ratio,
            image_size=image_size,
            engine=engine,
            device=device,
            precision=precision,
            progress=show,
        )
    if to is not None:
        save_picture(draw_match(photos[0], photos[1], found), to)
    if as_json:
        print_json({"photos": [str(first), str(second)], **found.to_json()})
        return
    out.print(found.summary)
    if found.engine:
        err.print(f"engine: {found.engine}")
    if to is not None:
        out.print(f"picture: {to}")
