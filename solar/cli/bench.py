"""solar bench: how fast this machine describes photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import out, print_json, progress, ready, table
from solar.cli.options import AsJson, Model


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench", epilog="Example: solar bench ~/Pictures --image-size 448")(bench)


def bench(
    photos: Annotated[
        list[Path] | None,
        typer.Argument(help="Photos and folders of photos. [made ones of 12 megapixels]"),
    ] = None,
    model: Model = "solar-r18",
    image_size: Annotated[
        list[int] | None,
        typer.Option(min=32, help="Longest side, again for others. [the model's, and 2/3 of it]"),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(help="openvino, onnx or torch, again for others. [all that are installed]"),
    ] = None,
    seconds: Annotated[float, typer.Option(help="For each case, about.")] = 3.0,
    as_json: AsJson = False,
) -> None:
    """Measure this machine by engine, precision and size, and say which options to use.

    Photos per second, from files to descriptors, each case in a process of its own.
    """
    from solar.extraction.bench import bench as measure

    with progress("measuring") as show:
        found = measure(
            photos or (),
            model=ready(model),
            image_sizes=image_size or (),
            engines=engine or (),
            seconds=seconds,
            progress=show,
        )
    if as_json:
        print_json(found.to_json())
        return
    rows = [
        [
            case.engine,
            case.precision,
            str(case.image_size),
            case.failed or f"{case.photos_per_second:.1f}",
            "" if case.megabytes is None else f"{case.megabytes:,}",
        ]
        for case in found.cases
    ]
    out.print(f"{found.machine}; {found.model}, {found.photos} photos")
    table(rows, ["engine", "precision", "px", "photos/s", "MB"])
    out.print(found.advice)
