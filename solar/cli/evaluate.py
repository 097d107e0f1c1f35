"""solar eval: retrieval measured as the field measures it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from solar.cli.console import numbers, out, print_json, progress
from solar.cli.options import (
    AsJson,
    Device,
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
    from numpy.typing import NDArray

    from solar.evaluation.report.report import Report
    from solar.evaluation.retrieval.evaluate import Options, Photos
    from solar.evaluation.retrieval.score import Reranking
    from solar.extraction import Extractor
    from solar.features.extractor import FeatureExtractor

GEOMETRIC = "geometric"

app = typer.Typer(
    help="Measure a model: retrieval, patches, matching.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

To = Annotated[
    Path | None,
    typer.Option(help="Folder of descriptors, report.json and report.html. [one in runs/eval/]"),
]
Dimensions = Annotated[
    str | None, typer.Option(help="As 64,128: also the mAP of so many dimensions.")
]
Rerank = Annotated[
    str | None,
    typer.Option(help="expansion: alpha query expansion; geometric: keypoints that agree."),
]
Local = Annotated[
    str | None,
    typer.Option(help="For geometric: rootsift, or a local model's name, folder or .pth file."),
]
Distractors = Annotated[Path | None, typer.Option(help="Shards made by eval extract-distractors.")]


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
        Path | None, typer.Option(help="Folder of the photos; not for a folder.")
    ] = None,
    model: Model = "solar-r18",
    image_size: ImageSize = None,
    scales: Scales = None,
    crop: Annotated[bool, typer.Option(help="Crop queries to their boxes.")] = True,
    whiten: Whiten = None,
    device: Device = "auto",
    precision: Precision = "float32",
    rerank: Rerank = None,
    local: Local = None,
    distractors: Distractors = None,
    dimensions: Dimensions = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure mAP and mP@k by the protocols of Revisited Oxford and Paris, or the old ones."""
    from solar.evaluation.retrieval.evaluate import revisited_photos

    photos = revisited_photos(dataset, root)
    keypoints = _local(rerank, local)
    options = _options(distractors, dimensions, rerank)
    extractor = extractor_of(model, device, precision, image_size, scales, whiten)
    place = to or _place(dataset, extractor, crop)
    report = _run(extractor, photos, place, options, keypoints, crop, overwrite)
    _show(report, place, as_json)


def folder(
    photos: Annotated[Path, typer.Argument(help="Sub-folders are places.")],
    to: To = None,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV with the columns query and positive, instead.")
    ] = None,
    model: Model = "solar-r18",
    image_size: ImageSize = None,
    scales: Scales = None,
    whiten: Whiten = None,
    device: Device = "auto",
    precision: Precision = "float32",
    rerank: Rerank = None,
    local: Local = None,
    distractors: Distractors = None,
    dimensions: Dimensions = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure mAP on any folder of places, each photo a query in turn, or on pairs of photos."""
    from solar.evaluation.retrieval.evaluate import folder_photos

    found = folder_photos(photos, pairs)
    keypoints = _local(rerank, local)
    options = _options(distractors, dimensions, rerank)
    extractor = extractor_of(model, device, precision, image_size, scales, whiten)
    place = to or _place(str(photos), extractor, crop=True)
    report = _run(extractor, found, place, options, keypoints, True, overwrite)
    _show(report, place, as_json)


def extract_distractors(
    photos: Annotated[Path, typer.Argument(help="Folder of the distractors' photos.")],
    to: Annotated[Path, typer.Option(help="Folder of the shards.")],
    model: Model = "solar-r18",
    image_size: ImageSize = None,
    scales: Scales = None,
    whiten: Whiten = None,
    device: Device = "auto",
    precision: Precision = "float32",
    part: Annotated[int, typer.Option(min=0, help="This machine's part, from 0.")] = 0,
    parts: Annotated[int, typer.Option(min=1, help="Machines that share the work.")] = 1,
) -> None:
    """Describe distractors into float16 shards; resumes, and divides over machines."""
    from solar.evaluation.retrieval import distractors
    from solar.photos import find_photos

    extractor = extractor_of(model, device, precision, image_size, scales, whiten)
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
        out.print(f"skipped {escape(failure.reason)}", soft_wrap=True)
    out.print(f"{escape(str(to))}: part {part} of {parts} is complete")


def compare(
    a: Annotated[Path, typer.Argument(help="A report, or its folder.")],
    b: Annotated[Path, typer.Argument(help="Another of the same data set.")],
    as_json: AsJson = False,
) -> None:
    """Put two reports side by side, with a paired bootstrap over queries."""
    from solar.evaluation.report.report import read_report
    from solar.evaluation.retrieval import bootstrap

    found = bootstrap.compare(read_report(a), read_report(b))
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo(found.to_markdown())


def _place(dataset: str, extractor: Extractor, crop: bool) -> Path:
    """A folder that no other settings share, so that nothing is refused or described twice."""
    extraction = extractor.extraction
    settings = json.dumps([extraction.to_json(), crop], sort_keys=True)
    digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
    model = re.sub(r"[^\w.-]", "_", Path(extraction.model).name)
    return Path("runs") / "eval" / f"{Path(dataset).resolve().name}-{model}-{digest}"


def _options(distractors: Path | None, dimensions: str | None, rerank: str | None) -> Options:
    from solar.evaluation.retrieval.evaluate import Options

    wanted = () if dimensions is None else numbers(dimensions, "--dimensions")
    if any(value != int(value) for value in wanted):
        raise UsageError(f"--dimensions {dimensions}: expected whole numbers")
    return Options(distractors, tuple(map(int, wanted)), _reranking(rerank))


def _reranking(name: str | None) -> Reranking | None:
    import numpy as np

    from solar.evaluation.retrieval.score import Reranking
    from solar.rerank.expansion import moved

    def rank_expanded(
        queries: NDArray[np.float32], database: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        first = np.argsort(-(queries @ database.T), axis=1, kind="stable")[:, :10]
        asked = [
            moved(query, database[rows], 3.0) for query, rows in zip(queries, first, strict=True)
        ]
        ranks: NDArray[np.int64] = np.argsort(
            -(np.stack(asked) @ database.T), axis=1, kind="stable"
        )
        return ranks

    if name is None or name == GEOMETRIC:
        return None
    if name != "expansion":
        raise UsageError(f"--rerank {name}: use expansion or {GEOMETRIC}")
    return Reranking("alpha query expansion, 10 neighbours, alpha 3", rank_expanded)


def _local(rerank: str | None, local: str | None) -> FeatureExtractor | None:
    """What describes keypoints for geometric re-ranking."""
    from solar.features.extractor import open_feature_extractor

    if (rerank == GEOMETRIC) != (local is not None):
        raise UsageError(
            f"--rerank {GEOMETRIC} and --local go together, such as --local solar-local"
        )
    return None if local is None else open_feature_extractor(local)


def _run(
    extractor: Extractor,
    photos: Photos,
    to: Path,
    options: Options,
    local: FeatureExtractor | None,
    crop: bool,
    overwrite: bool,
) -> Report:
    from solar.evaluation.retrieval.evaluate import evaluate

    with progress("describing") as show:
        return evaluate(
            extractor,
            photos,
            to,
            crop=crop,
            overwrite=overwrite,
            options=options,
            local=local,
            progress=lambda _, done, total: show(done, total),
        )


def _show(report: Report, to: Path, as_json: bool) -> None:
    if as_json:
        print_json(report.to_json())
    else:
        typer.echo(report.to_markdown())
        out.print(f"report: {escape(str(to / 'report.html'))}")
