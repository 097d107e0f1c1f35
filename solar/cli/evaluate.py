"""solar eval: retrieval measured as the field measures it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solar.cli.console import err, numbers, out, print_json, progress
from solar.cli.options import (
    AsJson,
    Decoding,
    Device,
    Engine,
    ImageSize,
    Model,
    Overwrite,
    Precision,
    Scales,
    Whiten,
    extractor_of,
)
from solar.errors import UsageError

if TYPE_CHECKING:
    from solar.datasets import LabelledSet
    from solar.extraction import Extractor

app = typer.Typer(
    help="Measure a model: retrieval, patches, matching.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

To = Annotated[
    Path | None,
    typer.Option(
        help="Folder of report.json, report.md and report.html; descriptors are kept in "
        "$SOLAR_CACHE, or the user's cache, for later evaluations. [one in runs/eval/]"
    ),
]
Dimensions = Annotated[
    str | None,
    typer.Option(help="As 64,128: also the figures of so many dimensions. [all dimensions only]"),
]
Rerank = Annotated[
    str,
    typer.Option(
        help="geometric: keypoints that agree; expansion: by verified hits; diffusion; "
        "superglobal; k-reciprocal; or some of them, one after the other, with commas between."
    ),
]
Local = Annotated[
    str | None,
    typer.Option(
        help="For geometric: rootsift, or a local model's name, folder or .pth file. [none]"
    ),
]
Distractors = Annotated[
    Path | None, typer.Option(help="Shards made by eval extract-distractors. [none]")
]
BadPhotos = Annotated[
    str,
    typer.Option(help="Photos that cannot be used: stop before the work, or skip them and say so."),
]


def register(parent: typer.Typer) -> None:
    """Add the group and its commands."""
    app.command(
        "revisited",
        epilog="Example: solar eval revisited --dataset rparis6k --root data/rparis6k --to runs/r",
    )(revisited)
    app.command("folder", epilog="Example: solar eval folder places/ --to runs/places")(folder)
    app.command(
        "extract-distractors",
        epilog="Example: solar eval extract-distractors photos/ --to shards/ --part 0 --parts 4",
    )(extract_distractors)
    app.command("compare", epilog="Example: solar eval compare runs/a runs/b")(compare)
    from solar.cli import evaluate_patches

    evaluate_patches.register(app)
    parent.add_typer(app, name="eval")


def revisited(
    dataset: Annotated[
        str, typer.Option(help="oxford5k, paris6k, roxford5k, rparis6k, or a folder.")
    ],
    to: To = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder of the photos. [the folder that --dataset names]")
    ] = None,
    model: Model = "solar-r18",
    image_size: ImageSize = None,
    scales: Scales = None,
    crop: Annotated[bool, typer.Option(help="Crop queries to their boxes.")] = True,
    decoding: Decoding = "stored",
    whiten: Whiten = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    rerank: Rerank = "none",
    local: Local = None,
    distractors: Distractors = None,
    dimensions: Dimensions = None,
    bad_photos: BadPhotos = "stop",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure by the protocols of Revisited Oxford and Paris, or the old ones."""
    from solar.datasets import open_dataset

    labelled = open_dataset(dataset, root)  # before anything that takes time
    settings = {"engine": engine, "decoding": decoding}
    extractor = extractor_of(model, device, precision, image_size, scales, whiten, **settings)
    options = {"rerank": rerank, "distractors": distractors, "bad_photos": bad_photos, "crop": crop}
    features = None if local is None else (local, device)
    _evaluate(labelled, extractor, to, as_json, dimensions, features, overwrite, options)


def folder(
    photos: Annotated[Path, typer.Argument(help="Sub-folders are places.")],
    to: To = None,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV with the columns query and positive, instead. [none]")
    ] = None,
    model: Model = "solar-r18",
    image_size: ImageSize = None,
    scales: Scales = None,
    decoding: Decoding = "draft",
    whiten: Whiten = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    rerank: Rerank = "none",
    local: Local = None,
    distractors: Distractors = None,
    dimensions: Dimensions = None,
    bad_photos: BadPhotos = "skip",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure on any folder of places, each photo a query in turn, or on pairs of photos."""
    from solar.datasets import open_folder

    labelled = open_folder(photos, pairs)  # before anything that takes time
    settings = {"engine": engine, "decoding": decoding}
    extractor = extractor_of(model, device, precision, image_size, scales, whiten, **settings)
    options = {"rerank": rerank, "distractors": distractors, "bad_photos": bad_photos}
    features = None if local is None else (local, device)
    _evaluate(labelled, extractor, to, as_json, dimensions, features, overwrite, options)


def extract_distractors(
    photos: Annotated[Path, typer.Argument(help="Folder of the distractors' photos.")],
    to: Annotated[Path, typer.Option(help="Folder of the shards.")],
    model: Model = "solar-r18",
    image_size: ImageSize = None,
    scales: Scales = None,
    decoding: Decoding = "stored",
    whiten: Whiten = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    part: Annotated[int, typer.Option(min=0, help="This machine's part, from 0.")] = 0,
    parts: Annotated[int, typer.Option(min=1, help="Machines that share the work.")] = 1,
) -> None:
    """Describe distractors into float16 shards; resumes, and divides over machines."""
    from solar.evaluation.retrieval import distractors
    from solar.photos import find_photos

    settings = {"engine": engine, "decoding": decoding}
    extractor = extractor_of(model, device, precision, image_size, scales, whiten, **settings)
    found = find_photos(photos)
    with progress("describing") as show:
        failed = distractors.extract_distractors(
            extractor,
            found,
            to,
            part=part,
            parts=parts,
            progress=show,
        )
    for failure in failed:
        out.print(f"skipped {failure.reason}")
    out.print(f"{to}: part {part} of {parts} is complete")


def compare(
    a: Annotated[Path, typer.Argument(help="A report, or its folder.")],
    b: Annotated[Path, typer.Argument(help="Another of the same benchmark and data set.")],
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of its draws.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Put two reports side by side, with a paired bootstrap over places, or sequences."""
    from solar.evaluation.report import compare

    found = compare(a, b, resamples=resamples, seed=seed)
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo(found.to_markdown())


def _evaluate(
    photos: LabelledSet,
    extractor: Extractor,
    to: Path | None,
    as_json: bool,
    dimensions: str | None,
    local: tuple[str, str] | None,
    overwrite: bool,
    options: dict[str, Any],
) -> None:
    from solar.evaluation.retrieval import default_folder, evaluate
    from solar.features.extractor import open_feature_extractor

    wanted = () if dimensions is None else numbers(dimensions, "--dimensions")
    if any(value != int(value) for value in wanted):
        raise UsageError(f"--dimensions {dimensions}: expected whole numbers")
    to = to or default_folder(photos, extractor.extraction, options.get("crop", True))
    with progress("describing") as show:
        report = evaluate(
            photos,
            extractor,
            to,
            local=local and open_feature_extractor(*local),
            dimensions=tuple(map(int, wanted)),
            overwrite=overwrite,
            progress=show,
            **options,
        )
    for reason in report.skipped:
        err.print(f"skipped {reason}")
    if as_json:
        print_json(report.to_json())
    else:
        typer.echo(report.to_markdown())
        out.print(f"report: {to / 'report.html'}")
