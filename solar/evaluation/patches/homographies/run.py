"""Local matching on homography sequences: photo 1 of each against all others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from time import perf_counter

from solar.datasets.sequences import HomographySequence, open_pair, open_sequences
from solar.evaluation.patches.homographies.score import (
    CORRECT,
    HOMOGRAPHY_THRESHOLDS,
    SHOWN_PX,
    DescribedPhoto,
    HomographyResult,
    Pace,
    PairResult,
    score_pair,
)
from solar.evaluation.report import COLOURS, PatchReport, Table, line_chart, percent
from solar.features.descriptors import open_descriptor
from solar.features.detectors import SiftDetector
from solar.features.keypoints import MAGNIFICATION, DescribeKeypoints, Detector, KeypointDescriptor
from solar.files import claim_folder
from solar.files.outputs import MARK
from solar.matching import draw_match
from solar.typing import AnyPath, GrayImage, Progress

DRAWN = 6
"""Pairs of each descriptor whose matches are drawn, those with the fewest right ones."""


def homographies(
    root: AnyPath | tuple[AnyPath, AnyPath, AnyPath],
    to: AnyPath,
    descriptors: Sequence[str] = ("rootsift",),
    *,
    keypoints: int = 2000,
    upright: bool = False,
    ratio: float | None = None,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "float32",
    progress: Progress | None = None,
) -> PatchReport:
    """The benchmark: match sequences of photos with SIFT keypoints and some descriptors.

    Args:
        root: a sequence, or a folder of sequences; or two photos and a file with the homography
            that maps pixels of the first to the second: nine numbers.
        to: folder of the report.
        descriptors: each what `open_descriptor` takes.
        keypoints: at most so many in a photo.
        upright: ignore orientations.
        ratio: of Lowe's test on top of mutual nearest neighbours; None for none.
        engine: that runs networks; see `solar.open_extractor`.
        device: where they run.
        precision: that they compute in: float32, bfloat16, float16 or auto.
        progress: told photos described and in all, of all descriptors.

    Raises:
        UsageError: there is no such descriptor or device.
        SolarError: a sequence is incomplete, or a photo damaged.
    """
    sequences = [open_pair(*root)] if isinstance(root, tuple) else open_sequences(root)
    detector = SiftDetector(keypoints, upright)
    opened = _by_title(descriptors, device, precision, engine)
    claim_folder(to, {"benchmark": "homographies"}, [])
    photos = sum(len(sequence.photos) for sequence in sequences)
    results = {}
    for number, (title, descriptor) in enumerate(opened.items()):

        def show(done: int, total: int, before: int = number * photos) -> None:
            if progress:
                progress(before + done, len(opened) * photos)

        results[title] = score_sequences(
            sequences, detector, descriptor, ratio=ratio, progress=show
        )
    protocol = {
        "detector": "SIFT",
        "keypoints": keypoints,
        "upright": upright,
        "magnification": MAGNIFICATION,
        "ratio": ratio,
        "correct_px": CORRECT,
        "precision": precision,
    }
    alone = len(results) == 1
    document = {
        "benchmark": "homographies",
        "data": "",
        "protocol": {**protocol, "descriptor": list(results)},
        "engine": {title: found.engine for title, found in opened.items()},
        "descriptors": {name: result.to_json() for name, result in results.items()},
        "figures": {
            figure if alone else f"{name}, {figure}": value
            for name, result in results.items()
            for figure, value in result.figures().items()
        },
    }
    report = PatchReport(
        "Matching under known homographies",
        document,
        [table(results, protocol)],
        {"accuracy.svg": accuracy_chart(results), **_pictures(results, sequences)},
    )
    report.write(to)
    return report


def score_sequences(
    sequences: Sequence[HomographySequence],
    detector: Detector,
    descriptor: DescribeKeypoints,
    *,
    ratio: float | None = None,
    progress: Progress | None = None,
) -> HomographyResult:
    """Detect, describe and match; photo 1 of every sequence against each of the others.

    Args:
        sequences: one or more.
        detector: finds keypoints.
        descriptor: describes them.
        ratio: of Lowe's test on top of mutual nearest neighbours; None for none.
        progress: told photos described and in all.

    Raises:
        SolarError: a photo is damaged.
    """
    pace = Pace(0, 0, 0.0, 0.0)
    total = sum(len(sequence.photos) for sequence in sequences)
    pairs: list[PairResult] = []
    for sequence in sequences:
        first = None
        for number in range(len(sequence.photos)):
            described, seconds = _described(sequence.photo(number), detector, descriptor)
            pace = pace.plus(len(described.keypoints), *seconds)
            if first is None:
                first = described
            else:
                homography = sequence.homographies[number - 1]
                scored = score_pair(
                    first, described, homography, sequence.name, number + 1, ratio=ratio
                )
                pairs.append(scored)
            if progress:
                progress(pace.photos, total)
    return HomographyResult(tuple(pairs), pace)


def _described(
    photo: GrayImage, detector: Detector, descriptor: DescribeKeypoints
) -> tuple[DescribedPhoto, tuple[float, float]]:
    """A photo's keypoints and descriptors; the seconds of finding and of describing them."""
    start = perf_counter()
    keypoints = detector(photo)
    found = perf_counter()
    descriptors = descriptor(photo, keypoints)
    done = perf_counter()
    height, width = photo.shape
    described = DescribedPhoto((height, width), keypoints, descriptors)
    return described, (found - start, done - found)


def _by_title(
    names: Sequence[str], device: str, precision: str, engine: str
) -> dict[str, KeypointDescriptor]:
    """Two descriptors of one title are told apart by what was typed."""
    descriptors: dict[str, KeypointDescriptor] = {}
    for name in dict.fromkeys(names):
        found = open_descriptor(name, device, precision, engine)
        descriptors[f"{found.name} ({name})" if found.name in descriptors else found.name] = found
    return descriptors


def _words(protocol: Mapping[str, object]) -> dict[str, str]:
    words = {
        "MMA": "mean over pairs of the share of matches within so many pixels of the truth",
        "repeatability": f"share of the keypoints seen by both photos that both have, within "
        f"{CORRECT:g} px",
        "AP": f"of the matches ranked by distance, right within {CORRECT:g} px",
        "AUC": "area under the curve of the corners' errors, of the homography fitted to the "
        "matches, up to so many pixels",
        "patches/s, photos/s": "described; detected and described, on this machine",
    }
    if protocol:
        turned = "upright" if protocol["upright"] else "turned with their keypoints"
        ratio = "" if protocol["ratio"] is None else f", ratio test {protocol['ratio']:g}"
        words["matched"] = (
            f"{protocol['detector']} keypoints, at most {protocol['keypoints']} a photo; every "
            f"patch {protocol['magnification']:g} keypoint sizes wide, {turned}; mutual nearest "
            f"neighbours{ratio}"
        )
    return words


def _pictures(
    results: Mapping[str, HomographyResult], sequences: Sequence[HomographySequence]
) -> dict[str, bytes]:
    """Right and wrong matches of the pairs with the fewest right ones, as JPEG by file name."""
    by_name = {sequence.name: sequence for sequence in sequences}
    drawn = {}
    for name, result in results.items():
        worst = sorted(result.pairs, key=lambda pair: pair.accuracy[int(CORRECT) - 1])[:DRAWN]
        for pair in worst:
            assert pair.shown is not None  # noqa: S101 - every scored pair has its matches
            sequence, right = by_name[pair.sequence], int(pair.shown.inliers.sum())
            caption = (
                f"{name}, {pair.sequence} 1 and {pair.photo}: {right} of {pair.matches} matches "
                f"are right within {CORRECT:g} px (green); the others are wrong (red)"
            )
            photos = sequence.photo(0), sequence.photo(pair.photo - 1)
            picture, file = draw_match(*photos, pair.shown, caption, wrong=True), BytesIO()
            picture.save(file, "JPEG", quality=85, comment=MARK)
            title = re.sub(r"[^\w.-]+", "_", f"{name}-{pair.sequence}-1-{pair.photo}")
            drawn[f"matches-{title}.jpg"] = file.getvalue()
    return drawn


def table(
    results: Mapping[str, HomographyResult], protocol: Mapping[str, object] | None = None
) -> Table:
    """Means, in per cent: a line a name, and lines for illumination and viewpoint.

    The last two columns are what `Pace` measured.

    Args:
        results: by name of the method.
        protocol: how photos were matched, for the legend.
    """
    heads = ["homographies, %", *(f"MMA {t} px" for t in SHOWN_PX), "repeatability", "AP"]
    heads += [f"AUC {t} px" for t in HOMOGRAPHY_THRESHOLDS]
    heads += ["pairs", "patches/s", "photos/s"]
    rows = []
    for name, result in results.items():
        parts = {name: result}
        by_change = {"illumination": result.of("i_"), "viewpoint": result.of("v_")}
        if all(by_change.values()):
            parts |= {f"{name}, {change}": part for change, part in by_change.items() if part}
        rows += [_row(title, part) for title, part in parts.items()]
    return Table(heads, rows, _words(protocol or {}))


def _row(title: str, part: HomographyResult) -> list[str]:
    accuracy = [part.accuracy[t - 1] for t in SHOWN_PX]
    figures = [*accuracy, part.repeatability, part.matching_ap, *part.homography_auc]
    pace = ["", ""]
    if part.pace:
        pace = [f"{part.pace.patches_per_second:,.0f}", f"{part.pace.photos_per_second:.2f}"]
    return [title, *(percent(figure, 1) for figure in figures), str(len(part.pairs)), *pace]


def accuracy_chart(results: Mapping[str, HomographyResult]) -> str:
    """An SVG of mean matching accuracy at 1 to 10 pixels, a line a descriptor.

    Of more descriptors than a chart has colours, the first ones; its title says so.
    """
    shown = list(results.items())[: len(COLOURS)]
    lines = {
        name: [(float(pixels), accuracy) for pixels, accuracy in enumerate(result.accuracy, 1)]
        for name, result in shown
    }
    rest = len(results) - len(shown)
    return line_chart(
        "mean matching accuracy" + (f" (first {len(shown)} of {len(results)})" if rest else ""),
        "pixels",
        "accuracy",
        lines,
        x_ticks=range(1, 11),
        y_ticks=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    )
