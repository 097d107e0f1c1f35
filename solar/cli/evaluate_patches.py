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
    from solar.features.keypoints import KeypointDescriptor

Descriptor = Annotated[
    str,
    typer.Option(
        help="raw (pixels), random (weights), solar-local, a model folder, a published .pth file "
        "of SOLAR's or SOSNet's network, or TFeat's .params file."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps: where a network runs.")]
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
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure the false positive rate at 95 % recall on PhotoTour's 100,000 pairs."""
    from solar.datasets.patches.phototour import PhotoTour
    from solar.evaluation.patches import phototour as scoring
    from solar.evaluation.patches.folder import PatchFolder
    from solar.evaluation.patches.published import published_phototour
    from solar.evaluation.patches.report import write_report
    from solar.features.patch_descriptor import open_patch_descriptor

    found = open_patch_descriptor(descriptor, device)
    folder = PatchFolder(
        to, {"data": "PhotoTour", "descriptor": found.fingerprint}, overwrite=overwrite
    )
    results = [
        scoring.evaluate_phototour(PhotoTour(scene), found, folder, trained_on=trained_on)
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
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure verification, matching and retrieval of HPatches."""
    from solar.datasets.patches.hpatches import open_test_sequences, read_splits
    from solar.errors import UsageError
    from solar.evaluation.patches.folder import PatchFolder
    from solar.evaluation.patches.hpatches import results as hpatches_results
    from solar.evaluation.patches.hpatches.run import evaluate_hpatches
    from solar.evaluation.patches.published import published_hpatches
    from solar.evaluation.patches.report import write_report
    from solar.features.patch_descriptor import open_patch_descriptor

    known = read_splits(splits)
    if split not in known:
        raise UsageError(f"--split {split}: {splits} has {', '.join(known)}")
    found = open_patch_descriptor(descriptor, device)
    settings = {"data": "HPatches", "descriptor": found.fingerprint}
    folder = PatchFolder(to, settings, overwrite=overwrite)
    result = evaluate_hpatches(open_test_sequences(root, known[split]), found, folder, split=split)
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
        typer.Option(help="rootsift, sift, orb, or as of eval hpatches; may be given again."),
    ] = ["rootsift"],  # noqa: B006 - typer copies it
    keypoints: Annotated[int, typer.Option(min=1, help="At most so many in a photo.")] = 2000,
    upright: Annotated[bool, typer.Option("--upright", help="Ignore orientations.")] = False,
    ratio: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of Lowe's test, on top of mutual.")
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Match sequences of photos with known homographies: accuracy, AP, homography error."""
    from solar.datasets.sequences import open_sequences
    from solar.evaluation.patches.homographies import CORRECT, evaluate_sequences
    from solar.evaluation.patches.homography_results import markdown
    from solar.evaluation.patches.report import accuracy_chart, write_report
    from solar.features.detectors import SiftDetector
    from solar.features.keypoints import MAGNIFICATION

    sequences = open_sequences(root)
    detector = SiftDetector(keypoints, upright)
    results = {}
    for title, found in _descriptors(descriptor, device).items():
        with progress(title) as show:
            results[title] = evaluate_sequences(
                sequences, detector, found, ratio=ratio, progress=show
            )
    protocol = {
        "detector": "SIFT",
        "keypoints": keypoints,
        "upright": upright,
        "magnification": MAGNIFICATION,
        "ratio": ratio,
        "correct_px": CORRECT,
    }
    figures = {name: result.to_json() for name, result in results.items()}
    document = {"protocol": protocol, "descriptors": figures}
    text = markdown(results) + "\n" + _in_words(protocol)
    write_report(to, document, text, {"accuracy.svg": accuracy_chart(results)})
    _show(document, text, to, as_json)


def _descriptors(names: list[str], device: str) -> dict[str, KeypointDescriptor]:
    """By title; two of one title are told apart by what was typed."""
    from solar.features.descriptors import open_descriptor

    descriptors: dict[str, KeypointDescriptor] = {}
    for name in dict.fromkeys(names):
        found = open_descriptor(name, device)
        descriptors[f"{found.name} ({name})" if found.name in descriptors else found.name] = found
    return descriptors


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
