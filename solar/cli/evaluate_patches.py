"""solar eval phototour, hpatches, homographies: patches and matching."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import out, print_json, progress
from solar.cli.options import AsJson, Device, Engine, Overwrite, Precision
from solar.errors import UsageError

if TYPE_CHECKING:
    from solar.evaluation.report import PatchReport

Descriptor = Annotated[
    str,
    typer.Option(
        help="raw (pixels), random (weights), solar-local, a model folder, a published .pth file "
        "of SOLAR's or SOSNet's network, or TFeat's .params file."
    ),
]
To = Annotated[Path, typer.Option(help="Folder of report.json, report.md and report.html.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group `eval`."""
    app.command(
        "phototour",
        epilog="Example: solar eval phototour liberty/ notredame/ --descriptor net.pth --to runs/p",
    )(phototour)
    app.command(
        "hpatches",
        epilog="Example: solar eval hpatches hpatches-release/ --splits splits.json --to runs/h "
        "--descriptor net.pth",
    )(hpatches)
    app.command(
        "homographies",
        epilog="Example: solar eval homographies hpatches-sequences/ --descriptor rootsift "
        "--to runs/s",
    )(homographies)


def phototour(
    scenes: Annotated[list[Path], typer.Argument(help="Folders of liberty, notredame, yosemite.")],
    descriptor: Descriptor,
    to: To,
    trained_on: Annotated[
        str | None, typer.Option(help="Scene that the network was trained on. [none of them]")
    ] = None,
    overwrite: Overwrite = False,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    as_json: AsJson = False,
) -> None:
    """Measure the false positive rate at 95 % recall on PhotoTour's 100,000 pairs."""
    from solar.evaluation.patches import phototour as benchmark

    with progress("patches") as show:
        report = benchmark.phototour(
            scenes,
            descriptor,
            to,
            trained_on=trained_on,
            overwrite=overwrite,
            engine=engine,
            device=device,
            precision=precision,
            progress=show,
        )
    _print(report, to, as_json)


def hpatches(
    root: Annotated[Path, typer.Argument(help="Folder of the 116 sequences of patches.")],
    splits: Annotated[Path, typer.Option(help="The benchmark's splits.json.")],
    descriptor: Descriptor,
    to: To,
    split: Annotated[str, typer.Option(help="a, b, c, illum, view or full.")] = "full",
    overwrite: Overwrite = False,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    as_json: AsJson = False,
) -> None:
    """Measure verification, matching and retrieval of HPatches."""
    from solar.evaluation.patches.hpatches import run

    with progress("sequences") as show:
        report = run.hpatches(
            root,
            splits,
            descriptor,
            to,
            split=split,
            overwrite=overwrite,
            engine=engine,
            device=device,
            precision=precision,
            progress=show,
        )
    _print(report, to, as_json)


def homographies(
    root: Annotated[
        list[Path],
        typer.Argument(
            help="A sequence, or a folder of sequences; or three files: photos A and B and H, nine "
            "numbers that map pixels of A to B.",
            metavar="ROOT | A B H",
        ),
    ],
    to: To,
    descriptor: Annotated[
        list[str],
        typer.Option(help="rootsift, sift, orb, or as of eval hpatches; may be given again."),
    ] = ["rootsift"],  # noqa: B006 - typer copies it
    keypoints: Annotated[int, typer.Option(min=1, help="At most so many in a photo.")] = 2000,
    upright: Annotated[bool, typer.Option("--upright", help="Ignore orientations.")] = False,
    ratio: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of Lowe's test, on top of mutual. [none]")
    ] = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    as_json: AsJson = False,
) -> None:
    """Match photos with known homographies: accuracy, AP, error, right and wrong matches."""
    from solar.evaluation.patches.homographies import run

    if len(root) not in (1, 3):
        raise UsageError(f"{len(root)} paths: give one folder, or the three files A B H")
    with progress("photos") as show:
        report = run.homographies(
            root[0] if len(root) == 1 else (root[0], root[1], root[2]),
            to,
            descriptor,
            keypoints=keypoints,
            upright=upright,
            ratio=ratio,
            engine=engine,
            device=device,
            precision=precision,
            progress=show,
        )
    _print(report, to, as_json)


def _print(report: PatchReport, to: Path, as_json: bool) -> None:
    if as_json:
        print_json(report.to_json())
    else:
        typer.echo(report.to_markdown())
        ran = report.document["engine"]
        for title, engine in (ran if isinstance(ran, dict) else {"engine": ran}).items():
            if engine:
                out.print(f"{title}: {engine}")
        out.print(f"report: {to / 'report.html'}")
