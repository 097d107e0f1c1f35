"""solar eval: retrieval measured as the field measures it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from solar.cli.console import numbers, out, print_json, progress, ready
from solar.cli.console import scales as parse_scales
from solar.errors import UsageError

if TYPE_CHECKING:
    from solar.evaluation.describer import Describer
    from solar.evaluation.report.report import Report
    from solar.evaluation.retrieval.evaluate import Options, Photos
    from solar.evaluation.retrieval.score import Reranking
    from solar.features.extractor import LocalDescriber

GEOMETRIC = "geometric"

app = typer.Typer(
    help="Measure a model: retrieval, patches, matching.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Model = Annotated[str, typer.Option(help="Named model, model folder or .pth file.")]
ImageSize = Annotated[
    int | None, typer.Option(min=32, help="Limit of the longest side. [the model's]")
]
Scales = Annotated[str | None, typer.Option(help="As 1,1.4142,0.7071. [the model's]")]
Whiten = Annotated[Path | None, typer.Option(help="A whitening applied after the model (.npz).")]
To = Annotated[
    Path | None,
    typer.Option(help="Folder of descriptors, report.json and report.html. [one in runs/eval/]"),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace descriptors made with other settings.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
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
    describer = _describer(model, image_size, scales, whiten)
    place = to or _place(dataset, describer, crop)
    report = _run(describer, photos, place, options, keypoints, crop, overwrite)
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
    describer = _describer(model, image_size, scales, whiten)
    place = to or _place(str(photos), describer, crop=True)
    report = _run(describer, found, place, options, keypoints, True, overwrite)
    _show(report, place, as_json)


def extract_distractors(
    photos: Annotated[Path, typer.Argument(help="Folder of the distractors' photos.")],
    to: Annotated[Path, typer.Option(help="Folder of the shards.")],
    model: Model = "solar-r18",
    image_size: ImageSize = None,
    scales: Scales = None,
    whiten: Whiten = None,
    part: Annotated[int, typer.Option(min=0, help="This machine's part, from 0.")] = 0,
    parts: Annotated[int, typer.Option(min=1, help="Machines that share the work.")] = 1,
) -> None:
    """Describe distractors into float16 shards; resumes, and divides over machines."""
    from solar.evaluation.retrieval import distractors
    from solar.photos.images import find_photos

    describer = _describer(model, image_size, scales, whiten)
    found = find_photos(photos)
    with progress("describing") as show:
        failed = distractors.extract_distractors(
            describer,
            found,
            to,
            part=part,
            parts=parts,
            progress=lambda done: show(done, -(-len(found) // parts)),
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


def _describer(
    model: str, image_size: int | None, scales: str | None, whiten: Path | None
) -> Describer:
    from solar.evaluation.describer import from_model
    from solar.models.checkpoints import load
    from solar.models.whitening import Whitening

    whitening = None if whiten is None else Whitening.load(whiten)
    return from_model(
        load(ready(model)), image_size=image_size, scales=parse_scales(scales), whitening=whitening
    )


def _place(dataset: str, describer: Describer, crop: bool) -> Path:
    """A folder that no other settings share, so that nothing is refused or described twice."""
    settings = json.dumps([dict(describer.settings), crop], sort_keys=True)
    digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
    model = re.sub(r"[^\w.-]", "_", str(describer.settings["model"]))
    return Path("runs") / "eval" / f"{Path(dataset).resolve().name}-{model}-{digest}"


def _options(distractors: Path | None, dimensions: str | None, rerank: str | None) -> Options:
    from solar.evaluation.retrieval.evaluate import Options

    wanted = () if dimensions is None else numbers(dimensions, "--dimensions")
    if any(value != int(value) for value in wanted):
        raise UsageError(f"--dimensions {dimensions}: expected whole numbers")
    return Options(distractors, tuple(map(int, wanted)), _reranking(rerank))


def _reranking(name: str | None) -> Reranking | None:
    from solar.evaluation.retrieval.score import Reranking
    from solar.rerank.expansion import rank_expanded

    if name is None or name == GEOMETRIC:
        return None
    if name != "expansion":
        raise UsageError(f"--rerank {name}: use expansion or {GEOMETRIC}")
    return Reranking("alpha query expansion, 10 neighbours, alpha 3", rank_expanded)


def _local(rerank: str | None, local: str | None) -> LocalDescriber | None:
    """What describes keypoints for geometric re-ranking."""
    from solar.features.extractor import load_local_describer

    if (rerank == GEOMETRIC) != (local is not None):
        raise UsageError(
            f"--rerank {GEOMETRIC} and --local go together, such as --local solar-local"
        )
    return None if local is None else load_local_describer(local)


def _run(
    describer: Describer,
    photos: Photos,
    to: Path,
    options: Options,
    local: LocalDescriber | None,
    crop: bool,
    overwrite: bool,
) -> Report:
    from solar.evaluation.retrieval.evaluate import evaluate

    with progress("describing") as show:
        return evaluate(
            describer,
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
