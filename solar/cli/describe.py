"""solar describe: descriptors into a NumPy file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from solar.cli.console import err, out, progress
from solar.cli.options import Device, ImageSize, Model, Precision, Scales, extractor_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("describe", epilog="Example: solar describe photos/ --to descriptors.npz")(describe)


def describe(
    photos: Annotated[list[Path], typer.Argument(help="Photos and folders of photos.")],
    to: Annotated[Path, typer.Option(help="The .npz file to write.")],
    model: Model = "solar-r18",
    image_size: ImageSize = None,
    scales: Scales = None,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Write the descriptors of photos: `paths` (N,), `descriptors` (N, D), one row each.

    An interrupted run goes on where it stopped.
    """
    from solar.extraction.describe import describe_to_file

    extractor = extractor_of(model, device, precision, image_size, scales)
    with progress("describing") as show:
        report = describe_to_file(extractor, photos, to, show)
    for reason in report.failed:
        err.print(f"skipped {escape(reason)}", soft_wrap=True)
    dimensions = extractor.extraction.dimensions
    out.print(escape(f"{to}: {report.described} descriptors, {dimensions}-D"))
