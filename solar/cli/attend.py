"""solar attend: second-order attention over a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import err, numbers, out, print_json, ready
from solar.cli.options import AsJson, Device, Engine, Model, Overwrite
from solar.files import claim_output, write_atomically


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("attend", epilog="Example: solar attend photo.jpg --at 320,200 --to overlay.png")(
        attend
    )


def attend(
    photo: Annotated[Path, typer.Argument(help="A photo.")],
    at: Annotated[
        list[str],
        typer.Option(
            help="The position that attends: x,y in the photo's pixels; given again, another one "
            "is shown beside it."
        ),
    ],
    to: Annotated[Path, typer.Option(help="The picture to write: .png, .jpg, .svg or .pdf.")],
    stage: Annotated[str, typer.Option(help="A stage's name or number: conv5_x or 5.")] = "5",
    width: Annotated[
        int | None,
        typer.Option(
            min=120,
            max=20_000,
            help="Of the whole picture, in pixels. [the photo's, at most 1024 for each position]",
        ),
    ] = None,
    model: Model = "solar-r18",
    engine: Engine = "auto",
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Show to which other positions of a photo one position, or each of several, attends."""
    from solar.files.pictures import PICTURES, save_picture

    claim_output(to, inputs=[photo], suffixes=(*PICTURES, ".svg"), overwrite=overwrite)
    positions = [(x, y) for x, y in (numbers(each, "--at", 2) for each in at)]
    from solar.extraction.attend import attend_each, figure  # torch comes last

    runs = {"engine": engine, "device": device}
    found = attend_each(photo, positions, stage=stage, model=ready(model), **runs)
    if not found[0].trained:
        err.print(f"note: {model} has not trained this block; its map is random")
    drawing = figure(found, width)
    if to.suffix.lower() == ".svg":
        with write_atomically(to) as file:
            file.write(drawing.svg().encode())
    else:
        save_picture(drawing.draw(), to)
    if as_json:
        parts = [each.to_json() for each in found]
        more = parts[0] if len(parts) == 1 else {"positions": parts}
        print_json({"picture": str(to), **more})
        return
    for each in found:
        rows, columns = each.weights.shape
        spread = f"spread {each.spread:.2f} over {columns}x{rows} cells (1: all count the same)"
        out.print(f"{to}: {each.at[0]:g},{each.at[1]:g}: {spread}")
