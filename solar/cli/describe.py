"""solar describe: descriptors into a NumPy file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from solar.cli.console import err, out, progress, ready
from solar.cli.console import scales as parse_scales


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("describe", epilog="Example: solar describe photos/ --to descriptors.npz")(describe)


def describe(
    photos: Annotated[list[Path], typer.Argument(help="Photos and folders of photos.")],
    to: Annotated[Path, typer.Option(help="The .npz file to write.")],
    model: Annotated[
        str, typer.Option(help="Named model, model folder or .pth file.")
    ] = "solar-r18",
    image_size: Annotated[
        int | None, typer.Option(min=32, help="Limit of the longest side. [the model's]")
    ] = None,
    scales: Annotated[str | None, typer.Option(help="As 1,1.4142,0.7071. [the model's]")] = None,
) -> None:
    """Write the descriptors of photos: `paths` (N,), `descriptors` (N, D), one row each.

    An interrupted run goes on where it stopped.
    """
    from solar.extraction.describe import describe_to_file
    from solar.models.checkpoints import load

    network = load(ready(model))
    with progress("describing") as show:
        report = describe_to_file(network, photos, to, image_size, parse_scales(scales), show)
    for reason in report.failed:
        err.print(f"skipped {escape(reason)}", soft_wrap=True)
    out.print(escape(f"{to}: {report.described} descriptors, {network.dimensions}-D"))
