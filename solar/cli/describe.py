"""solar describe: descriptors into a file, or into shards that many machines fill."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solar.cli.console import err, keeping, out, progress, ready
from solar.cli.console import scales as parse_scales
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
from solar.errors import UsageError
from solar.files import claim_output, numbered

if TYPE_CHECKING:
    from solar.extraction import Extractor
    from solar.extraction.workers import WorkReport


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("describe", epilog="Example: solar describe photos/ --to descriptors.npz")(describe)


def describe(
    photos: Annotated[
        list[str],
        typer.Argument(
            help="Photos and folders of photos; with --worker also addresses, as "
            "s3://bucket/photos."
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            help="The file to write: .npz, .h5, .parquet; with --worker a folder or an address."
        ),
    ],
    model: Model = "solar-r18",
    image_size: ImageSize = None,
    scales: Scales = None,
    exclude: Exclude = None,
    worker: Annotated[
        bool,
        typer.Option(
            "--worker",
            help="Be one of several machines that run this command and see one --to: each "
            "describes shards of photos that no other does, and those of machines that are lost. "
            "`solar index --from-shards` makes an index of them.",
        ),
    ] = False,
    ray: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --worker: let so many workers of a Ray cluster do it, by Ray Data; "
            "RAY_ADDRESS names the cluster, else one is started here. [none]",
        ),
    ] = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Write the descriptors of photos: `paths` (N,), `descriptors` (N, D), one row each.

    Into a NumPy file, HDF5 (extra h5) or Parquet (extra parquet), by its name. An interrupted run
    goes on where it stopped.
    """
    from solar.extraction.descriptors import SUFFIXES, is_descriptors_file
    from solar.files.stores import is_address
    from solar.models.registry import is_named

    if worker:
        if to.endswith(SUFFIXES) or overwrite:
            raise UsageError(f"--worker: {to} is to be a folder or an address, never overwritten")
    elif far := [place for place in (*photos, to) if is_address(place)]:
        raise UsageError(f"{far[0]}: add --worker, which reads and writes addresses")
    else:
        claim_output(
            Path(to),
            inputs=photos,
            suffixes=SUFFIXES,
            overwrite=overwrite,
            made_by=is_descriptors_file,
        )
    if ray is not None:
        if not worker:
            raise UsageError("--ray: add --worker, and a folder or an address as --to")
        settings = {
            "model": ready(model) if is_named(model) else str(Path(model).absolute()),
            **{"engine": engine, "device": device, "precision": precision},
            **{"image_size": image_size, "scales": parse_scales(scales)},
        }
        return _by_ray(settings, photos, to, exclude or (), ray)
    extractor = extractor_of(model, device, precision, image_size, scales, engine=engine)
    made = _together if worker else _alone
    return made(extractor, photos, to, exclude or ())


def _alone(extractor: Extractor, photos: Sequence[str], to: str, exclude: Sequence[str]) -> None:
    from solar.extraction import engine_of
    from solar.extraction.describe import describe_to_file, partial_folder

    kept = f"{partial_folder(to)} keeps what was described: the same command goes on with it"
    with keeping(kept), progress("describing") as show:
        report = describe_to_file(extractor, photos, to, show, exclude=exclude)
    _print_missing(report.left_out, report.failed)
    dimensions = extractor.extraction.dimensions
    out.print(
        f"{to}: {numbered(report.described, 'photo')}, {dimensions} numbers each, "
        f"by {engine_of(extractor)}"
    )


def _together(extractor: Extractor, photos: Sequence[str], to: str, exclude: Sequence[str]) -> None:
    from solar.extraction import engine_of
    from solar.extraction.workers import describe_together

    kept = f"{to} keeps the shards that are whole: the same command goes on with the others"
    with keeping(kept), progress("describing") as show:
        report = describe_together(extractor, photos, to, show, exclude=exclude)
    _print_shards(report, to, f"here, by {engine_of(extractor)}")


def _by_ray(
    settings: dict[str, Any], photos: Sequence[str], to: str, exclude: Sequence[str], workers: int
) -> None:
    from solar.extraction.ray import describe_with_ray

    kept = f"{to} keeps the shards that are whole: the same command goes on with the others"
    with keeping(kept), progress("describing") as show:
        report = describe_with_ray(settings, photos, to, show, exclude=exclude, workers=workers)
    _print_shards(report, to, "now")


def _print_shards(report: WorkReport, to: str, how: str) -> None:
    _print_missing(report.left_out, report.failed)
    described = f"{report.described:,} of them described {how}"
    out.print(f"{to}: all shards of {numbered(report.photos, 'photo')} are there, {described}")
    out.print(f"  an index of them: solar index --from-shards {to} --to my.index")


def _print_missing(left_out: Sequence[str], failed: Sequence[str]) -> None:
    for line in left_out:
        err.print(line)
    for reason in failed:
        err.print(f"skipped {reason}")
