"""solar attend: second-order attention over a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import err, numbers, out, print_json, ready
from solar.cli.options import AsJson, Device, Model, Overwrite
from solar.files import claim_output


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("attend", epilog="Example: solar attend photo.jpg --at 320,200 --to overlay.png")(
        attend
    )


def attend(
    photo: Annotated[Path, typer.Argument(help="A photo.")],
    at: Annotated[str, typer.Option(help="The position that attends: x,y in the photo's pixels.")],
    to: Annotated[Path, typer.Option(help="The picture to write: .png or .jpg.")],
    stage: Annotated[str, typer.Option(help="A stage's name or number: conv5_x or 5.")] = "5",
    model: Model = "solar-r18",
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Show to which other positions of a photo one position attends."""
    from solar.extraction.attend import attend as attended
    from solar.files.pictures import PICTURES, save_picture

    claim_output(to, inputs=[photo], suffixes=PICTURES, overwrite=overwrite)
    x, y = numbers(at, "--at", 2)
    found = attended(photo, (x, y), stage=stage, model=ready(model), device=device)
    if not found.trained:
        err.print(f"note: {model} has not trained this block; its map is random")
    save_picture(found.picture(), to)
    if as_json:
        print_json({"picture": str(to), **found.to_json()})
        return
    height, width = found.weights.shape
    spread = f"spread {found.spread:.2f} over {width}x{height} positions (1: all count the same)"
    out.print(f"{to}: {spread}")
