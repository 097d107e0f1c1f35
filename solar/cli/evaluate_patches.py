"""solar eval phototour, hpatches, homographies: patches and matching."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from solar.cli.console import out, print_json, progress
from solar.cli.options import AsJson, Overwrite

if TYPE_CHECKING:
    from solar.features.describe import Describer

Descriptor = Annotated[
    str,
    typer.Option(
        help="raw (pixels), random (weights), solar-local, a model folder, a published .pth file "
        "of SOLAR's or SOSNet's network, or TFeat's .params file."
    ),
]
To = Annotated[Path, typer.Option(help="Folder of descriptors, report.json and report.md.")]


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
        str | None, typer.Option(help="Scene that the network was trained on.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure the false positive rate at 95 % recall on PhotoTour's 100,000 pairs."""
    from solar.datasets.patches.phototour import PhotoTour
    from solar.evaluation.patches import phototour as scoring
    from solar.evaluation.patches.descriptors import patch_descriptor
    from solar.evaluation.patches.folder import PatchFolder
    from solar.evaluation.patches.published import published_phototour
    from solar.evaluation.patches.report import write_report

    found = patch_descriptor(descriptor)
    folder = PatchFolder(
        to, {"data": "PhotoTour", "descriptor": found.fingerprint}, overwrite=overwrite
    )
    results = [
        scoring.evaluate_phototour(PhotoTour(scene), found.describe, folder, trained_on=trained_on)
        for scene in scenes
    ]
    document = {"descriptor": found.name, "scenes": [result.to_json() for result in results]}
    own = scoring.PhotoTourRow.of(found.name, results)
    text = scoring.markdown([own, *published_phototour()])
    write_report(to, document, text)
    _show(document, text, to, as_json)


def hpatches(
    root: Annotated[Path, typer.Argument(help="Folder of the 116 sequences of patches.")],
    splits: Annotated[Path, typer.Option(help="The benchmark's splits.json.")],
    descriptor: Descriptor,
    to: To,
    split: Annotated[str, typer.Option(help="a, b, c, illum, view or full.")] = "full",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure verification, matching and retrieval of HPatches."""
    from solar.datasets.patches.hpatches import open_test_sequences, read_splits
    from solar.errors import UsageError
    from solar.evaluation.patches.descriptors import patch_descriptor
    from solar.evaluation.patches.folder import PatchFolder
    from solar.evaluation.patches.hpatches import results as hpatches_results
    from solar.evaluation.patches.hpatches.run import evaluate_hpatches
    from solar.evaluation.patches.published import published_hpatches
    from solar.evaluation.patches.report import write_report

    known = read_splits(splits)
    if split not in known:
        raise UsageError(f"--split {split}: {splits} has {', '.join(known)}")
    found = patch_descriptor(descriptor)
    settings = {"data": "HPatches", "descriptor": found.fingerprint}
    folder = PatchFolder(to, settings, overwrite=overwrite)
    result = evaluate_hpatches(
        open_test_sequences(root, known[split]), found.describe, folder, split=split
    )
    document = {"descriptor": found.name, **result.to_json()}
    own = hpatches_results.HPatchesRow.of(found.name, result)
    text = hpatches_results.markdown([own, *published_hpatches()])
    text += "\n" + hpatches_results.markdown_by_noise(result)
    write_report(to, document, text)
    _show(document, text, to, as_json)


def homographies(
    root: Annotated[Path, typer.Argument(help="A sequence, or a folder of sequences.")],
    to: To,
    descriptor: Annotated[
        list[str],
        typer.Option(help="rootsift, orb, or as of eval hpatches; may be given again."),
    ] = ["rootsift"],  # noqa: B006 - typer copies it
    keypoints: Annotated[int, typer.Option(min=1, help="At most so many in a photo.")] = 2000,
    upright: Annotated[bool, typer.Option("--upright", help="Ignore orientations.")] = False,
    ratio: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of Lowe's test, on top of mutual.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Match sequences of photos with known homographies: accuracy, AP, homography error."""
    from solar.datasets.sequences import open_sequences
    from solar.evaluation.patches.homographies import CORRECT, evaluate_sequences
    from solar.evaluation.patches.homography_results import markdown
    from solar.evaluation.patches.report import accuracy_chart, write_report
    from solar.features.describe import PatchDescriber
    from solar.features.keypoints import SiftDetector

    sequences = open_sequences(root)
    detector = SiftDetector(keypoints, upright)
    results = {}
    for title, describer in _describers(descriptor).items():
        with progress(title) as show:
            results[title] = evaluate_sequences(
                sequences, detector, describer, ratio=ratio, progress=show
            )
    protocol = {
        "detector": "SIFT",
        "keypoints": keypoints,
        "upright": upright,
        "magnification": PatchDescriber.magnification,
        "ratio": ratio,
        "correct_px": CORRECT,
    }
    found = {name: result.to_json() for name, result in results.items()}
    document = {"protocol": protocol, "descriptors": found}
    text = markdown(results) + "\n" + _in_words(protocol)
    write_report(to, document, text, {"accuracy.svg": accuracy_chart(results)})
    _show(document, text, to, as_json)


def _describers(names: list[str]) -> dict[str, Describer]:
    """By title; two of one title are told apart by what was typed."""
    from solar.evaluation.patches.descriptors import keypoint_describer

    describers: dict[str, Describer] = {}
    for name in dict.fromkeys(names):
        title, describer = keypoint_describer(name)
        describers[f"{title} ({name})" if title in describers else title] = describer
    return describers


def _in_words(protocol: Mapping[str, object]) -> str:
    turned = "upright" if protocol["upright"] else "turned with their keypoints"
    ratio = "" if protocol["ratio"] is None else f", ratio test {protocol['ratio']:g}"
    return (
        f"{protocol['detector']} keypoints, at most {protocol['keypoints']} a photo; every patch "
        f"{protocol['magnification']:g} keypoint sizes wide, {turned}; mutual nearest "
        f"neighbours{ratio}; correct within {protocol['correct_px']:g} px for repeatability and "
        "AP. patches/s: described; photos/s: detected and described, on this machine.\n"
    )


def _show(document: Mapping[str, object], text: str, to: Path, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        typer.echo(text)
        out.print(f"report: {escape(str(to / 'report.md'))}")
