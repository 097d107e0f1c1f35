"""solar describe: descriptors into a NumPy file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import err, keeping, out, progress
from solar.cli.options import (
    Device,
    Engine,
    Exclude,
    ImageSize,
    Model,
    Overwrite,
    Precision,
    Scales,
    extractor_of,
)
from solar.files import claim_output


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("describe", epilog="Example: solar describe photos/ --to descriptors.npz")(describe)


def describe(
    photos: Annotated[list[Path], typer.Argument(help="Photos and folders of photos.")],
    to: Annotated[Path, typer.Option(help="The .npz file to write.")],
    model: Model = "solar-r18",
    image_size: ImageSize = None,
    scales: Scales = None,
    exclude: Exclude = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Write the descriptors of photos: `paths` (N,), `descriptors` (N, D), one row each.

    An interrupted run goes on where it stopped.
    """
    from solar.extraction import engine_of
    from solar.extraction.describe import describe_to_file, partial_folder
    from solar.extraction.descriptors import is_descriptors_file

    claim_output(
        to, inputs=photos, suffixes=(".npz",), overwrite=overwrite, made_by=is_descriptors_file
    )
    extractor = extractor_of(model, device, precision, image_size, scales, engine=engine)
    kept = f"{partial_folder(to)} keeps what was described: the same command goes on with it"
    with keeping(kept), progress("describing") as show:
        report = describe_to_file(extractor, photos, to, show, exclude=exclude or ())
    for line in report.left_out:
        err.print(line)
    for reason in report.failed:
        err.print(f"skipped {reason}")
    dimensions = extractor.extraction.dimensions
    out.print(
        f"{to}: {report.described:,} photos, {dimensions} numbers each, by {engine_of(extractor)}"
    )
