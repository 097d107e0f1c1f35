"""solar eval: retrieval measured as the field measures it: describe, search, score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import err, numbers, out, print_json, progress
from solar.cli.options import (
    AsJson,
    Decoding,
    Descriptors,
    Device,
    Engine,
    FromModule,
    ImageSize,
    Model,
    Overwrite,
    Precision,
    Scales,
    Whiten,
    extractor_of,
    foreign,
    usual_model,
    with_options,
)
from solar.errors import UsageError

if TYPE_CHECKING:
    from solar.datasets import LabelledSet
    from solar.datasets.ground_truth import GroundTruth
    from solar.evaluation.report.report import Report
    from solar.extraction import Extractor

app = typer.Typer(
    help="Measure a model: retrieval, patches, matching.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_BUNDLED = "solar-r18"

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
At = Annotated[
    str | None,
    typer.Option(help="As 1,5,10: k of precision and recall. [those of the benchmark]"),
]
Cut = Annotated[
    int | None,
    typer.Option(
        min=1, help="mAP of the first so many places, as mAP@100. [that of the benchmark]"
    ),
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
    from solar.cli import eval_benchmarks, evaluate_patches

    eval_benchmarks.register(app)
    evaluate_patches.register(app)
    parent.add_typer(app, name="eval")


@dataclass(frozen=True)
class Extracting:
    """The options of how photos are described, for each command in `with_options`."""

    model: Model = _BUNDLED
    image_size: ImageSize = None
    scales: Scales = None
    decoding: Decoding = "stored"
    whiten: Whiten = None
    engine: Engine = "auto"
    device: Device = "auto"
    precision: Precision = "float32"
    extractor: FromModule = None
    descriptors: Descriptors = None

    def open(self) -> Extractor:
        """What describes them."""
        given = (self.model, self.device, self.precision, self.image_size, self.scales, self.whiten)
        named = None if self.model in (_BUNDLED, usual_model()) else self.model
        instead = foreign(self.extractor, self.descriptors, named)
        return extractor_of(*given, engine=self.engine, decoding=self.decoding, instead=instead)


@dataclass(frozen=True)
class Measuring(Extracting):
    """Those of how retrieval is measured."""

    to: To = None
    rerank: Rerank = "none"
    local: Local = None
    distractors: Distractors = None
    dimensions: Dimensions = None
    at: At = None
    map_at: Cut = None
    bad_photos: BadPhotos = "stop"
    overwrite: Overwrite = False
    as_json: AsJson = False


@with_options(Measuring)
def revisited(
    dataset: Annotated[
        str, typer.Option(help="oxford5k, paris6k, roxford5k, rparis6k, or a folder.")
    ],
    root: Annotated[
        Path | None, typer.Option(help="Folder of the photos. [the folder that --dataset names]")
    ] = None,
    crop: Annotated[bool, typer.Option(help="Crop queries to their boxes.")] = True,
    *,
    options: Measuring,
) -> None:
    """Measure by the protocols of Revisited Oxford and Paris, or the old ones."""
    from solar.datasets import open_dataset

    evaluate_set(open_dataset(dataset, root), options, crop=crop)


@with_options(Measuring, decoding="draft", bad_photos="skip")
def folder(
    photos: Annotated[Path, typer.Argument(help="Sub-folders are places.")],
    pairs: Annotated[
        Path | None, typer.Option(help="CSV with the columns query and positive, instead. [none]")
    ] = None,
    *,
    options: Measuring,
) -> None:
    """Measure on any folder of places, each photo a query in turn, or on pairs of photos."""
    from solar.datasets import open_folder

    evaluate_set(open_folder(photos, pairs), options)


@with_options(Extracting)
def extract_distractors(
    photos: Annotated[Path, typer.Argument(help="Folder of the distractors' photos.")],
    to: Annotated[Path, typer.Option(help="Folder of the shards.")],
    part: Annotated[int, typer.Option(min=0, help="This machine's part, from 0.")] = 0,
    parts: Annotated[int, typer.Option(min=1, help="Machines that share the work.")] = 1,
    *,
    options: Extracting,
) -> None:
    """Describe distractors into float16 shards; resumes, and divides over machines."""
    from solar.evaluation.retrieval import distractors
    from solar.photos import find_photos

    extractor = options.open()
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


def told_by(truth: GroundTruth, at: str | None, cut: int | None) -> GroundTruth:
    """The same, told by other figures, where such are asked for."""
    figures = truth.figures
    if at is not None:
        figures = replace(figures, at=whole_numbers(at, "--at"))
    if cut is not None:
        figures = replace(figures, cut=cut)
    return replace(truth, figures=figures)


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers of an option, commas between."""
    values = numbers(text, option)
    if any(value != int(value) for value in values):
        raise UsageError(f"{option} {text}: expected whole numbers")
    return tuple(map(int, values))


def evaluate_set(photos: LabelledSet, options: Measuring, *, crop: bool = True) -> None:
    """What was opened before anything that takes time, measured."""
    from solar.aggregation import is_words
    from solar.cli import eval_words
    from solar.evaluation.retrieval import default_folder, evaluate
    from solar.features.extractor import open_feature_extractor

    truth = told_by(photos.ground_truth, options.at, options.map_at)
    photos = replace(photos, ground_truth=truth)
    if is_words(options.model):
        eval_words.measure(photos, options, crop=crop)
        return
    text = options.dimensions
    wanted = () if text is None else whole_numbers(text, "--dimensions")
    extractor = options.open()
    to = options.to or default_folder(photos, extractor.extraction, crop)
    with progress("describing") as show:
        report = evaluate(
            photos,
            extractor,
            to,
            crop=crop,
            rerank=options.rerank,
            local=options.local and open_feature_extractor(options.local, options.device),
            distractors=options.distractors,
            dimensions=wanted,
            bad_photos=options.bad_photos,
            overwrite=options.overwrite,
            progress=show,
        )
    for reason in report.skipped:
        err.print(f"skipped {reason}")
    show_report(report, to / "report.html", as_json=options.as_json)


def show_report(report: Report, path: Path | None, *, as_json: bool) -> None:
    """Print a report, and where it is."""
    if as_json:
        print_json(report.to_json())
        return
    typer.echo(report.to_markdown())
    if path is not None:
        out.print(f"report: {path}")
